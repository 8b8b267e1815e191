"""Hostile names on every surface: no control byte on a terminal, no crash, no foreign profile changed, one reading.

A surface is one line in `SURFACES`. Each runs on a terminal and into a pipe, in an organisation whose accounts and
roles have the names of `hostile_names`, with a config file that others have profiles in.
"""

from __future__ import annotations

import configparser
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from hostile_names import PICKED, control_characters, generated
from pseudo_terminal import run_on_terminal
from sandbox import AWS_V1, AWS_V2, AWSSSO, OURS, START_URL

from awssso_helper import aws_config

ADA = "ada@example.com"
# Profiles of other people, among them names that ours would like to have.
FOREIGN = """\
[default]
region = eu-west-1

[profile prod.Admin]
region = eu-north-1
s3 =
  max_queue_size = 5

[profile x.Admin]
credential_process = /bin/false   # theirs

[profile 'my prof']
output = json

[sso-session corp]
sso_start_url = https://d-1234567890.awsapps.com/start
sso_region = us-east-1
sso_registration_scopes = sso:account:access
"""
# What our own progress bar writes beside text: cursor off and on, up, erase a line.
PROGRESS = re.compile(rb"\x1b\[(?:\?25[lh]|[0-9]*A|[0-9]*K|[0-9]*G)")
# What a full screen is made of: places, colours, modes, questions to the terminal about itself, the mouse's pointer.
SCREEN = re.compile(rb"\x1b(?:\[[?>=<]?[0-9;:]*(?:[Hmhlu]|\$p)|\]22;[a-z]*\x07)")
NOTHING = re.compile(rb"(?!)")


@dataclass(frozen=True)
class Surface:
    """A command line; `{name}`, `{id}` and `{profile}` stand for hostile words. `keys` are typed on the terminal."""

    arguments: list[str]
    statuses: tuple[int, ...] = (0,)
    allowed: re.Pattern[bytes] = NOTHING
    keys: tuple[bytes, ...] = ()


SURFACES = [
    Surface(["sync", "--dry-run"], allowed=PROGRESS),
    Surface(["sync"], allowed=PROGRESS),
    Surface(["sync", "--json"], allowed=PROGRESS),
    Surface(["sync", "-v", "--full"], allowed=PROGRESS),
    Surface(["sync", "--debug", "--full"], allowed=PROGRESS),
    Surface(["list"]),
    Surface(["list", "--csv"]),
    Surface(["list", "--json"]),
    Surface(["list", "--names"]),
    Surface(["status"]),
    Surface(["doctor"], (0, 1, 3)),
    Surface(["env", "-A", "500000000003", "-R", "Admin", "--shell", "bash"]),
    Surface(["env", "-A", "500000000003", "-R", "Admin", "--shell", "fish"]),
    Surface(["env", "-A", "500000000003", "-R", "Admin", "--json"]),
    Surface(["exec", "-A", "500000000003", "-R", "Admin", "--", "true"]),
    Surface(["console", "-A", "500000000003", "-R", "Admin", "--url"]),
    # Words that fit many, whose names are then told.
    Surface(["env", "a"], (2,)),
    Surface(["exec", "prod", "x", "--", "true"], (2,)),
    Surface(["console", "-A", "a", "--url"], (2,)),
    Surface(["console", "-R", "a", "--url"], (2,)),
    Surface(
        ["pick", "--print"], (130,), allowed=SCREEN, keys=(b"a", b"\x1b[B", b"\x1b[6~", b"\x7f", b"\x1b[F", b"\x11")
    ),
    Surface(["complete", "profile"]),
    Surface(["complete", "account"]),
    Surface(["complete", "role"]),
    Surface(["complete", "word"]),
    Surface(["complete", "session"]),
]
# With one hostile word each: errors quote what was typed, and what a file or a portal said.
WITH_A_NAME = [
    Surface(["list", "{name}"]),
    Surface(["login", "-S", "{name}"], (2,)),
    Surface(["logout", "-S", "{name}"], (0, 2)),
    Surface(["sync", "-S", "{name}"], (2,)),
    Surface(["status", "{name}"], (2,)),
    Surface(["{name}"], (0, 2)),
    Surface(["configure", "-S", "{name}", "--start-url", START_URL, "--region", "us-east-1"], (0, 2, 6)),
    # A bare word is a host.
    Surface(["configure", "-S", "x", "--start-url", "{name}", "--region", "us-east-1"], (0, 2, 5)),
    Surface(["configure", "-S", "x", "--start-url", START_URL, "--region", "{name}"], (2,)),
    Surface(["credential-process", "--profile", "{name}"], (2,)),
    Surface(["credential-process", "{name}/123456789012/Admin"], (2, 3)),
    Surface(["credential-process", "corp/123456789012/{name}"], (1, 2, 3)),
    Surface(["complete", "{name}"]),
    Surface(["env", "{name}"], (2,)),
    Surface(["env", "-A", "{name}", "-R", "{name}"], (2,)),
    Surface(["exec", "-p", "{name}", "--", "true"], (2,)),
    Surface(["exec", "--", "{name}"], (2, 127)),
    Surface(["console", "{name}", "--url"], (2,)),
    Surface(["console", "-A", "123456789012", "-R", "Admin", "--destination", "{name}", "--url"], (2, 6)),
    Surface(["use", "{name}"], (2,)),
    Surface(["doctor", "{name}"], (2,)),
]


def organisation_of(user, names):
    """Fill the organisation with accounts and roles of these names; each account has `Admin` and a role of its name."""
    organization = user.simulator.organization
    for account_id in [account.id for account in organization.reachable(ADA)]:
        organization.remove_account(account_id)
    for number, name in enumerate(names):
        account_id = f"{500000000000 + number}"
        organization.add_account(account_id, name, email=f"{name}@example.com"[:300])
        organization.assign(ADA, account_id, "Admin", *([name] if name else []))


def signed_in_among(sandbox, names, *, agent=False):
    sandbox.settings("keyring = plaintext-file", *([] if agent else ["agent = off"]))
    sandbox.config.parent.mkdir()
    sandbox.config.write_text(FOREIGN)
    organisation_of(sandbox, names)
    sandbox.ok("login", "--no-sync")
    return sandbox


def on_terminal(user, arguments, *, keys=(), **more):
    variables = {**user.variables, **OURS, "NO_COLOR": "1", "LANG": "C.UTF-8", "PYTHONUTF8": "1", **more}
    return run_on_terminal([AWSSSO, *arguments], variables, user.home, keys=keys)


def typable(name):
    """Give a name as it can stand in an argument list."""
    return name.encode("utf-8", "replace").decode().replace("\0", "")


# Names that steer, but for those that the screen itself is made of.
STEERING = [name for name in PICKED if "\x1b" in name and re.search(r"[a-z]{3}|;c;|2J", name)]


def encoded(name):
    return name.encode("utf-8", "surrogatepass")


def assert_harmless(surface, status, written):
    assert status in surface.statuses, (surface.arguments, status, written[-2000:])
    left = surface.allowed.sub(b"", written).replace(b"\r\n", b"\n")
    assert control_characters(left.decode()) <= {"\n", "\r", "\t"}, surface.arguments
    if surface.allowed is NOTHING:
        assert b"\r" not in left, surface.arguments
    assert not [name for name in STEERING if encoded(name) in written]
    assert b"Traceback" not in written
    assert b"unexpected " not in written, written[-2000:]


def assert_surface_is_harmless(user, surface, name="", *, in_a_pipe=True):
    arguments = [word.replace("{name}", typable(name)) for word in surface.arguments]
    assert_harmless(surface, *on_terminal(user, arguments, keys=surface.keys))
    if in_a_pipe and not surface.keys:
        done = subprocess.run(
            [AWSSSO, *arguments],
            env={**user.variables, **OURS},
            cwd=user.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=900,
            check=False,
        )
        assert_harmless(surface, done.returncode, done.stdout + done.stderr)


def test_f1_f2_f3_f4_f5_f6_no_surface_lets_a_control_byte_of_a_name_through(sandbox):
    assert len(PICKED) >= 200
    user = signed_in_among(sandbox, PICKED)
    for surface in SURFACES:
        assert_surface_is_harmless(user, surface, in_a_pipe=surface.arguments[0] == "list")
    assert_foreign_profiles_are_as_they_were(user)
    assert_all_read_alike(user)


@pytest.mark.parametrize("surface", WITH_A_NAME, ids=lambda surface: " ".join(surface.arguments))
def test_f1_no_error_lets_a_control_byte_through(sandbox, surface):
    sandbox.configure()
    name = "\x1b]52;c;ZXZpbA==\x07a\r\x1b[Kb\nc\x9b31m\u202e\u2028[/]{0}%s"
    assert_surface_is_harmless(sandbox, surface, name, in_a_pipe=False)


@pytest.mark.soak
@pytest.mark.parametrize("surface", WITH_A_NAME, ids=lambda surface: " ".join(surface.arguments))
def test_f1_no_error_lets_a_control_byte_of_many_picked_names_through(sandbox, surface):
    sandbox.configure()
    # An eighth of them; whoever types one of the two left out wants help and gets it.
    for name in PICKED[::8]:
        if name not in ("-h", "--help"):
            assert_surface_is_harmless(sandbox, surface, name)


# One reading of the file

READ_BY_BOTOCORE = """
import json, sys
from botocore.configloader import load_config
print(json.dumps(load_config(sys.argv[1])["profiles"]))
"""


def profiles_of_botocore(config):
    done = subprocess.run(
        [sys.executable, "-c", READ_BY_BOTOCORE, str(config)], capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def ours_in(config):
    """Give what the profiles of our block are, by the text alone."""
    block = config.read_text().split("# BEGIN awssso\n")[1].split("# END awssso")[0]
    return dict(re.findall(r"^\[profile (.+)\]\ncredential_process = (.+)$", block, re.MULTILINE))


def assert_foreign_profiles_are_as_they_were(user):
    text = user.config.read_text()
    assert text.startswith(FOREIGN)
    assert text.removeprefix(FOREIGN).startswith("\n# BEGIN awssso")
    before = user.home / "before"
    before.write_text(FOREIGN)
    found = profiles_of_botocore(user.config)
    assert {name: found[name] for name in profiles_of_botocore(before)} == profiles_of_botocore(before)


def assert_all_read_alike(user):
    """The file means the same to us, to botocore, by the rules of JavaScript, and to the AWS CLI."""
    written = ours_in(user.config)
    assert len(written) > 200
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}", name) for name in written)
    assert len({name.casefold() for name in written}) == len(written)
    assert not {"default", "__proto__"} & {name.casefold() for name in written}
    processes = {
        name: each["credential_process"] for name, each in profiles_of_botocore(user.config).items() if name in written
    }
    assert processes == written
    javascript = aws_config.js_sections(user.config.read_bytes())
    assert {name: javascript[f"profile.{name}"]["credential_process"] for name in written} == written
    launcher = next(iter(written.values())).split()[0]
    assert {process.split()[0] for process in written.values()} == {launcher}
    assert all(
        re.fullmatch(r"\S+ credential-process corp/[0-9]{12}/[A-Za-z0-9_.@+=:-]+", each) for each in written.values()
    )
    name = max(written, key=len)
    said = user.program(AWS_V1, "configure", "get", "credential_process", "--profile", name).stdout
    assert said.strip() == written[name]
    if Path(AWS_V2).exists():
        listed = user.program(AWS_V2, "configure", "list-profiles").stdout.split("\n")
        assert set(written) <= set(listed)


@pytest.mark.soak
def test_f1_f3_f4_f5_f6_ten_thousand_generated_names_on_every_surface(sandbox, figures):
    seed = os.environ.get("AWSSSO_SOAK_SEED", "soak")
    rng = random.Random(f"names {seed}")
    names = [generated(rng) for _ in range(10_000)]
    user = signed_in_among(sandbox, names)
    for surface in SURFACES:
        assert_surface_is_harmless(user, surface)
    assert_foreign_profiles_are_as_they_were(user)
    assert_all_read_alike(user)
    found = len(ours_in(user.config))
    figures(f"{len(names)} generated names (seed {seed}) on {len(SURFACES)} surfaces; {found} profiles, read alike")


# Sessions


def sessions_of(names):
    """Give a config file with a session of each name that such a file can hold."""
    sections = {}
    for name in (each.encode("utf-8", "replace").decode() for each in names):
        written = name if re.fullmatch("[A-Za-z0-9_.@+-]+", name) else f"'{name}'"
        section = f"[sso-session {written}]\nsso_start_url = {START_URL}\nsso_region = us-east-1\n"
        parser = configparser.RawConfigParser()
        with suppress(configparser.Error):
            parser.read_file(io.StringIO(section, newline=None))
            if parser.sections() == [f"sso-session {written}"]:
                sections[written] = section
    return "\n".join(sections.values()).encode()


SESSION_SURFACES = [
    Surface(["status"], (3,)),
    Surface(["status", "--json"], (3,)),
    Surface(["list"]),
    Surface(["login"], (2,)),
    Surface(["logout"], (2,)),
    Surface(["sync"], (2,)),
    Surface(["complete", "session"]),
]


def test_f1_session_names_of_a_config_file_let_no_control_byte_through(sandbox):
    sandbox.settings("keyring = plaintext-file", "agent = off")
    sandbox.config.parent.mkdir()
    sandbox.config.write_bytes(sessions_of(PICKED))
    assert len(sandbox.json("status")["sessions"]) >= 200
    for surface in SESSION_SURFACES:
        assert_surface_is_harmless(sandbox, surface, in_a_pipe=False)


@pytest.mark.parametrize("name", ["\x1b]52;c;ZXZpbA==\x07", "\x9b31m\u202ea[/b]{0}%s"], ids=ascii)
def test_f1_a_session_of_a_hostile_name_lives_its_day(sandbox, name):
    sandbox.settings("keyring = plaintext-file", "agent = off")
    sandbox.config.parent.mkdir()
    sandbox.config.write_bytes(sessions_of([name]))
    for arguments in (
        ["login"],
        ["login"],
        ["login", "--force", "-v"],
        ["sync", "--full"],
        ["status", "-v"],
        ["list"],
        ["logout"],
    ):
        assert_harmless(Surface(arguments, (0, 2, 6), allowed=PROGRESS), *on_terminal(sandbox, arguments))


# The JavaScript SDK itself, where npm can fetch it

# As it was before the tests were sealed: npm finds its registry by the developer's own configuration.
OF_THE_DEVELOPER = dict(os.environ)
READ_BY_JAVASCRIPT = """
const { loadSharedConfigFiles } = require("@smithy/shared-ini-file-loader");
loadSharedConfigFiles({ configFilepath: process.argv[2], filepath: "/nonexistent" })
  .then((found) => console.log(JSON.stringify(found.configFile)));
"""


@pytest.mark.soak
def test_f6_the_javascript_sdk_itself_reads_what_our_port_of_its_rules_reads(sandbox, tmp_path, figures):
    package = "@smithy/shared-ini-file-loader@4"
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    fetched = subprocess.run(
        ["npm", "install", "--no-save", "--silent", package],
        env=OF_THE_DEVELOPER,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if fetched.returncode:
        pytest.skip(f"npm cannot fetch {package} here")
    rng = random.Random("javascript")
    user = signed_in_among(sandbox, [*PICKED, *(generated(rng) for _ in range(1000))])
    user.ok("sync")
    script = tmp_path / "read.js"
    script.write_text(READ_BY_JAVASCRIPT)
    done = subprocess.run(
        ["node", str(script), str(user.config)], capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path
    )
    theirs = json.loads(done.stdout)
    written = ours_in(user.config)
    assert {name: theirs[name]["credential_process"] for name in written} == written
    ours = aws_config.js_sections(user.config.read_bytes())
    profiles = {name.removeprefix("profile."): values for name, values in ours.items() if name.startswith("profile.")}
    assert {name: theirs[name] for name in profiles} == profiles
    figures(f"{len(written)} profiles read alike by {package} and by our port of its rules")
