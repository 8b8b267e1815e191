"""Twelve kinds of canary through a whole day of every command: where a secret may not be, none is.

A day runs on a terminal, under strace: what is written to the terminal, every file, the arguments and the environment
of every process below are searched for every secret that was handed out. Each end-to-end test has the same scan of
files and words (`sandbox.Sandbox.leaks`).
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote

import pytest
from pseudo_terminal import run_on_terminal
from sandbox import AWSSSO, OURS

from awssso_helper import parser
from awssso_helper.model import Secret

WORD = "corp/210987654321/ReadOnlyAccess"
PROFILE = "production.ReadOnlyAccess"
PROXY_PASSWORD = "canary-of-a-proxy-password-7Kq"
STATIC_KEY = "canary/of/a+static/secret/key/wJalrXUtn0"
ID_TOKEN = "eyJcanary-of-an-id-token.eyJ0.sig"
# Variables that make other AWS tools, or Python, talkative; none of them may do so here.
TALKATIVE = {
    "AWS_DEBUG": "1",
    "BOTOCORE_DEBUG": "1",
    "AWS_SDK_LOAD_CONFIG": "1",
    "AWS_LOG_LEVEL": "trace",
    "URLLIB3_DEBUG": "1",
    "HTTPLIB_DEBUGLEVEL": "9",
    "LOGLEVEL": "DEBUG",
    "LOG_LEVEL": "DEBUG",
    "DEBUG": "*",
    "PYTHONDEVMODE": "",
    "PYTHONFAULTHANDLER": "1",
    "KEYRING_DEBUG": "1",
}
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@dataclass
class Day:
    """What a user and the machine saw of a day: terminal bytes, what programs were started with."""

    user: object
    verbosity: tuple[str, ...]
    traces: list[object] = field(default_factory=list)
    shown: list[tuple[str, bytes]] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    documents: list[dict[str, str]] = field(default_factory=list)
    sign_in_tokens: set[str] = field(default_factory=set)

    def run(self, line, *more, may_show=False, **variables):
        """Run a command on a terminal, watched; `may_show` says that its output is where the secret belongs."""
        trace = self.user.home.parent / f"trace-{len(self.traces)}"
        self.traces.append(trace)
        # -D: strace is a grandchild, which may stay for as long as an agent that was started here.
        watch = ["strace", "-D", "-f", "-qq", "-v", "-s", "1000000", "-e", "trace=execve", "-e", "signal=none"]
        words = line.split()
        verbose = [] if words[0] in ("credential-process", "complete") else self.verbosity
        command = [*watch, "-o", str(trace), AWSSSO, words[0], *verbose, *words[1:], *more]
        environment = {**self.user.variables, **OURS, **TALKATIVE, **variables}
        status, written = run_on_terminal(command, environment, self.user.home)
        self.statuses[line] = status
        if may_show or (words[0] == "credential-process" and status == 0):
            return written
        self.shown.append((line, written))
        return written

    def document(self):
        written = self.run(f"credential-process {WORD}", may_show=True)
        self.documents.append(json.loads(written.decode()))


def a_day(user, verbosity, *, is_long):
    """Do everything that there is to do, well and badly; a long day has each misfortune in each command."""
    day = Day(user, verbosity)
    simulator = user.simulator
    user.config.parent.mkdir(exist_ok=True)
    user.config.write_text("[profile theirs]\nregion = eu-west-1\n")
    credentials = user.home / ".aws" / "credentials"
    credentials.write_text(f"[old]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {STATIC_KEY}\n")
    user.variables["HTTPS_PROXY"] = f"http://ada:{PROXY_PASSWORD}@127.0.0.1:9"
    day.run("configure -S corp --start-url https://d-1234567890.awsapps.com/start --region us-east-1")
    day.run("login")
    day.run("login --force --no-sync --use-device-code")
    with_an_id_token(simulator)
    day.run("login --force --no-sync")
    day.run("login --force --no-sync")
    day.document()
    day.run(f"credential-process --profile {PROFILE}", may_show=True)
    for line in ("status", "status --json", "list", "list --json", "list --csv", "list --names", "sync", "sync --json"):
        day.run(line)
    day.run("sync --dry-run --full")
    day.run("doctor")
    day.run("doctor --json")
    day.run("agent status")
    day.run("env", PROFILE)
    day.run("env --keys", PROFILE, may_show=True)
    day.run("exec", PROFILE, "--", "/bin/true")
    day.run("console", PROFILE)
    day.run("console --federate", PROFILE)
    link = day.run("console --federate --url", PROFILE, may_show=True).decode()
    day.sign_in_tokens = set(re.findall(r"SigninToken=([^&\s]+)", link))
    for line in ("migrate --dry-run", "migrate --dry-run --json", "migrate --status"):
        day.run(line)
    bad_days(day, is_long=is_long)
    day.run("logout")
    user.stop_agent()
    return day


def with_an_id_token(simulator):
    """Let the next sign-in bring an `idToken` too, as scopes of OpenID do."""
    organization, now = simulator.organization, simulator.now()
    session = organization.sign_in("ada@example.com", now, life=organization.session_life)
    token = organization.grant_access(session, now, life=3600).value
    body = {"accessToken": token, "expiresIn": 3600, "tokenType": "Bearer", "idToken": ID_TOKEN}
    simulator.misbehave("CreateToken", body=json.dumps(body).encode())


def bad_days(day, *, is_long):
    """Every way to fail with a secret at hand: refused, echoed back, half, late, revoked, without network."""
    simulator = day.user.simulator
    day.user.stop_agent()
    token = simulator.calls("ListAccounts")[-1].headers["x-amz-sso_bearer_token"]
    secrets = " ".join(simulator.organization.issued_secrets()[-40:])
    echo = json.dumps({"__type": "InvalidRequestException", "message": f"{token[:150]} {secrets}"}).encode()
    misfortunes = [{"status": 400, "body": echo}, {"status": 500, "body": echo}, {"body": echo}, {"half_close": True}]
    for how in misfortunes if is_long else misfortunes[:1]:
        for operation in ("ListAccounts", "GetRoleCredentials", "CreateToken", "RegisterClient", "GetSigninToken"):
            simulator.misbehave(operation, times=1 if how.get("status") == 500 else 3, **how)
        day.run("sync --full")
        day.run("exec -A 482736190055 -R ReadOnlyAccess", "--", "/bin/true")
        day.run(f"credential-process corp/482736190055/{'PowerUserAccess'}")
        day.run("login --force --no-sync --use-device-code")
        day.run("console --federate --url", PROFILE, may_show=True)
        simulator.behave()
    day.run("login --force --no-sync", AWSSSO_PERSON="deny")
    simulator.organization.revoke_sessions("ada@example.com")
    day.run("sync --full")
    day.run("credential-process corp/619283746501/ReadOnlyAccess")
    day.run("login --no-sync")
    day.run("status", AWS_ENDPOINT_URL_SSO="http://evil.example", AWS_ENDPOINT_URL_SSO_OIDC="http://evil.example")
    day.run("sync --full", AWS_ENDPOINT_URL_SSO="http://127.0.0.1:9", AWS_ENDPOINT_URL_SSO_OIDC="http://127.0.0.1:9")
    # No endpoint variable: to AWS, through a proxy that is not there.
    day.run(
        "sync --full", AWS_ENDPOINT_URL_SSO="", AWS_ENDPOINT_URL_SSO_OIDC="", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="1"
    )
    day.run("sync --nonsense")


def canaries_of(day):
    """Give every secret that there was, by its kind."""
    simulator = day.user.simulator
    sent = {
        "refresh token": ("CreateToken", "refreshToken"),
        "client secret": ("CreateToken", "clientSecret"),
        "device code": ("CreateToken", "deviceCode"),
        "authorization code": ("CreateToken", "code"),
        "code verifier": ("CreateToken", "codeVerifier"),
    }
    found = {
        kind: {call.parameters[name] for call in simulator.calls(operation) if name in call.parameters}
        for kind, (operation, name) in sent.items()
    }
    found["access token"] = {
        call.headers["x-amz-sso_bearer_token"] for call in simulator.log if "x-amz-sso_bearer_token" in call.headers
    }
    found["secret access key"] = {each["SecretAccessKey"] for each in day.documents}
    found["session token"] = {each["SessionToken"] for each in day.documents}
    found["sign-in token"] = day.sign_in_tokens
    found["proxy password"] = {PROXY_PASSWORD}
    found["static key"] = {STATIC_KEY}
    found["id token"] = {ID_TOKEN}
    found["anything handed out"] = {each for each in simulator.organization.issued_secrets() if len(each) > 8}
    return found


def forms_of(secret):
    """Give a secret as it is, and as URLs, JSON and strace write it."""
    forms = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode()}
    return {form.encode() for form in forms}


def leaks(day):
    """Give where a canary is and may not be."""
    canaries = [
        (kind, form) for kind, secrets in canaries_of(day).items() for secret in secrets for form in forms_of(secret)
    ]
    places = [(f"terminal: {line}", written) for line, written in day.shown]
    places += [(f"file {path}", path.read_bytes()) for path in files_of(day.user)]
    places += [(f"started: {what[:200]!r}", what) for trace in day.traces for what in started_programs(trace)]
    return sorted({(place, kind) for place, content in places for kind, form in canaries if form in content})


def files_of(user):
    credentials = user.home / ".aws" / "credentials"
    for directory, names, files in os.walk(user.home):
        if directory == str(user.keyring_files):
            names.clear()
            continue
        for name in files:
            path = user.home.__class__(directory) / name
            if path.is_file() and path != credentials:
                yield path


def started_programs(trace):
    """Give the arguments and the environment of every program that was started.

    The proxy's variable is the user's own and goes to every child; `exec` hands keys to its program, that is its job.
    """
    for line in trace.read_bytes().splitlines():
        found = re.search(rb'execve\("([^"]*)", \[(.*?)\], \[(.*)\]\)', line)
        if found:
            program, arguments, variables = found[1], found[2], found[3]
            yield arguments
            if program != b"/bin/true":
                yield re.sub(rb'"HTTPS_PROXY=[^"]*"', b"", variables)


@needs_strace
def test_g1_g2_no_canary_is_shown_kept_or_passed_on_in_a_whole_day(sandbox):
    check_a_day(sandbox, ("-v", "--debug"), is_long=False)


@pytest.mark.soak
@needs_strace
@pytest.mark.parametrize("verbosity", [(), ("-v",), ("--debug",), ("-v", "--debug")], ids=" ".join)
def test_g1_no_canary_is_shown_at_any_verbosity(sandbox, verbosity, figures):
    day = check_a_day(sandbox, verbosity, is_long=True)
    kinds = {kind: len(secrets) for kind, secrets in canaries_of(day).items()}
    lists = sum(1 for trace in day.traces for _ in started_programs(trace))
    count = f"{len(day.traces)} commands, {lists} argument lists and environments"
    figures(f"{' '.join(verbosity) or 'plain'}: {count}; found none of {kinds}")


def check_a_day(user, verbosity, *, is_long):
    day = a_day(user, verbosity, is_long=is_long)
    kinds = canaries_of(day)
    assert len(kinds) >= 12
    assert {kind: len(secrets) for kind, secrets in kinds.items() if not secrets} == {}
    assert leaks(day) == []
    # The scan sees what there is: the browser's URL was shown, and went to it in an argument list.
    started = b"\n".join(what for trace in day.traces for what in started_programs(trace))
    assert b"/authorize?" in started
    assert b"code_challenge=" in b"".join(written for _, written in day.shown)
    assert {day.statuses["login"], day.statuses["list"], day.statuses["exec"]} == {0}, day.statuses
    return day


def test_g1_the_scan_finds_a_secret_wherever_one_is_put(sandbox):
    day = Day(sandbox, ())
    sandbox.config.parent.mkdir()
    sandbox.settings("keyring = plaintext-file", "agent = off")
    sandbox.configure()
    sandbox.ok("login", "--no-sync")
    secret = sandbox.simulator.organization.issued_secrets()[0]
    trace = sandbox.home.parent / "trace"
    trace.write_text(f'1 execve("/bin/sh", ["sh", "{secret}"], ["X={secret}"]) = 0\n')
    day.traces.append(trace)
    day.shown.append(("list", f"\x1b[1m{secret}".encode()))
    kept = sandbox.home / "kept"
    kept.write_text(quote(secret, safe=""))
    found = leaks(day)
    kept.unlink()
    assert {place.split(":")[0].split(" ")[0] for place, _ in found} == {"terminal", "file", "started"}


# Core files


def aborted(user, command, *, until):
    """Start a command with room for a core file, abort it once `until` is true, and say whether it dumped core."""
    script = 'ulimit -c unlimited; exec "$@"'
    process = subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", *command],
        env=user.variables,
        cwd=user.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while not until() and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    with suppress(ChildProcessError):
        process.wait()
    assert os.WIFSIGNALED(status), status
    return os.WCOREDUMP(status), list(user.home.glob("core*"))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")
@pytest.mark.parametrize(
    ("command", "operation"),
    [
        (["credential-process", WORD], "GetRoleCredentials"),
        (["sync", "--full"], "ListAccounts"),
        (["exec", "-A", "210987654321", "-R", "ReadOnlyAccess", "--", "true"], "GetRoleCredentials"),
        (["logout"], "Logout"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_g7_a_process_that_holds_a_token_leaves_no_core(sandbox, command, operation):
    sandbox.settings("keyring = plaintext-file", "agent = off", "deadline_seconds = 30")
    sandbox.configure()
    sandbox.ok("login")
    sandbox.simulator.clear_log()
    # It waits for the answer to a call that carries the token, so the token is in its memory.
    sandbox.simulator.misbehave(operation, delay=25)
    asked = lambda: sandbox.simulator.count(operation) > 0  # noqa: E731 - one word for one look
    assert aborted(sandbox, [AWSSSO, *command], until=asked) == (False, [])


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")
def test_g7_a_program_in_our_place_has_its_own_limit_back(sandbox):
    sandbox.settings("keyring = plaintext-file", "agent = off")
    sandbox.first_day()
    line = f'ulimit -c 1234 && exec "{AWSSSO}" exec {PROFILE} -- /bin/bash -c "ulimit -c"'
    assert sandbox.program("/bin/bash", "-c", line).stdout.strip() == "1234"


# Secrets as values, options and variables


def test_g8_no_option_takes_a_secret_and_nothing_is_put_on_a_clipboard_unasked(sandbox):
    taking = [
        f"{command} {option}"
        for command, each in parser.command_parsers(parser.build_parser()).items()
        for action in each._actions
        for option in action.option_strings
        if action.nargs != 0 and re.search("secret|password|token|access-key|credential", option)
    ]
    assert taking == []
    sandbox.first_day()
    for line in (["list"], ["console", PROFILE, "--url"]):
        _, written = run_on_terminal([AWSSSO, *line], {**sandbox.variables, **OURS}, sandbox.home)
        assert b"]52;" not in written


def test_g5_a_secret_in_an_unexpected_failure_is_not_told(sandbox):
    # A keyring of somebody's own that fails in a way nobody foresaw, with the secret in its words and its variables.
    module = sandbox.home / "odd_keyring.py"
    module.write_text(
        "from keyring.backend import KeyringBackend\n"
        "class Keyring(KeyringBackend):\n"
        "    priority = 1\n"
        "    def get_password(self, service, name):\n"
        "        return None\n"
        "    def set_password(self, service, name, password):\n"
        "        class Odd(BaseException): pass\n"
        "        raise Odd(password)\n"
        "    def delete_password(self, service, name):\n"
        "        pass\n"
    )
    sandbox.configure()
    sandbox.settings("keyring = odd_keyring.Keyring", "agent = off")
    done = sandbox.run("login", "--no-sync", "--debug", PYTHONPATH=str(sandbox.home))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "awssso: unexpected Odd; please report this line"
    assert "Traceback" not in done.stderr
    assert not [each for each in sandbox.simulator.organization.issued_secrets() if each in done.stderr]
    assert str(Secret("hunter2")) == "****"
