from __future__ import annotations

import grp
import json
import os
import pty
import pwd
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from pseudo_terminal import is_readable
from sandbox import AWSSSO, SECONDS

from awssso_helper import doctor, launcher
from awssso_helper.doctor import configuration

if TYPE_CHECKING:
    from pathlib import Path

FAKE_KEY = "AKIAIOSFODNN7EXAMPLE"
KEYS = f"aws_access_key_id = {FAKE_KEY}\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"
LIVE, DEAD = "2999-01-01T00:00:00Z", "2020-01-01T00:00:00UTC"


def findings(sandbox, *arguments: str, **more: str) -> dict[str, dict]:
    """Every finding that is not all right, by its id."""
    done = sandbox.run("doctor", "--json", *arguments, **more)
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert report["healthy"] == (done.returncode == 0)
    return {each["id"]: each for each in report["findings"] if each["severity"] != "ok"}


def wrong(sandbox, *arguments: str, **more: str) -> dict[str, dict]:
    found = findings(sandbox, *arguments, **more)
    return {identity: each for identity, each in found.items() if each["severity"] != "note"}


@pytest.fixture
def healthy(sandbox):
    """A user after the first day, with nothing wrong."""
    sandbox.home.chmod(0o700)
    sandbox.first_day()
    return sandbox


def test_nothing_is_wrong_after_the_first_day(healthy):
    done = healthy.run("doctor")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("nothing is wrong\n")
    assert "ok       ~/.aws/config: 34 generated profiles, 0 of your own\n" in done.stdout
    assert "ok       plaintext-file: 3,000 characters written, read and removed" in done.stdout
    assert "answers, and the clocks agree" in done.stdout
    assert "the agent runs since" in done.stdout


def test_the_report_says_of_each_finding_what_it_is_and_what_to_type(healthy):
    report = healthy.json("doctor")
    assert set(report) == {"version", "python", "system", "healthy", "findings"}
    for each in report["findings"]:
        assert set(each) == {"id", "severity", "what", "hint", "names", "repaired"}
        assert each["hint"] or each["severity"] in ("ok", "note"), each


def test_the_keyring_has_nothing_of_the_doctors_afterwards(desktop, secret_service):
    desktop.configure()
    before = secret_service.labels()
    found = findings(desktop)
    assert not {"keyring"} & found.keys()
    assert secret_service.labels() == before


def test_a_locked_keyring_is_a_finding_with_a_hint(desktop, secret_service):
    secret_service.lock()
    assert "locked" in wrong(desktop)["keyring"]["what"]


def test_without_a_keyring_the_rest_is_still_examined(sandbox):
    sandbox.settings("")
    del sandbox.variables["PYTHON_KEYRING_BACKEND"]
    found = wrong(sandbox, DBUS_SESSION_BUS_ADDRESS="unix:path=/nowhere")
    assert found["keyring"]["hint"].startswith("install or start a keyring")
    assert found["no-session"]["hint"] == "awssso configure"


def test_secrets_in_the_agents_memory_are_a_note(sandbox):
    sandbox.settings("keyring = memory")
    sandbox.configure()
    assert wrong(sandbox)["keyring"]["hint"].startswith("awssso agent start")
    sandbox.ok("agent", "start")
    found = findings(sandbox)
    assert found["keyring-memory"]["severity"] == "note"
    assert "keyring" not in found


def test_a_keyring_that_hangs_is_a_finding_in_seconds(desktop, secret_service):
    secret_service.stop()
    assert "does not answer" in wrong(desktop)["keyring"]["what"]
    secret_service.cont()


# What wins over a profile


def credentials(sandbox, text: str) -> None:
    path = sandbox.home / ".aws" / "credentials"
    path.write_text(text)
    path.chmod(0o600)


def test_keys_that_hide_a_profile_are_found_and_are_what_boto3_takes(healthy):
    credentials(healthy, f"[production.ReadOnlyAccess]\n{KEYS}")
    script = "import boto3; print(boto3.Session(profile_name='production.ReadOnlyAccess').get_credentials().access_key)"
    assert healthy.boto3(script).stdout.strip() == FAKE_KEY
    found = wrong(healthy)
    assert "1 profile is hidden by keys" in found["profile-hidden-by-keys"]["what"]
    assert found["profile-hidden-by-keys"]["names"] == []
    assert wrong(healthy, "-v")["profile-hidden-by-keys"]["names"] == ["production.ReadOnlyAccess"]
    assert found["long-lived-keys"]["hint"] == "awssso migrate"


def test_half_a_key_pair_and_another_source_are_found(healthy):
    credentials(
        healthy,
        "[production.ReadOnlyAccess]\naws_access_key_id = x\n"
        "[production.AdministratorAccess]\ncredential_process = /bin/false\n",
    )
    assert wrong(healthy).keys() == {"profile-hidden-by-half-a-key", "profile-hidden-by-source"}


def test_a_region_in_the_credentials_file_hides_nothing(healthy):
    credentials(healthy, "[production.ReadOnlyAccess]\nregion = us-east-1\n")
    assert wrong(healthy) == {}


def test_a_source_beside_ours_is_found(healthy):
    text = healthy.config.read_text()
    for line in ("sso_account_id = 210987654321", "login_session = x", "role_arn = x"):
        healthy.config.write_text(text.replace("credential_process", f"{line}\ncredential_process", 1))
        assert "source-beside-ours" in wrong(healthy), line


def test_a_chain_that_goes_in_a_circle_or_begins_nowhere_is_found(healthy):
    arn = "role_arn = arn:aws:iam::482736190055:role/deploy"
    text = healthy.config.read_text()
    chains = {
        "fine": "production.PowerUserAccess",
        "left": "right",
        "right": "left",
        "entrance": "left",
        "lost": "gone",
    }
    more = "".join(f"[profile {name}]\n{arn}\nsource_profile = {source}\n" for name, source in chains.items())
    healthy.config.write_text(text + more)
    found = wrong(healthy, "-v")
    assert found["chain-in-a-circle"]["names"] == ["left → right → left"]
    assert found["chain-without-beginning"]["names"] == ["lost → gone"]
    assert set(found) == {"chain-in-a-circle", "chain-without-beginning"}
    assert "left" not in healthy.run("doctor").stdout


def test_a_source_that_leaks_into_every_profile_is_found(healthy):
    healthy.config.write_text(f"[DEFAULT]\nsso_account_id = 1\n{healthy.config.read_text()}")
    found = wrong(healthy)
    assert "source-in-defaults" in found
    assert "line 1" in found["config-not-portable"]["what"]


IN_THE_WAY = (
    ({"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}, "keys-in-environment"),
    ({"AWS_ACCESS_KEY_ID": "x"}, "half-a-key-in-environment"),
    ({"AWS_SECRET_ACCESS_KEY": "x"}, "half-a-key-in-environment"),
    ({"AWS_WEB_IDENTITY_TOKEN_FILE": "x", "AWS_ROLE_ARN": "y"}, "web-identity-in-environment"),
    ({"AWS_DEFAULT_PROFILE": "default"}, "default-profile-variable"),
    ({"AWS_PROFILE": ""}, "profile-variable-empty"),
    ({"AWS_PROFILE": "nobody"}, "profile-variable-unknown"),
    ({"AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}, "file-variable-dangling"),
    ({"AWS_CA_BUNDLE": "/nowhere"}, "ca-bundle"),
    ({"AWS_CA_BUNDLE": "/etc/hostname"}, "ca-bundle"),
    ({"AWS_ENDPOINT_URL_SSO": "https://evil.example"}, "endpoint-refused"),
)


def test_variables_that_stand_in_the_way_are_named(healthy):
    for variables, identity in IN_THE_WAY:
        assert identity in wrong(healthy, **variables), variables


def test_variables_that_are_only_good_to_know_are_no_fault(healthy):
    found = findings(
        healthy,
        AWS_ENDPOINT_URL="http://127.0.0.1:4566",
        AWS_PROFILE="production.ReadOnlyAccess",
        KEYRING_PROPERTY_X="1",
    )
    assert {each["severity"] for each in found.values()} == {"note"}
    assert {"endpoint-variable", "keyring-variables", "keyring-plain-text"} <= found.keys()


def test_a_proxy_is_named_without_its_password(sandbox):
    sandbox.configure()
    del sandbox.variables["AWS_ENDPOINT_URL_SSO"]
    said = sandbox.run("doctor", HTTPS_PROXY="http://ada:s3cret@127.0.0.1:1").stdout
    assert "requests go through http://127.0.0.1:1" in said
    assert "s3cret" not in said


# The files


def test_a_config_file_that_no_tool_can_read_is_named_with_its_line(healthy):
    healthy.config.write_text(f"{healthy.config.read_text()}[profile twice]\n[profile twice]\n")
    found = wrong(healthy)
    number = len(healthy.config.read_text().splitlines())
    assert f"~/.aws/config, line {number}: a second section" in found["config-unreadable"]["what"]


def test_a_line_that_some_sdk_does_not_read_is_named(healthy):
    healthy.config.write_text(f"[profile my prof]\nregion = us-east-1\n{healthy.config.read_text()}")
    found = wrong(healthy)
    assert found.keys() == {"config-not-portable"}
    assert "~/.aws/config, line 1:" in found["config-not-portable"]["what"]


def test_a_damaged_block_and_a_broken_settings_file_hide_nothing_else(healthy):
    healthy.config.write_text(healthy.config.read_text().replace("# END awssso", "# END"))
    healthy.settings("keyring = plaintext-file", "agent = perhaps")
    found = wrong(healthy)
    assert {"config-block-damaged", "settings-unreadable"} <= found.keys()
    assert "line 2" in found["settings-unreadable"]["what"]
    assert "unexpected" not in json.dumps(found)


def test_a_home_that_is_none_is_a_finding_and_no_crash(sandbox):
    found = wrong(sandbox, HOME="nowhere")
    assert "config-unreadable" in found
    assert not any("check itself failed" in each["what"] for each in found.values()), found


# The profiles and their program


def test_profiles_whose_role_is_gone_and_roles_without_profile_are_counted(healthy):
    text = healthy.config.read_text()
    first = text.index("[profile production.ReadOnlyAccess]")
    second = text.index("[profile", first + 1)
    own = text[first:second].replace("production.ReadOnlyAccess", "lost.Role").replace("/ReadOnlyAccess", "/Lost")
    healthy.config.write_text(text[:first] + own + text[second:])
    found = wrong(healthy, "-v")
    assert found["profiles-without-role"]["names"] == ["lost.Role"]
    assert found["roles-without-profile"]["names"] == ["production.ReadOnlyAccess"]
    healthy.ok("sync")
    assert wrong(healthy) == {}


def test_a_profile_of_ones_own_that_keeps_ours_out_is_named(healthy):
    text = healthy.config.read_text()
    first = text.index("[profile production.ReadOnlyAccess]")
    second = text.index("[profile", first + 1)
    own = "\n[profile production.ReadOnlyAccess]\nregion = us-east-1\n"
    healthy.config.write_text(text[:first] + text[second:] + own)
    assert wrong(healthy).keys() == {"profiles-left-out"}


def test_profiles_of_a_session_that_is_gone_are_named(healthy):
    healthy.config.write_text(healthy.config.read_text().replace("[sso-session corp]", "[sso-session other]"))
    assert "profiles-without-session" in wrong(healthy)


def test_a_launcher_that_is_gone_is_found_and_repaired_when_told_to(healthy):
    program = healthy.home / ".local" / "share" / "awssso" / "bin" / "awssso"
    before = program.read_text()
    program.write_text(before.replace("full=", "full=/nowhere"))
    assert wrong(healthy)["launcher-stale"]["repaired"] is False
    assert program.read_text() != before
    assert findings(healthy, "--fix")["launcher-stale"]["repaired"] is True
    assert program.read_text() == before
    program.unlink()
    assert "launcher-stale" in wrong(healthy)


def test_a_program_of_before_is_found_in_the_profiles(healthy):
    path = str(healthy.home / ".local" / "share" / "awssso" / "bin" / "awssso")
    healthy.config.write_text(healthy.config.read_text().replace(path, "/opt/gone/awssso"))
    found = wrong(healthy)
    assert {"program-missing", "profiles-out-of-date"} <= found.keys()
    assert "34 profiles call a program that is not there" in found["program-missing"]["what"]


def test_what_should_be_called_is_what_a_sync_writes(healthy):
    from awssso_helper.environment import Environment
    from awssso_helper.settings import Settings

    path = launcher.expected(Environment(healthy.variables), Settings())
    assert f"credential_process = {path} credential-process" in healthy.config.read_text()


def test_a_block_that_makes_every_start_slow_is_found_with_the_settings_that_shrink_it(home):
    from awssso_helper.environment import Environment

    (home / ".aws").mkdir()
    profiles = "".join(
        f"[profile a{n}.R]\ncredential_process = /x/awssso credential-process corp/{n:012}/R\noutput = json\nx = y\n"
        for n in range(15_000)
    )
    (home / ".aws" / "config").write_text(f"# BEGIN awssso\n{profiles}# END awssso\n")
    patient = doctor.Patient(Environment(), may_prompt=False, trace=print)
    (finding,) = configuration.cost(patient)
    assert finding.id == "config-slow"
    assert "15,000 profiles cost each start" in finding.what
    assert "profiles.include" in finding.hint
    assert "profiles.extra" in finding.hint


def test_completions_of_another_version_are_found_and_written_anew_when_told_to(healthy):
    healthy.ok("completions", "bash", "--install")
    script = healthy.home / ".local" / "share" / "awssso" / "completions" / "awssso.bash"
    good = script.read_text()
    script.write_text("# of another version\n")
    assert findings(healthy)["completions-stale"]["hint"] == "awssso completions bash --install"
    assert findings(healthy, "--fix")["completions-stale"]["repaired"]
    assert script.read_text() == good
    assert "completions-stale" not in findings(healthy)


# Permissions


def test_a7_what_others_can_write_is_found(healthy):
    healthy.config.chmod(0o666)
    found = wrong(healthy)
    assert found["writable-by-all"]["hint"] == "chmod o-w ~/.aws/config"
    healthy.config.chmod(0o600)
    (healthy.home / ".aws").chmod(0o777)
    assert "everybody can write ~/.aws" in wrong(healthy)["writable-by-all"]["what"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to any group")
def test_a_group_that_can_write_counts_when_it_has_somebody_else(healthy):
    named = {entry.pw_gid: entry.pw_name for entry in pwd.getpwall() if entry.pw_uid != 0}
    crowded = next(iter(named))
    empty = next(
        entry.gr_gid for entry in grp.getgrall() if entry.gr_gid not in named and not entry.gr_mem and entry.gr_gid
    )
    for group, wanted in ((empty, {}), (crowded, {"writable-by-group"})):
        os.chown(healthy.config, -1, group)
        healthy.config.chmod(0o660)
        assert wrong(healthy).keys() == set(wanted)


def test_a7_credentials_that_others_can_read_are_found(healthy):
    credentials(healthy, "[x]\naws_session_token = y\n")
    (healthy.home / ".aws" / "credentials").chmod(0o644)
    assert wrong(healthy).keys() == {"credentials-readable"}


def test_a_directory_of_ours_that_is_open_is_closed_when_told_to(healthy):
    state = healthy.home / ".local" / "state" / "awssso"
    state.chmod(0o755)
    assert wrong(healthy)["open-directory"]["hint"] == "chmod 700 ~/.local/state/awssso"
    assert findings(healthy, "--fix")["open-directory"]["repaired"]
    assert state.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_another_user_is_found(healthy):
    os.chown(healthy.config, 4242, -1)
    assert "owned-by-another" in wrong(healthy)


# Agent, network, clock


def test_an_agents_socket_that_others_can_reach_is_closed_when_told_to(healthy):
    path = healthy.home / "run" / "awssso" / "agent.sock"
    path.chmod(0o666)
    assert "agent-socket" in wrong(healthy)
    assert findings(healthy, "--fix")["agent-socket"]["repaired"]
    assert wrong(healthy) == {}
    assert path.stat().st_mode & 0o077 == 0


def test_an_agent_that_does_not_answer_is_found(healthy):
    healthy.stop_agent()
    path = healthy.home / "run" / "awssso" / "agent.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(8)
        found = wrong(healthy)
    path.unlink()
    assert found["agent-foreign"]["hint"] == "awssso agent stop"


def test_an_agent_that_is_not_wanted_is_nothing(sandbox):
    sandbox.settings("keyring = plaintext-file", "agent = off")
    sandbox.configure()
    assert "agent = off" in sandbox.run("doctor").stdout


def test_a_clock_that_is_wrong_is_told_from_the_services_answer(healthy):
    for offset, severity in ((7200, "problem"), (-7200, "problem"), (120, "warning")):
        healthy.simulator.clock_offset = offset
        found = wrong(healthy)["clock-skew"]
        assert found["severity"] == severity
        assert ("behind" if offset > 0 else "ahead of") in found["what"]


def test_no_token_is_sent_to_ask_for_the_time(healthy):
    before = len(healthy.simulator.log)
    healthy.run("doctor")
    asked = healthy.simulator.log[before:]
    assert len(asked) == 1
    assert not any("token" in name.lower() or name.lower() == "authorization" for name in asked[0].headers)


def test_being_offline_is_no_fault(healthy):
    healthy.simulator.stop()
    found = findings(healthy)
    assert found["unreachable"]["severity"] == "note"
    assert wrong(healthy) == {}


# What other tools left


def leave_tokens(sandbox) -> dict[str, Path]:
    sso, cli = sandbox.home / ".aws" / "sso" / "cache", sandbox.home / ".aws" / "cli" / "cache"
    sso.mkdir(parents=True)
    cli.mkdir(parents=True)
    left = {
        "live": (sso / f"{'a' * 40}.json", {"accessToken": "leftover-live-token", "expiresAt": LIVE}),
        "dead": (sso / f"{'b' * 40}.json", {"accessToken": "leftover-dead-token", "expiresAt": DEAD}),
        "other": (sso / "kiro-auth-token.json", {"accessToken": "leftover-kiro-token", "expiresAt": DEAD}),
        "plain": (sso / f"{'c' * 40}.json", {"startUrl": "https://x"}),
        "role": (cli / f"{'d' * 40}.json", {"Credentials": {"AccessKeyId": "ASIAX", "Expiration": LIVE}}),
    }
    for path, values in left.values():
        path.write_text(json.dumps(values))
    return {name: path for name, (path, _values) in left.items()}


def test_tokens_of_other_tools_are_counted_and_left_alone_without_a_yes(healthy):
    left = leave_tokens(healthy)
    done = healthy.run("doctor", "--fix")
    assert done.returncode == 1
    assert "~/.aws/sso/cache has 3 tokens of other tools in plain files, 1 not yet expired" in done.stdout
    assert "~/.aws/cli/cache has 1 set of role credentials" in done.stdout
    assert "leftover" not in done.stdout + done.stderr
    assert all(path.exists() for path in left.values())


def test_tokens_of_an_unknown_program_have_a_hint_too(healthy):
    for name, path in leave_tokens(healthy).items():
        if name != "other":
            path.unlink()
    found = findings(healthy, "-v")["leftover-tokens"]
    assert found["names"] == ["kiro-auth-token.json"]
    assert "rm them from ~/.aws/sso/cache" in found["hint"]
    assert "offers to remove" not in found["hint"]


def test_tokens_that_expired_are_a_note(healthy):
    for name, path in leave_tokens(healthy).items():
        if name in ("live", "role"):
            path.unlink()
    found = findings(healthy)
    assert found["leftover-tokens"]["severity"] == "note"


def at_a_terminal(sandbox, *arguments: str, answers: str) -> str:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [AWSSSO, *arguments], env=sandbox.variables, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    os.write(ours, answers.encode())
    said, end = "", time.monotonic() + SECONDS
    while time.monotonic() < end:
        if is_readable(ours, 0.5):
            try:
                said += os.read(ours, 65536).decode()
            except OSError:  # Linux says EIO when the other end is closed
                break
    process.wait(timeout=SECONDS)
    os.close(ours)
    return said


def test_tokens_of_the_aws_cli_are_removed_after_a_yes_and_no_other_tools(healthy):
    left = leave_tokens(healthy)
    said = at_a_terminal(healthy, "doctor", "--fix", answers="y\nn\n")
    assert "repaired: removed 2 files from ~/.aws/sso/cache" in said
    assert [name for name, path in left.items() if path.exists()] == ["other", "plain", "role"]


# What may be pasted


def test_the_report_names_no_account_profile_or_home_unless_it_is_asked(healthy):
    credentials(healthy, f"[production.ReadOnlyAccess]\n{KEYS}")
    text = healthy.config.read_text()
    healthy.config.write_text(text.replace("/ReadOnlyAccess\n", "/Lost\n"))
    leave_tokens(healthy)
    healthy.config.chmod(0o666)
    for arguments in ((), ("--json",)):
        said = healthy.run("doctor", *arguments).stdout
        names = [entry["account_name"] for entry in healthy.json("list")["roles"]]
        assert not [name for name in names if name and name in said.replace("production", "")]
        assert "production" not in said
        assert "210987654321" not in said
        assert str(healthy.home) not in said
        assert FAKE_KEY not in said
    assert "production.ReadOnlyAccess" in healthy.run("doctor", "-v").stdout
    healthy.settings("agent = perhaps")
    said = healthy.run("doctor").stdout
    assert "problem  ~/.config/awssso/config, line 1:" in said
    assert str(healthy.home) not in said


def test_every_check_says_something_when_all_is_well(healthy):
    said = [each["id"] for each in healthy.json("doctor")["findings"]]
    checks = [identity for identity, _well, _check in doctor.CHECKS]
    assert len(set(checks)) == len(checks)
    assert len(said) >= len(checks)
