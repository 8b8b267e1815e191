"""`awssso migrate` from end to end: a real program, real files, a keyring, and IAM and STS over HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from cloud import FOREVER
from migrant import ADMIN, PRODUCTION, STAGING, Migrant, section, sso_arn
from pseudo_terminal import run_on_terminal
from sandbox import AWS_V1, AWS_V2, AWSSSO

# The whole way


def test_a_key_is_retired_undone_retired_again_and_deleted(user, cloud):
    key = user.key()
    user.has("# mine\n\n", section("prod", key, "region = eu-central-1", "output = json"), "\n# more\n")
    before = user.both()
    assert user.who("prod") == f"arn:aws:iam::{PRODUCTION}:user/ada-laptop"

    done = user.migrate("--map", f"prod={ADMIN}")
    assert cloud.status(key) == "Inactive"
    assert user.who("prod").startswith(sso_arn(PRODUCTION, ADMIN))
    assert user.credentials.read_bytes() == b"# mine\n\n\n# more\n"
    assert "only comments are left" in done.stderr
    assert "[profile prod]" in user.config.read_text()
    assert "region = eu-central-1\noutput = json" in user.config.read_text()
    assert "SSO works: AdministratorAccess" in done.stderr
    assert user.key_leaks() == []

    assert user.ok("migrate", "--undo", "prod", "--yes").returncode == 0
    assert user.both() == before
    assert cloud.status(key) == "Active"
    assert user.who("prod") == f"arn:aws:iam::{PRODUCTION}:user/ada-laptop"

    user.migrate("--map", f"prod={ADMIN}")
    assert "grace ends in 14 days" in user.ok("migrate", "--delete-keys", "--yes").stderr
    assert cloud.status(key) == "Inactive"
    user.ok("migrate", "--delete-keys", "--yes", "--now")
    assert cloud.status(key) == "gone"
    assert user.who("prod").startswith(sso_arn(PRODUCTION, ADMIN))
    refused = user.run("migrate", "--undo", "prod", "--yes")
    assert (refused.returncode, "was deleted" in refused.stderr) == (6, True)
    assert user.key_leaks() == []
    assert all(key.secret not in path.read_text() for path in user.keyring_files.iterdir())
    # What a person wrote above and below the section outlives the key.
    assert user.credentials.read_bytes() == b"# mine\n\n\n# more\n"


@pytest.mark.parametrize("aws", [AWS_V1, AWS_V2], ids=["v1", "v2"])
def test_the_aws_cli_follows_a_name_from_the_key_to_sso_and_back(user, aws):
    """The AWS CLI 2 of Debian knows no AWS_ENDPOINT_URL_STS; it is told by an option."""
    key = user.key()
    user.has(section("default", key))
    command = [aws, "sts", "get-caller-identity", "--query", "Arn", "--output", "text", "--region", "us-east-1"]
    command += ["--endpoint-url", user.cloud.url]
    assert user.program(*command).stdout.strip() == f"arn:aws:iam::{PRODUCTION}:user/ada-laptop"
    user.migrate("--map", f"default={ADMIN}")
    assert user.program(*command).stdout.startswith(sso_arn(PRODUCTION, ADMIN))
    user.ok("migrate", "--undo", "--yes")
    assert user.program(*command).stdout.strip() == f"arn:aws:iam::{PRODUCTION}:user/ada-laptop"


def test_i2_i8_the_copy_lies_in_a_real_keyring_and_nowhere_else(home, simulator, cloud, secret_service):
    user = Migrant(home, simulator, cloud)
    user.use_secret_service(secret_service.variables)
    user.first_day()
    key = user.key()
    user.has(section("prod", key))
    before = user.both()
    try:
        user.migrate("--map", f"prod={ADMIN}")
        assert user.key_leaks() == []
        assert any("vault/" in label for label in secret_service.labels())
        assert not any(key.id in label or "prod" in label for label in secret_service.labels())
        user.ok("migrate", "--undo", "--yes")
        assert user.both() == before
        assert not any("vault/" in label for label in secret_service.labels())
    finally:
        user.stop_agent()
    assert user.leaks() == []


def test_the_credentials_file_goes_when_it_holds_nothing_any_more_and_comes_back(user):
    user.has(section("prod", user.key()))
    before = user.both()
    done = user.migrate("--map", f"prod={ADMIN}")
    assert "held nothing any more and was removed" in done.stderr
    assert not user.credentials.exists()
    user.ok("migrate", "--undo", "--yes")
    assert user.both() == before
    assert user.credentials.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")], ids=" then ".join)
def test_h4_two_keys_retired_one_by_one_and_undone_in_any_order_give_every_byte_back(user, order):
    """The blank lines round them as well, with which the file went."""
    user.has(" \n", section("second", user.key()), "\n\n", section("first", user.key(STAGING, "ci")), "\n")
    before = user.both()
    user.migrate("--map", f"first={ADMIN}")
    assert user.credentials.exists()
    user.migrate("--map", f"second={ADMIN}")
    assert not user.credentials.exists()
    for name in order:
        user.ok("migrate", "--undo", name, "--yes")
    assert user.both() == before


def test_comments_between_sections_stay_where_they_are(user):
    user.has("# the laptop\n", section("prod", user.key()), "# ask ada\n\n# theirs\n[other]\nregion = eu-west-1\n")
    before = user.both()
    user.migrate("--map", f"prod={ADMIN}")
    assert user.credentials.read_bytes() == b"# the laptop\n# ask ada\n\n# theirs\n[other]\nregion = eu-west-1\n"
    user.ok("migrate", "--undo", "--yes")
    assert user.both() == before


def test_a_symbolic_link_to_the_credentials_file_stays_one(user):
    real = user.home / "dotfiles"
    user.has(section("prod", user.key()))
    user.credentials.rename(real)
    user.credentials.symlink_to(real)
    before = real.read_bytes()
    user.migrate("--map", f"prod={ADMIN}")
    assert user.credentials.is_symlink()
    assert real.read_bytes() == b""
    user.ok("migrate", "--undo", "--yes")
    assert (user.credentials.is_symlink(), real.read_bytes()) == (True, before)


# The plan


def tree(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its content and the time of its last change; locks hold nothing and are left out."""
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file() and "locks" not in path.parts
    }


def test_i7_a_dry_run_writes_no_file_and_changes_nothing_in_iam(user, cloud):
    user.settings(*user.settings_lines[:1], "agent = off", *user.settings_lines[1:])
    user.stop_agent()
    key = user.key()
    user.has(section("prod", key), section("staging", user.key(STAGING, "ci")))
    # Long settled, so that what was read of it is worth keeping.
    os.utime(user.config, (1_700_000_000, 1_700_000_000))
    time.sleep(max(0.0, user.config.stat().st_ctime + 2.5 - time.time()))
    before = tree(user.home)
    done = user.ok("migrate", "--dry-run", "--map", f"prod={ADMIN}", "--scan", ".")
    assert tree(user.home) == before
    assert cloud.changes() == []
    assert f"-aws_access_key_id = {key.id}" in done.stdout
    assert "+credential_process = " in done.stdout
    assert "nothing was written" in done.stderr
    assert user.key_leaks() == [str(user.credentials)] * 2
    facts = user.json("migrate", "--dry-run", "--map", f"prod={ADMIN}")
    assert facts["applied"] is False
    assert [each["profiles"] for each in facts["keys"]] == [["prod"], ["staging"]]
    assert facts["keys"][0]["roles"] == {"prod": f"corp/{PRODUCTION}/{ADMIN}"}
    assert facts["keys"][1]["is_left_alone"] is True
    assert tree(user.home) == before


def test_the_last_use_is_read_before_the_key_is_used(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    user.settings(*user.settings_lines, f"roles = {ADMIN}")
    facts = user.json("migrate", "--dry-run")["keys"][0]
    assert facts["last_used"]["at"] is None
    assert facts["account_id"] == PRODUCTION
    actions = [(call.action, call.key_id == key.id) for call in cloud.log]
    assert actions.index(("GetAccessKeyLastUsed", False)) < actions.index(("GetCallerIdentity", True))


def test_what_is_ambiguous_is_left_alone_and_never_guessed(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    before = user.both()
    done = user.ok("migrate", "--yes")
    assert "several roles could take its place" in done.stderr
    assert "awssso migrate --map prod=ROLE" in done.stderr
    assert user.both() == before
    assert cloud.changes() == []


def test_the_settings_name_the_preferred_roles(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    user.settings(*user.settings_lines, "roles = NoSuchRole, powerUser*, ReadOnlyAccess")
    user.migrate()
    assert user.who("prod").startswith(sso_arn(PRODUCTION, "PowerUserAccess"))


def test_a_role_that_may_not_change_keys_leaves_the_command_for_an_administrator(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    done = user.migrate("--map", "prod=PowerUserAccess")
    command = f"aws iam update-access-key --user-name ada-laptop --access-key-id {key.id} --status Inactive"
    assert command in done.stderr
    assert user.who("prod").startswith(sso_arn(PRODUCTION, "PowerUserAccess"))
    assert cloud.status(key) == "Active"
    assert command in user.ok("migrate", "--status").stderr
    refused = user.run("migrate", "--delete-keys", "--yes", "--now")
    assert refused.returncode != 0
    # The administrator does it; another role of the user may see it.
    cloud.set_status(key, "Inactive")
    done = user.ok("migrate", "--delete-keys", "--yes", "--map", f"prod={ADMIN}")
    assert f"left: the grace of {key.id} ends in 14 days" in done.stderr
    user.ok("migrate", "--delete-keys", "--yes", "--now", "--map", f"prod={ADMIN}")
    assert cloud.status(key) == "gone"


def test_another_role_may_go_on_where_the_first_could_not_change_the_key(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    user.migrate("--map", "prod=PowerUserAccess")
    user.migrate("--map", f"prod={ADMIN}")
    assert cloud.status(key) == "Inactive"
    assert user.who("prod").startswith(sso_arn(PRODUCTION, "PowerUserAccess"))


def test_keep_keys_keeps_them_active_until_a_run_without_it(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    user.migrate("--map", f"prod={ADMIN}", "--keep-keys")
    assert cloud.changes() == []
    assert user.who("prod").startswith(sso_arn(PRODUCTION, ADMIN))
    user.migrate()
    assert cloud.status(key) == "Inactive"


def test_a_key_of_the_root_user_is_never_automated(user, cloud):
    key = cloud.root_key(PRODUCTION)
    user.keys.append(key)
    user.has(section("root", key))
    before = user.both()
    done = user.run("migrate", "--yes", "--map", f"root={ADMIN}")
    assert done.returncode == 1
    assert "root user" in done.stderr
    assert (user.both(), cloud.changes()) == (before, [])


def test_an_account_without_a_role_is_left_with_whom_to_ask(user, cloud):
    key = user.key("999999999999", "old-ci")
    user.has(section("old", key))
    done = user.ok("migrate", "--yes")
    assert "SSO gives you no role in the account 999999999999" in done.stderr
    assert "old-ci" in done.stderr
    assert "IAM Identity Center" in done.stderr
    assert cloud.changes() == []


def test_one_key_under_several_names_becomes_inactive_once_all_of_them_are_sso(user, cloud):
    key = user.key()
    user.has(section("default", key), section("prod", key, "region = eu-west-1"))
    user.config.write_text(user.config.read_text() + f"\n{section('profile tool', key)}")
    before = user.both()
    user.migrate("--map", f"default={ADMIN}", "--map", "prod=PowerUserAccess", "--map", "tool=ReadOnlyAccess")
    assert user.who("default").startswith(sso_arn(PRODUCTION, ADMIN))
    assert user.who("prod").startswith(sso_arn(PRODUCTION, "PowerUserAccess"))
    assert user.who("tool").startswith(sso_arn(PRODUCTION, "ReadOnlyAccess"))
    assert cloud.status(key) == "Inactive"
    assert user.key_leaks() == []
    user.ok("migrate", "--undo", "prod", "--yes")
    assert user.both() == before
    assert cloud.status(key) == "Active"


def test_a_profile_that_assumes_a_role_with_the_key_comes_through_by_sso(user, cloud):
    deploy = f"arn:aws:iam::{STAGING}:role/deploy"
    key = user.key()
    user.has(section("prod", key))
    user.config.write_text(
        user.config.read_text() + f"\n[profile deploy]\nrole_arn = {deploy}\nsource_profile = prod\n"
    )
    cloud.trust(deploy, "ada-laptop")
    before = user.both()
    refused = user.run("migrate", "--yes", "--map", f"prod={ADMIN}")
    assert refused.returncode == 1
    assert "trust policy" in refused.stderr
    assert (user.both(), cloud.status(key)) == (before, "Active")
    cloud.trust(deploy, ADMIN)
    user.migrate("--map", f"prod={ADMIN}")
    assert user.who("deploy").startswith(f"arn:aws:sts::{STAGING}:assumed-role/deploy/")


def test_a_plain_file_as_keyring_is_refused_until_the_settings_accept_it(user, cloud):
    user.has(section("prod", user.key()))
    user.settings("keyring = plaintext-file")
    before = user.both()
    refused = user.run("migrate", "--yes", "--map", f"prod={ADMIN}")
    assert (refused.returncode, "plain_vault" in refused.stderr) == (6, True)
    assert (user.both(), cloud.changes()) == (before, [])


def test_without_a_yes_and_without_a_person_nothing_is_done(user, cloud):
    user.has(section("prod", user.key()))
    before = user.both()
    refused = user.run("migrate", "--map", f"prod={ADMIN}")
    assert (refused.returncode, "awssso migrate --yes" in refused.stderr) == (6, True)
    assert (user.both(), cloud.changes()) == (before, [])


def test_sync_leaves_a_migrated_name_alone(user):
    user.has(section("prod", user.key()))
    user.migrate("--map", f"prod={ADMIN}")
    before = user.both()
    user.ok("sync", "--full")
    assert user.both() == before


def test_an_endpoint_that_no_setting_trusts_gets_no_call(user, cloud):
    user.has(section("prod", user.key()))
    refused = user.run("migrate", "--dry-run", AWS_ENDPOINT_URL_IAM="https://iam.evil.example")
    assert "iam.evil.example" in refused.stderr
    assert cloud.calls("GetAccessKeyLastUsed") == []


def test_the_global_endpoint_variable_gets_no_call(user, cloud):
    user.has(section("prod", user.key()))
    user.migrate("--map", f"prod={ADMIN}", AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_PROFILE="no-such-profile")
    assert user.who("prod").startswith(sso_arn(PRODUCTION, ADMIN))


def test_exported_keys_are_warned_about_and_verify_nothing(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    exported = {"AWS_ACCESS_KEY_ID": "AKIAXXXXXXXXXXXXXXXX", "AWS_SECRET_ACCESS_KEY": "x"}
    done = user.migrate("--map", f"prod={ADMIN}", **exported)
    assert "exports AWS_ACCESS_KEY_ID" in done.stderr
    assert cloud.status(key) == "Inactive"
    assert not [call for call in cloud.log if call.key_id == exported["AWS_ACCESS_KEY_ID"]]


def test_a_scan_finds_the_keys_elsewhere_and_shows_no_secret(user):
    key = user.key()
    other = user.key(STAGING, "other")
    user.has(section("prod", key))
    (user.home / ".bashrc").write_text(f"# me\nexport AWS_SECRET_ACCESS_KEY={key.secret}\n")
    project = user.home / "work" / "service"
    project.mkdir(parents=True)
    (project / ".gitignore").write_text(".env\n")
    (project / ".env").write_text(f"A=1\nKEY={other.id}\nSECRET={other.secret}\n")
    (project / "terraform.tfvars").write_text(f'access_key = "{key.id}"\n')
    done = user.ok("migrate", "--dry-run", "--scan", "work")
    assert re.search(rf"~/.bashrc:2: this key, {key.id}", done.stderr)
    assert re.search(rf"\.env:2: another key pair, {other.id}", done.stderr)
    assert re.search(rf"terraform.tfvars:1: this key, {key.id}", done.stderr)
    assert key.secret not in done.stdout + done.stderr
    assert other.secret not in done.stdout + done.stderr


def test_a_scan_knows_a_key_that_is_left_alone_for_one_of_these(user):
    key = user.key()
    user.has(section("prod", key, "credential_process = /opt/other"))
    (user.home / ".boto").write_text(f"[Credentials]\naws_access_key_id = {key.id}\nsecret = {key.secret}\n")
    assert f"~/.boto:2: this key, {key.id}" in user.ok("migrate", "--dry-run", "--scan", ".").stderr


def test_the_status_shows_each_key_and_its_days_of_grace(user, cloud):
    first, second = user.key(), user.key(STAGING, "ci")
    user.has(section("prod", first), section("staging", second))
    user.migrate("--map", f"prod={ADMIN}")
    facts = user.json("migrate", "--status")
    assert [(each["key_id"], each["stage"], each["status"]) for each in facts["keys"]] == [
        (first.id, "retired", "Inactive")
    ]
    assert facts["keys"][0]["grace_days_left"] == 14
    assert facts["not_migrated"] == [{"key_id": second.id, "profiles": ["staging"]}]
    shown = user.ok("migrate", "--status")
    assert re.search(rf"prod +{first.id} .*retired +Inactive .*14d", shown.stdout)


def test_a_key_that_comes_back_is_said_and_retired_again(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    user.migrate("--map", f"prod={ADMIN}")
    user.has(section("prod", key))
    assert "is back in the file" in user.ok("migrate", "--status").stderr
    findings = {each["id"] for each in user.json("doctor")["findings"]}
    assert {"retired-key-is-back", "long-lived-keys"} <= findings
    user.migrate("--map", f"prod={ADMIN}")
    assert not user.credentials.exists()
    user.ok("migrate", "--undo", "--yes")
    assert cloud.status(key) == "Active"
    assert user.who("prod") == f"arn:aws:iam::{PRODUCTION}:user/ada-laptop"


def test_a_secret_that_also_stands_in_a_comment_elsewhere_is_said(user):
    key = user.key()
    user.has(section("prod", key), f"\n[old]\n#aws_secret_access_key = {key.secret}\nregion = eu-west-1\n")
    said = user.ok("migrate", "--dry-run", "--map", f"prod={ADMIN}")
    assert f"will still have the secret of {key.id} in a comment, then line 3" in said.stderr
    assert key.secret not in said.stdout + said.stderr
    facts = user.json("migrate", "--dry-run", "--map", f"prod={ADMIN}")
    assert [(each["line"], each["key_id"]) for each in facts["secrets_left_in_comments"]] == [(3, key.id)]
    assert user.json("migrate", "--dry-run", "--map", f"prod={ADMIN}")["diff"].count(key.secret) == 0


def test_the_age_is_known_where_only_the_key_itself_tells_whose_it_is(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    cloud.misbehave("GetAccessKeyInfo", times=FOREVER, error="AccessDenied", status=403)
    facts = user.json("migrate", "--dry-run", "--map", f"prod={ADMIN}")["keys"][0]
    assert (facts["status"], facts["created"] is not None, facts["last_used"]) == ("Active", True, None)


def test_a_key_that_is_back_under_one_of_its_names_keeps_what_undo_restores_of_the_others(user, cloud):
    key = user.key()
    user.has(section("first", key), section("second", key))
    before = user.both()
    user.migrate("--map", f"first={ADMIN}", "--map", f"second={ADMIN}")
    user.has(section("first", key))
    again = user.migrate()
    assert "was retired under second too" in again.stderr
    user.ok("migrate", "--undo", "--yes")
    assert (user.both(), cloud.status(key)) == (before, "Active")


def test_one_file_for_both_is_refused_and_stays(user, cloud):
    key = user.key()
    user.config.write_text(user.config.read_text() + "\n" + section("default", key))
    before = user.config.read_bytes()
    both = {"AWS_SHARED_CREDENTIALS_FILE": str(user.config)}
    refused = user.run("migrate", "--yes", "--map", f"default={ADMIN}", **both)
    assert (refused.returncode, "is both" in refused.stderr) == (6, True)
    assert (user.config.read_bytes(), cloud.status(key)) == (before, "Active")


def test_a_role_that_map_names_and_that_is_not_there_is_no_success(user, cloud):
    key, other = user.key(), user.key(STAGING, "ci")
    user.has(section("prod", key), section("ci", other))
    done = user.run("migrate", "--yes", "--map", "prod=Admim", "--map", f"ci={ADMIN}")
    assert (done.returncode, "no role 'Admim'" in done.stderr) == (1, True)
    assert (cloud.status(key), cloud.status(other)) == ("Active", "Inactive")
    assert user.run("migrate", "--dry-run", "--map", "prod=Admim").returncode == 1


def test_a_deletion_that_is_denied_leaves_the_key_its_grace_and_its_undo(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    before = user.both()
    user.migrate("--map", f"prod={ADMIN}")
    cloud.misbehave("DeleteAccessKey", times=FOREVER, error="AccessDenied", status=403)
    denied = user.run("migrate", "--delete-keys", "--now", "--yes")
    assert denied.returncode == 6
    assert f"aws iam delete-access-key --user-name ada-laptop --access-key-id {key.id}" in denied.stderr
    cloud.behave()
    assert "its grace ends in 14 days" in user.ok("migrate", "--delete-keys", "--yes").stderr
    assert cloud.status(key) == "Inactive"
    user.ok("migrate", "--undo", "prod", "--yes")
    assert (user.both(), cloud.status(key)) == (before, "Active")


def test_a_deletion_that_began_and_came_to_nothing_can_be_undone(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    before = user.both()
    user.migrate("--map", f"prod={ADMIN}")
    cloud.misbehave("DeleteAccessKey", times=FOREVER, error="MalformedPolicyDocument")
    assert user.run("migrate", "--delete-keys", "--now", "--yes").returncode == 5
    assert user.journal()["jobs"][0]["stage"] == "deleting"
    user.ok("migrate", "--undo", "prod", "--yes")
    assert (user.both(), cloud.status(key)) == (before, "Active")


def test_undo_of_a_key_that_an_administrator_deleted_changes_nothing_and_blocks_nothing(user, cloud):
    key, other = user.key(), user.key(STAGING, "ci")
    user.has(section("prod", key))
    user.migrate("--map", f"prod={ADMIN}")
    cloud.remove(key)
    refused = user.run("migrate", "--undo", "--yes")
    assert (refused.returncode, "nothing brings it back" in refused.stderr) == (6, True)
    assert user.who("prod").startswith(sso_arn(PRODUCTION, ADMIN))
    user.has(section("ci", other))
    user.migrate("--map", f"ci={ADMIN}")
    assert cloud.status(other) == "Inactive"
    user.ok("migrate", "--delete-keys", "--now", "--yes")
    assert {job["stage"] for job in user.journal()["jobs"]} == {"deleted"}


def test_the_grace_of_a_key_that_an_administrator_made_inactive_begins_when_it_is_first_seen(user, cloud):
    key, other = user.key(), user.key(PRODUCTION, "ci")
    user.has(section("prod", key), "\n", section("ci", other))
    user.migrate("--map", "prod=PowerUserAccess", "--map", "ci=ReadOnlyAccess")
    assert [job["stage"] for job in user.journal()["jobs"]] == ["local", "local"]
    cloud.set_status(key, "Inactive")
    cloud.set_status(other, "Inactive")
    # A role that may look and not change sees it in its own run, or another role at `--status`.
    assert "is Inactive" not in user.ok("migrate", "--status").stderr
    user.ok("migrate", "--status", "--map", f"prod={ADMIN}")
    assert [job["stage"] for job in user.journal()["jobs"]] == ["retired", "retired"]
    assert "its grace ends in 14 days" in user.ok("migrate", "--delete-keys", "--yes").stderr
    user.ok("migrate", "--undo", "--yes", "--map", f"prod={ADMIN}", "--map", f"ci={ADMIN}")
    assert (cloud.status(key), cloud.status(other)) == ("Active", "Active")


def test_a_run_sees_that_an_administrator_made_the_key_inactive(user, cloud):
    key = user.key()
    user.has(section("ci", key))
    user.migrate("--map", "ci=ReadOnlyAccess")
    cloud.set_status(key, "Inactive")
    user.migrate()
    assert user.journal()["jobs"][0]["stage"] == "retired"


@pytest.mark.parametrize("end", ["--undo", "--delete-keys"])
def test_i2_where_the_state_directory_is_lost_the_keyring_knows_what_it_keeps(user, cloud, end):
    keys = [user.key(), user.key(PRODUCTION, "ci"), user.key(STAGING, "kept")]
    user.has("\n", section("a", keys[0], "region = eu-west-1"), "\n# b\n", section("b", keys[1]), section("c", keys[2]))
    before = user.both()
    user.migrate("--map", f"a={ADMIN}")
    user.migrate("--map", f"b={ADMIN}", "--keep-keys")
    user.migrate("--map", f"c={ADMIN}", "--keep-keys")
    (user.home / ".local/state/awssso/migrations.json").unlink()
    assert user.json("migrate", "--dry-run")["keys"] == []
    status = user.ok("migrate", "--status")
    assert "the journal of migrations was lost; the keyring has the copies of 3 keys" in status.stderr
    stages = {job["targets"][0]["profile"]: job["stage"] for job in user.journal()["jobs"]}
    assert stages == {"a": "retired", "b": "local", "c": "local"}
    assert "was lost" not in user.ok("migrate", "--status").stderr
    if end == "--undo":
        user.ok("migrate", "--undo", "--yes")
        assert user.both() == before
        assert [cloud.status(key) for key in keys] == ["Active"] * 3
        assert not [path for path in user.keyring_files.iterdir() if "vault" in path.read_text()]
    else:
        assert "its grace ends in 14 days" in user.ok("migrate", "--delete-keys", "--yes").stderr
        user.ok("migrate", "--delete-keys", "--now", "--yes")
        assert [cloud.status(key) for key in keys] == ["gone", "Active", "Active"]


def test_of_two_deletions_the_one_that_fails_is_said_and_so_is_the_one_that_is_done(user, cloud):
    first, second = user.key(), user.key(PRODUCTION, "ci")
    user.has(section("prod", first), "\n", section("ci", second))
    user.migrate("--map", f"prod={ADMIN}", "--map", f"ci={ADMIN}")
    denied = {"AccessKeyId": first.id}
    cloud.misbehave("DeleteAccessKey", when=denied, times=FOREVER, error="AccessDenied", status=403)
    done = user.run("migrate", "--delete-keys", "--now", "--yes")
    assert done.returncode == 1
    assert f"not deleted: prod ({first.id}" in done.stderr
    assert f"deleted {second.id}" in done.stderr
    assert "deleted 1 key of 2" in done.stderr
    assert (cloud.status(first), cloud.status(second)) == ("Inactive", "gone")
    facts = user.run("migrate", "--delete-keys", "--now", "--yes", "--json")
    assert facts.returncode == 6
    assert [each["stage"] for each in json.loads(facts.stdout)["results"]] == ["retired"]


def test_i3_a_reply_that_is_lost_at_undo_is_no_failure(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    before = user.both()
    user.migrate("--map", f"prod={ADMIN}")
    cloud.misbehave("ListAccessKeys", lost=True, times=3, before=False)
    cloud.misbehave("UpdateAccessKey", lost=True, before=False)
    user.ok("migrate", "--undo", "--yes")
    assert (user.both(), cloud.status(key)) == (before, "Active")


def test_undo_while_signed_out_changes_nothing_and_says_what_to_type(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    before = user.both()
    user.migrate("--map", f"prod={ADMIN}")
    migrated = user.both()
    user.ok("logout")
    refused = user.run("migrate", "--undo", "--yes")
    assert refused.returncode == 3
    assert "nothing was changed" in refused.stderr
    command = f"aws iam update-access-key --user-name ada-laptop --access-key-id {key.id} --status Active"
    assert f"hint: awssso login, then again; or an administrator can: {command}" in refused.stderr
    assert (user.both(), user.journal()["jobs"][0]["stage"]) == (migrated, "retired")
    # The administrator does: the rest needs no AWS, once it is long enough that the key cannot be answering by habit.
    cloud.set_status(key, "Active")
    journal = user.journal()
    journal["jobs"][0]["touched_at"] -= 600
    (user.home / ".local/state/awssso/migrations.json").write_text(json.dumps(journal))
    user.ok("migrate", "--undo", "--yes")
    assert (user.both(), cloud.status(key)) == (before, "Active")


def test_i1_a_key_that_is_deleted_while_its_undo_was_interrupted_blocks_nothing(user, cloud):
    key, other = user.key(), user.key(PRODUCTION, "ci")
    user.has(section("prod", key), "\n", section("ci", other))
    user.migrate("--map", f"prod={ADMIN}")
    user.credentials.write_text(section("prod", other) + user.credentials.read_text())
    assert user.run("migrate", "--undo", "prod", "--yes").returncode == 6
    assert user.journal()["jobs"][0]["stage"] == "undoing"
    user.has(section("ci", other))
    cloud.remove(key)
    refused = user.run("migrate", "--undo", "prod", "--yes")
    assert (refused.returncode, "was deleted; nothing brings it back" in refused.stderr) == (6, True)
    assert user.who("prod").startswith(sso_arn(PRODUCTION, ADMIN))
    user.migrate("--map", f"ci={ADMIN}")
    user.ok("migrate", "--delete-keys", "--now", "--yes")
    assert {job["stage"] for job in user.journal()["jobs"]} == {"deleted"}


@pytest.mark.parametrize("end", ["--undo", "--delete-keys"])
def test_i2_the_key_of_a_user_that_was_renamed_is_not_taken_for_a_deleted_one(user, cloud, end):
    key = user.key()
    user.has(section("prod", key))
    before = user.both()
    user.migrate("--map", f"prod={ADMIN}")
    cloud.rename(key, "ada-desktop")
    assert user.json("migrate", "--status")["keys"][0]["status"] == "Inactive"
    if end == "--undo":
        user.ok("migrate", "--undo", "--yes")
        assert (user.both(), cloud.status(key)) == (before, "Active")
    else:
        user.ok("migrate", "--delete-keys", "--now", "--yes")
        assert cloud.status(key) == "gone"


def test_i2_a_user_of_whom_aws_says_nothing_any_more_keeps_the_copy_for_its_grace(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    user.migrate("--map", f"prod={ADMIN}")
    cloud.rename(key, "ada-desktop")
    cloud.misbehave("GetAccessKeyLastUsed", times=FOREVER, error="AccessDenied", status=403)
    left = user.ok("migrate", "--delete-keys", "--now", "--yes")
    assert "does not say whether" in left.stderr
    assert "kept for 14 days" in left.stderr
    assert any(key.secret in path.read_text() for path in user.keyring_files.iterdir())
    journal = user.journal()
    journal["jobs"][0]["retired_at"] -= 15 * 24 * 3600
    (user.home / ".local/state/awssso/migrations.json").write_text(json.dumps(journal))
    user.ok("migrate", "--delete-keys", "--yes")
    assert user.journal()["jobs"][0]["stage"] == "deleted"


def test_a_retired_key_that_somebody_made_active_is_not_deleted(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    user.migrate("--map", f"prod={ADMIN}")
    cloud.set_status(key, "Active")
    refused = user.run("migrate", "--delete-keys", "--now", "--yes")
    assert (refused.returncode, cloud.status(key)) == (6, "Active")
    assert cloud.calls("DeleteAccessKey") == []


# The program that the profiles call


@pytest.mark.parametrize("who", [("sync",), ("doctor", "--fix")], ids=["sync", "doctor"])
def test_migrated_profiles_follow_the_launcher_of_the_settings_and_undo_still_gives_every_byte_back(user, cloud, who):
    key = user.key()
    user.has(section("prod", key, "region = eu-central-1"), "\n", section("other", user.key(STAGING, "ci")))
    before = user.both()[1]
    user.migrate("--map", f"prod={ADMIN}", "--map", f"other={ADMIN}")
    user.settings(f"launcher = {AWSSSO}", *user.settings_lines)
    dry = user.ok("sync", "--dry-run")
    assert "would give its path to prod" in dry.stderr
    assert {"migrated-profiles-out-of-date"} <= {each["id"] for each in user.json("doctor")["findings"]}
    done = user.run(*who)
    text = user.config.read_text()
    assert f"[profile prod]\ncredential_process = {AWSSSO} credential-process corp/{PRODUCTION}/{ADMIN}\n" in text, done
    assert user.who("prod").startswith(sso_arn(PRODUCTION, ADMIN))
    assert user.run("sync").stderr.count("gave its path") == 0
    user.ok("migrate", "--undo", "--yes")
    assert user.both()[1] == before
    assert "[profile prod]" not in user.config.read_text()
    assert cloud.status(key) == "Active"


def test_a_migrated_profile_whose_line_somebody_changed_is_theirs(user):
    user.has(section("prod", user.key()))
    user.migrate("--map", f"prod={ADMIN}")
    text = user.config.read_text()
    head, _, line = text.rpartition("credential_process = ")
    user.config.write_text(f"{head}credential_process = /usr/bin/env {line}")
    user.settings(f"launcher = {AWSSSO}", *user.settings_lines)
    user.ok("sync")
    assert user.config.read_text().endswith(f"credential_process = /usr/bin/env {line}")


# A person at a terminal


def at_terminal(user, *arguments: str, keys: list[str]) -> tuple[int, str]:
    status, written = run_on_terminal(
        [AWSSSO, "migrate", *arguments], user.variables, user.home, keys=[f"{key}\n".encode() for key in keys]
    )
    user.said.append(written.decode())
    return status, written.decode()


def test_a_person_chooses_the_role_says_yes_and_types_the_id_of_what_is_deleted(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    before = user.both()
    status, said = at_terminal(user, keys=["1", "n"])
    assert (status, "nothing was changed" in said) == (6, True)
    assert (user.both(), cloud.changes()) == (before, [])

    status, said = at_terminal(user, keys=["1", "y"])
    assert status == 0, said
    assert "Which role takes its place?" in said
    assert "1  AdministratorAccess" in said
    assert cloud.status(key) == "Inactive"

    status, said = at_terminal(user, "--delete-keys", "--now", keys=["yes"])
    assert (status, cloud.status(key)) == (6, "Inactive"), said
    status, said = at_terminal(user, "--delete-keys", "--now", keys=[key.id])
    assert (status, cloud.status(key)) == (0, "gone"), said
    assert user.key_leaks() == []


def test_a_person_who_chooses_no_role_leaves_the_key_alone(user, cloud):
    user.has(section("prod", user.key()))
    before = user.both()
    status, said = at_terminal(user, keys=[""])
    assert (status, "left alone: prod" in said) == (0, True)
    assert (user.both(), cloud.changes()) == (before, [])


# Things that go wrong


def test_i6_the_third_of_five_fails_and_is_undone_the_others_are_done_or_untouched(user, cloud):
    keys = [user.key(PRODUCTION, f"user-{number}") for number in range(5)]
    user.has(*(section(f"p{number}", key) + "\n" for number, key in enumerate(keys)))
    third = section("p2", keys[2])
    third_only = {"AccessKeyId": keys[2].id, "Status": "Inactive"}
    cloud.misbehave("UpdateAccessKey", when=third_only, error="UnmodifiableEntity", status=409)
    maps = [word for number in range(5) for word in ("--map", f"p{number}={ADMIN}")]
    done = user.run("migrate", "--yes", *maps)
    assert done.returncode == 1, done.stderr
    assert [cloud.status(key) for key in keys] == ["Inactive", "Inactive", "Active", "Active", "Active"]
    assert third in user.credentials.read_text()
    assert "p2 is as it was" in done.stderr
    assert "2 keys after it untouched" in done.stderr
    assert [user.who(f"p{number}").split("/")[-1] for number in (2, 3, 4)] == ["user-2", "user-3", "user-4"]
    cloud.behave()
    user.migrate(*maps)
    assert {cloud.status(key) for key in keys} == {"Inactive"}


@pytest.mark.parametrize("action", ["UpdateAccessKey", "ListAccessKeys"])
def test_i3_a_lost_reply_is_no_failure(user, cloud, action):
    key = user.key()
    user.has(section("prod", key))
    cloud.misbehave(action, lost=True, before=False)
    user.migrate("--map", f"prod={ADMIN}")
    assert cloud.status(key) == "Inactive"


def test_throttling_is_waited_out(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    cloud.misbehave("UpdateAccessKey", times=2, error="Throttling", status=400)
    user.migrate("--map", f"prod={ADMIN}")
    assert cloud.status(key) == "Inactive"


def test_a_listing_that_is_old_for_a_while_is_waited_out(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    cloud.lag = 2
    user.migrate("--map", f"prod={ADMIN}")
    assert cloud.status(key) == "Inactive"


def test_a_permission_that_goes_between_the_proof_and_the_deed_leaves_it_to_an_administrator(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    cloud.misbehave("UpdateAccessKey")
    cloud.misbehave("UpdateAccessKey", times=FOREVER, error="AccessDenied", status=403)
    done = user.migrate("--map", f"prod={ADMIN}")
    assert "For an administrator" in done.stderr
    assert cloud.status(key) == "Active"
    assert user.who("prod").startswith(sso_arn(PRODUCTION, ADMIN))


def test_a_wrong_account_behind_the_role_stops_before_anything_is_touched(user, cloud, simulator):
    key = user.key()
    user.has(section("prod", key))
    before = user.both()
    simulator.organization.issue = lambda _account, role, name: cloud.issue(STAGING, role, name)
    done = user.run("migrate", "--yes", "--map", f"prod={ADMIN}")
    assert done.returncode == 1
    assert (user.both(), cloud.changes()) == (before, [])


def test_a_key_that_iam_does_not_have_is_left_in_the_file(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    cloud.remove(key)
    before = user.both()
    done = user.run("migrate", "--yes", "--map", f"prod={ADMIN}")
    assert "left alone: prod" in done.stderr
    assert user.both() == before


def test_i5_two_at_once_do_it_once(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    processes = [user.start("migrate", "--yes", "--map", f"prod={ADMIN}") for _ in range(2)]
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert cloud.status(key) == "Inactive"
    assert len([job for job in user.journal()["jobs"] if job["stage"] == "retired"]) == 1
    assert len([event for event in user.journal()["history"] if event["stage"] == "cut"]) == 1


def test_a_clock_that_was_set_back_shortens_no_grace(user, cloud):
    key = user.key()
    user.has(section("prod", key))
    user.migrate("--map", f"prod={ADMIN}")
    path = user.home / ".local/state/awssso/migrations.json"
    journal = json.loads(path.read_text())
    # Another machine's day: the journal has seen tomorrow, when the clock was right.
    journal["seen_at"] += 86400
    path.write_text(json.dumps(journal))
    other = user.key(STAGING, "ci")
    user.has(section("staging", other))
    user.migrate("--map", f"staging={ADMIN}")
    retired = {job["key_id"]: job["retired_at"] for job in user.journal()["jobs"]}
    assert retired[other.id] >= journal["seen_at"]


def test_a_damaged_journal_stops_everything(user, cloud):
    user.has(section("prod", user.key()))
    (user.home / ".local/state/awssso/migrations.json").write_text("{")
    refused = user.run("migrate", "--yes", "--map", f"prod={ADMIN}")
    assert (refused.returncode, "journal" in refused.stderr) == (6, True)
    assert cloud.changes() == []


def test_oddities_are_said_with_their_line_and_left(user):
    user.has(
        "[half]\naws_access_key_id = AKIAABCDEFGHIJKLMNOP\n",
        "[temporary]\naws_access_key_id = ASIAABCDEFGHIJKLMNOP\naws_secret_access_key = x\naws_session_token = y\n",
        "[minio]\naws_access_key_id = minioadmin\naws_secret_access_key = minioadmin\n",
    )
    done = user.ok("migrate", "--yes")
    assert "left alone: half (~/.aws/credentials, line 1): half a key pair" in done.stderr
    assert "line 3): temporary credentials" in done.stderr
    assert "line 7): no access key of AWS" in done.stderr
    assert "no long-lived key" in done.stderr


def test_no_argument_of_any_child_has_a_secret(user, tmp_path):
    key = user.key()
    user.has(section("prod", key))
    log = tmp_path / "execve"
    tracer = ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=execve", "-o", str(log)]
    done = subprocess.run(
        [*tracer, AWSSSO, "migrate", "--yes", "--map", f"prod={ADMIN}"],
        env=user.variables, cwd=user.home, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "credential-process" in log.read_text()
    assert key.secret not in log.read_text()


def test_at_every_volume_no_secret_is_said(user):
    key = user.key()
    user.has(section("prod", key))
    for volume in ("-v", "--debug"):
        user.migrate(volume, "--map", f"prod={ADMIN}")
        user.ok("migrate", volume, "--status")
        user.ok("migrate", volume, "--undo", "--yes")
    user.credentials.unlink()
    assert user.key_leaks() == []


# The pages


def test_the_readmes_transcript_is_what_is_said(user):
    text = (Path(__file__).parent.parent / "README.md").read_text().split("<!-- migrate:")[1].split("<!-- /migrate")[0]
    shown = re.split(r"^    \$ ", text, flags=re.MULTILINE)[1:]
    key = user.key()
    user.has(section("default", key, "region = eu-west-1"))
    for command, *lines in (part.splitlines() for part in shown):
        if not command.startswith("awssso "):
            continue
        done = user.ok(*command.split()[1:])
        said = (done.stdout + done.stderr).replace(str(user.home), "/home/me").replace(key.id, "AKIAQ3EXAMPLE7LAPTOP")
        expected = [line[4:] for line in lines if line.strip() and line.strip() != "..."]
        missing = [line for line in expected if line not in said.splitlines()]
        assert missing == [], said
