"""What the SDKs call, as they call it: a process, its stdout, its stderr, its exit status.

Here without an agent, where each process does all by itself; `test_agent` has the other way.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest
from sandbox import AWSSSO
from secret_service import wait_until
from siege import children

READER = "corp/210987654321/ReadOnlyAccess"
# Its sessions last an hour; those of ReadOnlyAccess are longer.
HOURLY = "corp/210987654321/AdministratorAccess"
needs_faketime = pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")


@pytest.fixture
def signed_in(sandbox):
    sandbox.settings("keyring = plaintext-file", "agent = off")
    sandbox.configure()
    sandbox.ok("login", "--no-sync")
    sandbox.simulator.clear_log()
    return sandbox


@pytest.fixture
def with_expired_token(sandbox):
    """Signed in, with an access token that must be refreshed before anything else."""
    sandbox.settings("keyring = plaintext-file", "agent = off")
    sandbox.configure()
    sandbox.simulator.organization.access_token_life = 0
    sandbox.ok("login", "--no-sync")
    sandbox.simulator.organization.access_token_life = 3600
    sandbox.simulator.clear_log()
    return sandbox


def test_g6_the_document_is_what_every_sdk_reads(signed_in):
    done = signed_in.run("credential-process", READER)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("}\n")
    assert done.stdout.count("\n") == 1
    document = json.loads(done.stdout)
    assert list(document) == ["Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "AccountId"]
    assert document["Version"] == 1
    assert document["AccountId"] == "210987654321"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["Expiration"])


def test_a_cached_answer_costs_no_call(signed_in):
    first = signed_in.document(READER)
    signed_in.simulator.clear_log()
    assert signed_in.document(READER) == first
    assert signed_in.simulator.log == []


def test_a_profile_name_means_the_same_role(signed_in):
    signed_in.ok("sync")
    first = signed_in.document(READER)
    for arguments in (["--profile", "production.ReadOnlyAccess"], ["--profile=production.ReadOnlyAccess"]):
        done = signed_in.run("credential-process", *arguments)
        assert json.loads(done.stdout) == first


def test_the_config_file_and_the_default_chain_are_never_read(signed_in):
    signed_in.ok("sync")
    signed_in.config.unlink()
    more = {
        "AWS_PROFILE": "production.ReadOnlyAccess",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_ENDPOINT_URL": "http://192.0.2.1",
    }
    assert signed_in.document(READER, **more)["AccountId"] == "210987654321"


@needs_faketime
def test_with_little_time_left_it_fetches_anew(signed_in):
    first = signed_in.document(HOURLY)
    later = signed_in.program("faketime", "-f", "+2500s", AWSSSO, "credential-process", HOURLY)
    assert later.returncode == 0, later.stderr
    assert json.loads(later.stdout)["AccessKeyId"] != first["AccessKeyId"]


@needs_faketime
@pytest.mark.parametrize(
    "fault",
    [
        # A 429 waits on a condition, which libfaketime never wakes: tests/test_identity_center.py has it.
        {"status": 500},
        {"reset": True},
        {"half_close": True},
        {"body": b"<html>"},
        {"delay": 30},
        {"error": "ForbiddenException"},
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_where_the_fetch_fails_the_still_valid_answer_serves(signed_in, fault):
    first = signed_in.document(HOURLY)
    signed_in.simulator.misbehave("GetRoleCredentials", times=math.inf, **fault)
    later = signed_in.program("faketime", "-f", "+2500s", AWSSSO, "credential-process", HOURLY)
    assert (later.returncode, later.stderr) == (0, "")
    assert json.loads(later.stdout) == first


@needs_faketime
def test_c9_an_expired_answer_is_never_given(signed_in):
    signed_in.document(HOURLY)
    signed_in.simulator.stop()
    later = signed_in.program("faketime", "-f", "+3590s", AWSSSO, "credential-process", HOURLY)
    assert (later.returncode, later.stdout) == (5, "")


def test_the_deadline_holds_against_a_service_that_never_answers(signed_in):
    signed_in.settings("keyring = plaintext-file", "agent = off", "deadline_seconds = 2")
    signed_in.simulator.misbehave("GetRoleCredentials", times=math.inf, delay=50)
    done = signed_in.run("credential-process", READER)
    assert (done.returncode, done.stdout) == (5, "")
    assert len(done.stderr.splitlines()) == 1


def test_no_access_is_its_own_answer_and_deletes_nothing(signed_in):
    signed_in.simulator.misbehave("GetRoleCredentials", error="ForbiddenException")
    done = signed_in.run("credential-process", READER)
    assert (done.returncode, done.stdout) == (1, "")
    assert "ForbiddenException" in done.stderr
    assert signed_in.run("credential-process", "corp/210987654321/NoSuchRole").returncode == 1
    assert signed_in.document(READER)
    assert signed_in.simulator.count("CreateToken") == 0


def test_c8_a_401_leads_to_one_refresh_and_one_retry(signed_in):
    signed_in.simulator.misbehave("GetRoleCredentials", error="UnauthorizedException")
    assert signed_in.document(READER)
    assert signed_in.simulator.count("CreateToken", grantType="refresh_token") == 1
    assert signed_in.simulator.count("GetRoleCredentials") == 2


def test_after_a_401_on_a_new_token_a_login_is_needed_and_known_without_a_call(signed_in):
    signed_in.simulator.misbehave("GetRoleCredentials", times=math.inf, error="UnauthorizedException")
    done = signed_in.run("credential-process", READER)
    assert (done.returncode, done.stdout) == (3, "")
    assert "awssso login -S corp" in done.stderr
    signed_in.simulator.behave()
    signed_in.simulator.clear_log()
    assert signed_in.run("credential-process", READER).returncode == 3
    assert signed_in.simulator.log == []


def test_a_session_that_ended_is_seen_once_and_then_known(with_expired_token):
    with_expired_token.simulator.organization.revoke_sessions("ada@example.com")
    assert with_expired_token.run("credential-process", READER).returncode == 3
    assert with_expired_token.simulator.count("CreateToken") == 1
    assert with_expired_token.run("credential-process", READER).returncode == 3
    assert with_expired_token.simulator.count("CreateToken") == 1
    assert with_expired_token.json("status")["sessions"][0]["state"] == "ended"


def test_c8_network_trouble_during_a_refresh_is_no_logout(with_expired_token):
    with_expired_token.simulator.misbehave("CreateToken", status=500)
    assert with_expired_token.run("credential-process", READER).returncode == 5
    assert with_expired_token.document(READER)
    assert with_expired_token.simulator.count("CreateToken", grantType="refresh_token") == 2


def test_a_reply_without_a_new_refresh_token_keeps_the_old_one(with_expired_token):
    organization = with_expired_token.simulator.organization
    organization.renews_refresh_tokens = False
    organization.access_token_life = 30
    for role in ("ReadOnlyAccess", "PowerUserAccess", "AdministratorAccess"):
        with_expired_token.document(f"corp/210987654321/{role}")
    assert with_expired_token.simulator.count("CreateToken", grantType="refresh_token") == 3


def test_a_new_login_does_not_serve_the_former_persons_credentials(signed_in):
    of_ada = signed_in.document("corp/210987654321/ReadOnlyAccess")
    bob = signed_in.simulator.organization.users[1]
    signed_in.ok("login", "--force", "--no-sync", AWSSSO_PERSON_USER=bob)
    done = signed_in.run("credential-process", READER)
    assert done.stdout == "" or json.loads(done.stdout)["AccessKeyId"] != of_ada["AccessKeyId"]


# Many at once


def answers(sandbox, count: int, word: str = READER) -> list[tuple[int, str, str]]:
    # The deadline is for one call on a machine that is not busy with forty Python starts at once.
    sandbox.settings(*sandbox.settings_lines, "deadline_seconds = 50")
    running = [sandbox.start("credential-process", word) for _ in range(count)]
    return [(process.wait(), *process.communicate()) for process in running]


def test_forty_at_once_on_a_cold_cache_are_one_fetch(signed_in):
    found = answers(signed_in, 40)
    assert {(status, error) for status, _, error in found} == {(0, "")}
    assert len({document for _, document, _ in found}) == 1
    assert signed_in.simulator.count("GetRoleCredentials") == 1


def test_b10_forty_at_once_on_an_expired_token_are_one_refresh(with_expired_token):
    found = answers(with_expired_token, 40)
    assert {(status, error) for status, _, error in found} == {(0, "")}
    assert len({document for _, document, _ in found}) == 1
    assert with_expired_token.simulator.count("CreateToken", grantType="refresh_token") == 1
    assert with_expired_token.simulator.count("GetRoleCredentials") == 1


def test_b9_b10_forty_at_once_on_a_session_that_ended_are_one_call_and_no_browser(with_expired_token):
    with_expired_token.simulator.organization.revoke_sessions("ada@example.com")
    found = answers(with_expired_token, 40)
    assert {(status, document) for status, document, _ in found} == {(3, "")}
    assert with_expired_token.simulator.count("CreateToken") == 1
    assert with_expired_token.simulator.count("ConsentPage") == 0


def test_b10_a_killed_leader_leaves_no_lock(with_expired_token):
    with_expired_token.simulator.misbehave("CreateToken", status=503, delay=20)
    leader = with_expired_token.start("credential-process", READER)
    while not with_expired_token.simulator.count("CreateToken"):
        threading.Event().wait(0.02)
    # The process that refreshes for it too.
    doomed = [*children(leader.pid), leader.pid]
    assert len(doomed) == 2
    for each in doomed:
        os.kill(each, signal.SIGKILL)
    leader.communicate()
    assert with_expired_token.document(READER)


def test_c8_ctrl_c_and_a_closed_terminal_lose_no_refresh(with_expired_token):
    for number in (signal.SIGINT, signal.SIGHUP):
        with_expired_token.simulator.clear_log()
        with_expired_token.simulator.misbehave("CreateToken", delay=1)
        # A process group of its own, as a shell gives each command.
        asker = subprocess.Popen(
            [AWSSSO, "credential-process", READER],
            env=with_expired_token.variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not with_expired_token.simulator.calls("CreateToken"):
            threading.Event().wait(0.02)
        os.killpg(asker.pid, number)
        assert asker.wait() != 0
        assert with_expired_token.document(READER)
        assert [call.status for call in with_expired_token.simulator.calls("CreateToken")] == [200]
        with_expired_token.simulator.organization.access_token_life = 0
        with_expired_token.ok("login", "--force", "--no-sync")
        with_expired_token.simulator.organization.access_token_life = 3600


def test_c8_an_answer_to_a_refresh_that_comes_after_the_deadline_is_kept(with_expired_token):
    with_expired_token.simulator.misbehave("CreateToken", delay=6)
    late = with_expired_token.run("credential-process", READER)
    assert (late.returncode, late.stdout) == (5, "")
    assert "in time" in late.stderr
    wait_until(lambda: with_expired_token.run("credential-process", READER).returncode == 0, "the session is lost")
    assert [call.status for call in with_expired_token.simulator.calls("CreateToken")] == [200]


def test_forty_at_once_with_a_real_keyring_are_one_refresh(desktop):
    desktop.settings("agent = off")
    desktop.configure()
    desktop.simulator.organization.access_token_life = 0
    desktop.ok("login", "--no-sync")
    desktop.simulator.organization.access_token_life = 3600
    found = answers(desktop, 40)
    assert {(status, error) for status, _, error in found} == {(0, "")}
    assert len({document for _, document, _ in found}) == 1
    assert desktop.simulator.count("CreateToken", grantType="refresh_token") == 1
    assert desktop.simulator.count("GetRoleCredentials") == 1


# The keyring


def test_d4_a_locked_keyring_is_said_at_once_and_asks_nobody(desktop, secret_service):
    desktop.settings("agent = off")
    desktop.configure()
    desktop.ok("login", "--no-sync")
    secret_service.lock()
    done = desktop.run("credential-process", READER)
    assert (done.returncode, done.stdout) == (4, "")
    assert "locked" in done.stderr


def test_d3_a_hung_keyring_is_an_error_and_no_hang(desktop, secret_service):
    desktop.settings("agent = off")
    desktop.configure()
    desktop.ok("login", "--no-sync")
    secret_service.stop()
    done = desktop.run("credential-process", READER)
    secret_service.cont()
    assert (done.returncode, done.stdout) == (4, "")


# The surroundings


@pytest.mark.parametrize("closed", ["0<&-", "2>&-", "0<&- 2>&-", "1>&-", "0<&- 1>&- 2>&-"])
def test_a8_closed_standard_files_do_no_harm(signed_in, closed):
    done = signed_in.program("/bin/sh", "-c", f"{AWSSSO} credential-process {READER} {closed}")
    assert "Traceback" not in done.stderr
    if "1>" not in closed:
        assert done.returncode == 0
        assert json.loads(done.stdout)["Version"] == 1


def test_b9_it_never_reads_stdin(signed_in):
    done = signed_in.run("credential-process", READER, typed="y\n" * 100)
    assert done.returncode == 0


def test_an_untrusted_endpoint_variable_gets_no_token(signed_in):
    done = signed_in.run("credential-process", READER, AWS_ENDPOINT_URL_SSO="https://evil.example.com")
    assert (done.returncode, done.stdout) == (6, "")
    assert "evil.example.com" in done.stderr


def test_d7_a_damaged_item_in_the_keyring_means_a_login_and_no_traceback(signed_in):
    for item in signed_in.keyring_files.rglob("*"):
        if item.is_file():
            item.write_bytes(item.read_bytes()[:-20])
    done = signed_in.run("credential-process", READER)
    assert done.returncode in (3, 4)
    assert len(done.stderr.splitlines()) == 1
    signed_in.ok("login", "--no-sync")
    assert signed_in.document(READER)
