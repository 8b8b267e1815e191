"""The main job from end to end, as a user and the AWS tools see it. Every process and file here is real."""

from __future__ import annotations

import configparser
import json
import math
import os
import pathlib
import re
import shutil
import sys

import modern_aws
import pytest
from sandbox import AWS_V1, AWS_V2, AWSSSO, START_URL

WHO_AM_I = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
needs_aws_v2 = pytest.mark.skipif(not pathlib.Path(AWS_V2).exists(), reason="Debian's awscli (v2) is not installed")
needs_modern_aws = pytest.mark.skipif(not modern_aws.is_here(), reason=modern_aws.WHY_NOT)
DEBIANS_V2 = pytest.param(AWS_V2, marks=needs_aws_v2, id="v2 of Debian")
PRESENT_V2 = pytest.param(str(modern_aws.PROGRAM), marks=needs_modern_aws, id="v2 of today")


def names(sandbox) -> list[str]:
    return sandbox.ok("list", "--names").stdout.split()


def test_from_nothing_to_working_aws_commands_with_a_real_keyring(desktop):
    desktop.configure()
    said = desktop.ok("login").stderr
    assert "signed in" in said
    assert "13 accounts, 34 roles" in said
    for profile in ("production.ReadOnlyAccess", "sandbox.AdministratorAccess"):
        done = desktop.boto3(WHO_AM_I, AWS_PROFILE=profile)
        assert f"AWSReservedSSO_{profile.split('.')[1]}" in done.stdout, done.stderr
    status = desktop.json("status")
    assert status["sessions"][0]["state"] == "signed in"
    assert "SecretService" in status["keyring"]


def test_boto3_names_the_account_of_the_profile(sandbox):
    sandbox.first_day()
    roles = {row["profile"]: row["account_id"] for row in sandbox.json("list")["roles"]}
    done = sandbox.boto3(WHO_AM_I.replace("['Arn']", "['Account']"), AWS_PROFILE="production.ReadOnlyAccess")
    assert done.stdout.strip() == roles["production.ReadOnlyAccess"]


@pytest.mark.parametrize("aws", [pytest.param(AWS_V1, id="v1"), DEBIANS_V2, PRESENT_V2])
def test_the_aws_cli_takes_credentials_from_the_profile(sandbox, aws):
    sandbox.first_day()
    found = sandbox.program(aws, "configure", "list", "--profile", "audit.SecurityAudit")
    assert "custom-process" in found.stdout, found.stderr


# `configure list-profiles` is v2 only.
@pytest.mark.parametrize("aws", [DEBIANS_V2, PRESENT_V2])
def test_the_aws_cli_lists_the_same_profiles(sandbox, aws):
    sandbox.first_day()
    listed = sandbox.program(aws, "configure", "list-profiles")
    assert listed.stdout.split() == names(sandbox), listed.stderr


@pytest.mark.parametrize("aws", [pytest.param(AWS_V1, id="v1"), PRESENT_V2])
def test_the_aws_cli_calls_sts_through_a_profile(sandbox, aws):
    sandbox.first_day()
    done = sandbox.program(
        aws, "sts", "get-caller-identity", "--profile", "staging.PowerUserAccess", "--region", "us-east-1"
    )
    assert "AWSReservedSSO_PowerUserAccess" in json.loads(done.stdout)["Arn"], done.stderr


@needs_aws_v2
def test_the_aws_cli_v2_calls_sts_through_a_profile(sandbox):
    sandbox.first_day()
    # Debian's 2.9 does not know AWS_ENDPOINT_URL_STS.
    url = sandbox.simulator.url
    done = sandbox.program(
        AWS_V2,
        "sts",
        "get-caller-identity",
        "--profile",
        "staging.PowerUserAccess",
        "--region",
        "us-east-1",
        "--endpoint-url",
        url,
    )
    assert "AWSReservedSSO_PowerUserAccess" in json.loads(done.stdout)["Arn"], done.stderr


def test_a_machine_where_aws_configure_sso_was_run_needs_no_configure(sandbox):
    sandbox.config.parent.mkdir()
    sandbox.config.write_text(
        f"[sso-session old]\nsso_start_url = {START_URL}/#/\nsso_region = us-east-1\n[profile mine]\nregion=eu-west-1\n"
    )
    sandbox.ok("login")
    assert "production.ReadOnlyAccess" in names(sandbox)
    assert sandbox.config.read_text().startswith("[sso-session old]")


def test_an_unusable_session_of_another_tool_does_not_stand_in_the_way(sandbox):
    sandbox.config.parent.mkdir()
    sandbox.config.write_text(
        "[sso-session theirs]\nsso_start_url = http://sso.intern.example/start\nsso_region = us-east-1\n"
        "[sso-session odd]\nsso_start_url = https://d-9999999999.awsapps.com/start\nsso_region = everywhere\n"
    )
    alone = sandbox.run("status")
    assert alone.returncode == 2
    assert "'theirs' cannot be used" in alone.stderr
    assert "hint: correct it in ~/.aws/config" in alone.stderr
    sandbox.configure()
    said = sandbox.ok("login").stderr
    assert said.count("cannot be used") == 2
    assert "signed in" in said
    assert len(sandbox.ok("list", "--names").stdout.split()) == 34
    named = sandbox.run("login", "-S", "odd")
    assert named.returncode == 2
    assert "'everywhere' is not an AWS region" in named.stderr
    sandbox.configure("odd")
    assert sandbox.ok("login", "-S", "odd").stderr.count("cannot be used") == 1


def test_login_with_a_device_code(sandbox):
    sandbox.configure()
    said = sandbox.ok("login", "--use-device-code").stderr
    assert "Your code:\n" in said
    assert "signed in" in said
    assert sandbox.simulator.count("StartDeviceAuthorization") == 1


def test_over_ssh_a_device_code_is_the_default_and_the_reason_is_said(sandbox):
    sandbox.configure()
    said = sandbox.ok("login", SSH_CONNECTION="192.0.2.1 1 192.0.2.2 22").stderr
    assert "over SSH" in said
    assert sandbox.simulator.count("StartDeviceAuthorization") == 1


def test_a_refused_sign_in_ends_in_words_and_stores_no_token(sandbox):
    sandbox.configure()
    done = sandbox.run("login", AWSSSO_PERSON="deny")
    assert done.returncode == 1
    assert "refused" in done.stderr
    assert sandbox.json("status")["sessions"][0]["state"] == "signed out"


def test_a_second_login_asks_aws_and_starts_nothing(sandbox):
    sandbox.first_day()
    said = sandbox.ok("login", "--no-sync").stderr
    assert "already signed in" in said
    assert sandbox.simulator.count("RegisterClient") == 1
    sandbox.ok("login", "--no-sync", "--force")
    assert sandbox.simulator.count("RegisterClient") == 1, "the registration is used again"
    assert sandbox.simulator.count("CreateToken", grantType="authorization_code") == 2


def test_a_token_that_aws_revoked_is_not_called_already_signed_in(sandbox):
    sandbox.first_day()
    sandbox.simulator.organization.revoke_sessions("ada@example.com")
    said = sandbox.ok("login").stderr
    assert "already" not in said
    assert sandbox.simulator.count("CreateToken", grantType="authorization_code") == 2


def test_h8_a_second_sync_writes_nothing(sandbox):
    sandbox.first_day()
    before = sandbox.config.stat()
    said = sandbox.ok("sync").stderr
    assert "nothing to change" in said
    after = sandbox.config.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_sync_says_what_was_gained_and_lost(sandbox):
    sandbox.first_day()
    organization = sandbox.simulator.organization
    organization.add_account("555544443333", "newcomer")
    organization.assign("ada@example.com", "555544443333", "ReadOnlyAccess")
    organization.unassign("ada@example.com", "210987654321", "PowerUserAccess")
    said = sandbox.ok("sync").stderr
    assert "gained newcomer (555544443333) ReadOnlyAccess" in said
    assert "lost production (210987654321) PowerUserAccess" in said
    assert "newcomer.ReadOnlyAccess" in names(sandbox)
    assert "production.PowerUserAccess" not in names(sandbox)
    facts = sandbox.json("sync")
    assert facts["sessions"][0]["gained"] == []


def test_h7_an_editor_that_has_the_file_open_is_warned_of_when_something_was_written(sandbox):
    sandbox.configure()
    mark = sandbox.config.with_name(".config.swp")
    mark.touch()
    done = sandbox.ok("login")
    assert "warning: an editor has ~/.aws/config open (.config.swp)\n" in done.stderr
    assert "an editor" not in sandbox.ok("sync").stderr
    done = sandbox.ok("configure", "-S", "other", "--start-url", START_URL, "--region", "us-east-1")
    assert "load the file anew there" in done.stderr
    mark.unlink()
    done = sandbox.ok("configure", "-S", "third", "--start-url", START_URL, "--region", "us-east-1")
    assert "an editor" not in done.stderr


def test_h10_a_dry_run_prints_a_diff_and_writes_nothing(sandbox):
    sandbox.first_day()
    before = sandbox.config.read_bytes()
    sandbox.simulator.organization.unassign("ada@example.com", "210987654321", "PowerUserAccess")
    done = sandbox.ok("sync", "--dry-run")
    assert "-[profile production.PowerUserAccess]" in done.stdout
    assert sandbox.config.read_bytes() == before
    assert "lost production" in sandbox.ok("sync").stderr, "a dry run is not remembered either"


def test_more_than_a_fifth_is_not_removed_without_a_yes(sandbox):
    sandbox.first_day()
    organization = sandbox.simulator.organization
    for row in sandbox.json("list")["roles"][::3]:
        organization.unassign("ada@example.com", row["account_id"], row["role"])
    before = names(sandbox)
    said = sandbox.ok("sync").stderr
    assert "needs a yes" in said
    assert names(sandbox) == before
    sandbox.ok("sync", "--yes")
    assert len(names(sandbox)) < len(before)


def test_an_account_that_does_not_answer_keeps_its_roles_and_nothing_is_pruned(sandbox):
    sandbox.first_day()
    before = names(sandbox)
    sandbox.simulator.misbehave("ListAccountRoles", error="ForbiddenException")
    sandbox.simulator.organization.unassign("ada@example.com", "210987654321", "PowerUserAccess")
    done = sandbox.run("sync")
    assert done.returncode == 5
    assert "could not be asked" in done.stderr
    assert names(sandbox) == before
    assert sum(row["stale"] for row in sandbox.json("list")["roles"]) > 0


def test_two_sessions_share_the_block_and_leave_each_other_alone(sandbox):
    sandbox.configure("ada")
    sandbox.configure("bob")
    assert sandbox.run("login").returncode == 2
    sandbox.ok("login", "-S", "ada")
    of_ada = names(sandbox)
    sandbox.ok("login", "-S", "bob", AWSSSO_PERSON_USER=sandbox.simulator.organization.users[1])
    both = names(sandbox)
    assert set(of_ada) < set(both)
    assert len({name.casefold() for name in both}) == len(both)
    sandbox.ok("sync", "--all")
    assert names(sandbox) == both
    sandbox.ok("logout", "-S", "bob")
    states = {each["name"]: each["state"] for each in sandbox.json("status")["sessions"]}
    assert states == {"ada": "signed in", "bob": "signed out"}


def test_all_signs_in_to_every_session_and_one_that_fails_does_not_keep_the_others_from_it(sandbox):
    for name in ("ada", "broken", "bob"):
        sandbox.configure(name)
    # A session that moved since its sign-in is refused (SECURITY B8).
    sandbox.ok("login", "-S", "broken", "--no-sync")
    text = sandbox.config.read_text()
    start = text.index("[sso-session broken]")
    sandbox.config.write_text(text[:start] + text[start:].replace("d-1234567890", "d-6666666666", 1))
    done = sandbox.run("login", "--all")
    assert done.returncode == 6
    assert "awssso: broken: session broken was" in done.stderr
    states = {each["name"]: each["usable"] for each in sandbox.json("status")["sessions"]}
    assert states["ada"]
    assert states["bob"]
    assert len(names(sandbox)) == 2 * 34
    sandbox.ok("logout", "-S", "bob")
    synced = sandbox.run("sync", "--all", "--json")
    facts = json.loads(synced.stdout)
    assert synced.returncode == 6, "the status of the first that failed"
    assert [each["name"] for each in facts["sessions"]] == ["ada"]
    assert [each["name"] for each in facts["failed_sessions"]] == ["broken", "bob"]
    assert len(names(sandbox)) == 2 * 34, "profiles of a session that could not be asked stay"
    sandbox.ok("logout", "--all")
    assert sandbox.run("sync", "--all").returncode == 3
    assert sandbox.simulator.count("Logout") == 3


def test_list_and_status_need_no_network(sandbox):
    sandbox.first_day()
    sandbox.simulator.stop()
    assert "production.ReadOnlyAccess" in names(sandbox)
    assert sandbox.ok("list", "prod", "readonly").stdout.count("ReadOnlyAccess") == 2 * 2
    assert sandbox.json("status")["sessions"][0]["usable"] is True
    csv = sandbox.ok("list", "--csv").stdout.splitlines()
    assert len(csv) == 1 + 34


def test_d10_logout_works_offline_and_says_so(sandbox):
    sandbox.first_day()
    sandbox.document("corp/210987654321/ReadOnlyAccess")
    sandbox.simulator.stop()
    said = sandbox.ok("logout").stderr
    assert "AWS could not be told" in said
    assert not [path for path in sandbox.keyring_files.rglob("*") if path.is_file()]
    assert sandbox.run("status").returncode == 3


def test_d10_logout_ends_the_session_at_aws(sandbox):
    sandbox.first_day()
    sandbox.document("corp/210987654321/ReadOnlyAccess")
    sandbox.ok("logout")
    assert sandbox.simulator.count("Logout") == 1
    done = sandbox.run("credential-process", "corp/210987654321/ReadOnlyAccess")
    assert (done.returncode, done.stdout) == (3, "")


def test_logout_of_nobody_says_so_and_a_mistyped_session_is_none(sandbox):
    sandbox.first_day()
    mistyped = sandbox.run("logout", "-S", "crop")
    assert mistyped.returncode == 2
    assert "hint: -S corp" in mistyped.stderr
    sandbox.config.write_text("")
    assert "corp: signed out" in sandbox.ok("logout", "-S", "corp").stderr, "also when its section is gone"
    sandbox.configure()
    assert sandbox.ok("logout").stderr == "corp: was not signed in\n"


def test_logout_does_not_wait_long_for_an_aws_that_says_nothing(sandbox):
    sandbox.first_day()
    sandbox.simulator.misbehave("Logout", delay=3600)
    said = sandbox.ok("logout").stderr
    assert "AWS could not be told" in said
    assert sandbox.run("status").returncode == 3


@pytest.mark.parametrize("words", [["-v", "status"], ["status", "-v"], ["--debug", "status"]])
def test_verbosity_is_said_before_or_after_the_command(sandbox, words):
    sandbox.configure()
    assert "keyring: plaintext-file" in sandbox.run(*words).stderr


def test_keys_added_by_the_user_survive_and_region_comes_from_settings(sandbox):
    sandbox.first_day()
    text = sandbox.config.read_text()
    header = "[profile staging.PowerUserAccess]\n"
    sandbox.config.write_text(text.replace(header, f"{header}output = yaml\ns3 =\n  max_queue_size = 5\n"))
    sandbox.settings("keyring = plaintext-file", "[profiles]", "[[regions]]", "staging* = eu-north-1")
    sandbox.ok("sync")
    config = configparser.RawConfigParser()
    config.read(sandbox.config)
    section = config["profile staging.PowerUserAccess"]
    assert (section["output"], section["region"]) == ("yaml", "eu-north-1")
    assert "max_queue_size = 5" in section["s3"]
    assert "region" not in config["profile production.ReadOnlyAccess"]


def test_a_config_file_that_does_not_parse_is_refused_and_left_alone(sandbox):
    sandbox.first_day()
    broken = sandbox.config.read_bytes() + b"\n[profile a]\nregion=x\n[profile a]\nregion=y\n"
    sandbox.config.write_bytes(broken)
    done = sandbox.run("sync")
    assert done.returncode == 6
    assert "hint:" in done.stderr
    assert sandbox.config.read_bytes() == broken


def test_h5_a_lost_end_marker_is_refused_and_nothing_is_deleted(sandbox):
    sandbox.first_day()
    broken = sandbox.config.read_bytes().replace(b"# END awssso\n", b"") + b"[profile precious]\nregion = eu-west-1\n"
    sandbox.config.write_bytes(broken)
    assert sandbox.run("sync").returncode == 6
    assert sandbox.config.read_bytes() == broken


def test_h2_a_symlinked_config_stays_a_link(sandbox):
    real = sandbox.home / "dotfiles" / "aws-config"
    real.parent.mkdir()
    real.write_bytes(b"[profile mine]\r\nregion = eu-west-1\r\n; last line without newline")
    sandbox.config.parent.mkdir()
    sandbox.config.symlink_to(real)
    sandbox.first_day()
    assert sandbox.config.is_symlink()
    assert real.read_bytes().startswith(b"[profile mine]\r\nregion = eu-west-1\r\n; last line without newline")
    assert b"\n" not in real.read_bytes().replace(b"\r\n", b"")


def test_template_and_aliases_rename_after_a_yes(sandbox):
    sandbox.first_day()
    sandbox.settings(
        "keyring = plaintext-file",
        "[profiles]",
        "template = {account_name}/{role_name}",
    )
    done = sandbox.run("sync")
    assert done.returncode == 2
    sandbox.settings(
        "keyring = plaintext-file",
        "[profiles]",
        "template = {account_name}-{role_alias}",
        "exclude = audit, *Billing",
        "[[role_aliases]]",
        "AdministratorAccess = admin",
    )
    before = names(sandbox)
    said = sandbox.ok("sync").stderr
    assert "needs a yes" in said
    assert set(names(sandbox)) <= set(before)
    sandbox.ok("sync", "--yes")
    after = names(sandbox)
    assert "production-admin" in after
    assert not [name for name in after if name.startswith("audit") or name.endswith("Billing")]


def test_d1_without_a_keyring_login_says_so_before_the_browser_opens(sandbox):
    sandbox.configure()
    sandbox.settings("# no keyring setting; the seal's backend is keyring.backends.fail")
    done = sandbox.run("login")
    assert done.returncode == 4
    assert "hint:" in done.stderr
    assert sandbox.simulator.log == []


@pytest.mark.parametrize("verbosity", ["-v", "--debug"])
def test_g1_no_secret_shows_at_any_verbosity(sandbox, verbosity):
    sandbox.configure()
    for command in (["login"], ["sync"], ["status"], ["list"], ["logout"]):
        sandbox.ok(*command, verbosity)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["lgoin"], 2),
        (["sync", "--nope"], 2),
        (["login", "-S", "nosuch"], 2),
        (["login", "--port", "99999"], 2),
        (["configure", "--start-url", "http://evil.example.com/start"], 2),
        (["configure", "--start-url", START_URL, "--region", "us-east-1.evil.com"], 2),
        (["configure", "-S", "bad name", "--start-url", START_URL, "--region", "us-east-1"], 2),
        (["credential-process"], 2),
        (["credential-process", "corp/12/x"], 2),
        (["credential-process", "--profile", "nosuch"], 2),
        (["credential-process", "nosuch/123456789012/Admin"], 3),
    ],
)
def test_a_mistake_is_one_line_and_a_hint_and_changes_nothing(sandbox, arguments, status):
    sandbox.configure()
    before = sandbox.config.read_bytes()
    done = sandbox.run(*arguments)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == (1 if arguments[0] == "credential-process" else 2)
    assert sandbox.config.read_bytes() == before


def test_configure_finds_the_region_in_the_newer_hosts(sandbox):
    sandbox.ok("configure", "-S", "new", "--start-url", "https://ssoins-1234567890abcdef.portal.eu-west-1.app.aws/")
    config = configparser.RawConfigParser()
    config.read(sandbox.config)
    assert config["sso-session new"]["sso_region"] == "eu-west-1"
    assert config["sso-session new"]["sso_start_url"] == "https://ssoins-1234567890abcdef.portal.eu-west-1.app.aws"


def test_configure_asks_for_what_is_not_given_and_offers_what_is_there(sandbox):
    with sandbox.at_terminal("configure") as keyboard:
        keyboard.types("MyCorp.awsapps.com/start#/\n", after="AWS access portal (start URL): ")
        keyboard.types("eu-west-1\n", after="its region [us-east-1]: ")
        assert keyboard.end() == 0
    config = configparser.RawConfigParser()
    config.read(sandbox.config)
    assert dict(config["sso-session mycorp"]) == {
        "sso_start_url": "https://mycorp.awsapps.com/start",
        "sso_region": "eu-west-1",
        "sso_registration_scopes": "sso:account:access",
    }
    before = sandbox.config.read_bytes()
    with sandbox.at_terminal("configure", "-S", "mycorp") as keyboard:
        keyboard.types("\n", after="[https://mycorp.awsapps.com/start]: ")
        keyboard.types("\n", after="its region [eu-west-1]: ")
        assert keyboard.end() == 0
    assert "nothing to change" in keyboard.shown
    assert sandbox.config.read_bytes() == before


def test_configure_that_is_left_writes_nothing(sandbox):
    with sandbox.at_terminal("configure") as keyboard:
        keyboard.types("\x03", after="start URL")
        assert keyboard.end() == 130
    with sandbox.at_terminal("configure", "--start-url", START_URL) as keyboard:
        keyboard.types("\x04", after="its region")
        assert keyboard.end() == 130
    assert not sandbox.config.exists()


def test_a_newer_portal_is_asked_for_no_region(sandbox):
    with sandbox.at_terminal("configure") as keyboard:
        keyboard.types("ssoins-1234567890abcdef.portal.ap-south-1.app.aws\n", after="start URL")
        assert keyboard.end() == 0
    assert "region" not in keyboard.shown


def test_a_vanity_host_is_a_portal_too_and_its_region_is_asked_for(sandbox):
    with sandbox.at_terminal("configure", "-S", "vanity", "--start-url", "https://sso.example.com") as keyboard:
        keyboard.types("eu-west-1\n", after="its region")
        assert keyboard.end() == 0
    assert "sso.example.com is not an AWS host" in keyboard.shown


def test_a_person_who_watches_sees_progress_and_others_see_none(sandbox):
    sandbox.first_day()
    assert "0/" not in sandbox.ok("sync").stderr
    with sandbox.at_terminal("sync") as keyboard:
        assert keyboard.end() == 0
    assert "13/13" in keyboard.shown
    assert "\x1b[3" not in _shown_with(sandbox, NO_COLOR="1")


def _shown_with(sandbox, **more):
    with sandbox.at_terminal("sync", **more) as keyboard:
        assert keyboard.end() == 0
    return keyboard.shown


@pytest.mark.parametrize(("typed", "gone"), [("n", False), ("y", True)])
def test_who_is_at_a_terminal_is_asked_before_many_profiles_go(sandbox, typed, gone):
    sandbox.first_day()
    organization = sandbox.simulator.organization
    for row in sandbox.json("list")["roles"][::3]:
        organization.unassign("ada@example.com", row["account_id"], row["role"])
    before = names(sandbox)
    with sandbox.at_terminal("sync") as keyboard:
        keyboard.types(f"{typed}\n", after="? [y/N]: ")
        assert keyboard.end() == 0
    assert (len(names(sandbox)) < len(before)) is gone


def test_ctrl_c_ends_a_sync_at_once_though_aws_is_silent(sandbox):
    sandbox.first_day()
    before = sandbox.config.read_bytes()
    sandbox.simulator.misbehave("ListAccountRoles", times=math.inf, delay=3600)
    with sandbox.at_terminal("sync") as keyboard:
        keyboard.types("\x03", after="/13")
        assert keyboard.end() == 130
    assert sandbox.config.read_bytes() == before


def test_login_prints_the_url_and_opens_nothing_when_asked_to(sandbox):
    sandbox.configure()
    with sandbox.at_terminal("login", "--no-browser", "--port", "8417") as keyboard:
        keyboard.types("", after="code_challenge=")
        keyboard.types("", after="\n")
        url = re.search(r"^http://\S+$", keyboard.shown, re.MULTILINE)[0]
        assert "ssh -N -L 8417:127.0.0.1:8417" in keyboard.shown
        sandbox.program(sys.executable, "-m", "awssso_helper.simulator.person", url)
        assert keyboard.end() == 0
    assert "signed in" in keyboard.shown


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_secret_is_in_the_arguments_or_variables_of_any_program(sandbox):
    # strace writes each program with all its arguments and variables into the home, which is scanned for secrets.
    sandbox.configure()
    script = " && ".join(
        (
            f"{AWSSSO} login",
            f"{AWSSSO} login --force --use-device-code",
            f"{AWS_V1} sts get-caller-identity --profile production.ReadOnlyAccess --region us-east-1",
            f"{AWSSSO} logout",
            f"{AWSSSO} agent stop",
        )
    )
    log = sandbox.home / "programs"
    options = ["-f", "-q", "-v", "-s", "1000000", "-e", "trace=execve", "-o", str(log)]
    done = sandbox.program("strace", *options, "/bin/sh", "-c", script)
    assert done.returncode == 0, done.stdout + done.stderr
    started = log.read_text()
    assert "credential-process" in started
    assert "awssso_helper.simulator.person" in started
    assert '"agent", "serve"' in started


def test_configure_without_a_terminal_names_the_missing_flag(sandbox):
    done = sandbox.run("configure")
    assert done.returncode == 2
    assert "--start-url" in done.stderr
    assert not sandbox.config.exists()


def test_a_session_moved_to_another_portal_is_not_followed(sandbox):
    sandbox.first_day()
    text = sandbox.config.read_text().replace("d-1234567890", "d-6666666666")
    sandbox.config.write_text(text)
    done = sandbox.run("login")
    assert done.returncode == 6
    assert "d-6666666666" in done.stderr
    assert "d-1234567890" in done.stderr
    sandbox.simulator.clear_log()
    assert sandbox.run("sync").returncode == 6
    assert sandbox.simulator.log == [], "no token goes to the new place"
    sandbox.ok("logout")
    assert sandbox.run("login", "--no-sync").returncode == 5, "now it is followed, and AWS says that it is wrong"


def test_of_several_sessions_the_option_counts_then_the_variable_then_the_setting(sandbox):
    for name in ("ada", "bob", "eve"):
        sandbox.configure(name)
    alone = sandbox.run("login")
    assert alone.returncode == 2
    assert "several SSO sessions: ada, bob, eve" in alone.stderr
    sandbox.settings("keyring = plaintext-file", "default_session = bob")
    assert "bob: signed in" in sandbox.ok("login", "--no-sync").stderr
    assert "eve: signed in" in sandbox.ok("login", "--no-sync", AWSSSO_SESSION="eve").stderr
    assert "ada: signed in" in sandbox.ok("login", "--no-sync", "-S", "ada", AWSSSO_SESSION="eve").stderr
    assert "hint: -S bob" in sandbox.run("sync", AWSSSO_SESSION="bub").stderr


def test_output_into_a_closed_pipe_is_quiet(sandbox):
    sandbox.first_day()
    done = sandbox.program("/bin/sh", "-c", f"'{sys.executable}' -m awssso_helper list | true")
    assert done.stderr == ""


def test_an_unreadable_home_is_an_error_in_words(sandbox):
    done = sandbox.run("status", HOME="relative/home")
    assert done.returncode == 2
    assert "home" in done.stderr
    assert os.sep in str(sandbox.home)
