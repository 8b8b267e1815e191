"""A machine without a keyring: the agent holds the session in its memory, and nothing is written anywhere."""

from __future__ import annotations

import base64
import json
import os
import signal
import stat

import pytest
from test_agent import asked, configure, environment, pid_of, wait_for_end

from awssso_helper import agent_client
from awssso_helper.errors import KeyringError, KeyringMissingError
from awssso_helper.memory_vault import AgentMemory
from awssso_helper.model import Deadline
from awssso_helper.store import Store

READER = "corp/210987654321/ReadOnlyAccess"
MEMORY = "keyring = memory"


@pytest.fixture
def without_keyring(sandbox):
    """A user whose settings leave the session to the agent's memory. The sandbox looks for leaks in all files."""
    sandbox.settings(MEMORY)
    configure(sandbox)
    return sandbox


@pytest.fixture
def signed_in(without_keyring):
    without_keyring.ok("login", "--no-sync")
    without_keyring.simulator.clear_log()
    return without_keyring


def store(sandbox) -> Store:
    return Store(environment(sandbox), "memory", may_prompt=False)


def soon() -> Deadline:
    return Deadline(20)


def test_login_says_plainly_where_the_session_is_and_for_how_long(without_keyring):
    said = without_keyring.ok("login", "--no-sync").stderr
    assert "held in the agent's memory only, in no keyring and no file" in said
    assert "awssso agent stop" in said
    assert "8 hours" in said


def test_all_the_usual_works_and_no_secret_is_in_any_file(signed_in):
    # The scan at the end of the sandbox leaves the plain-file keyring out; here it is to be none.
    signed_in.ok("sync")
    assert signed_in.document(READER)["Version"] == 1
    assert signed_in.json("status")["keyring"] == "memory"
    assert signed_in.json("status")["sessions"][0]["state"] == "signed in"
    assert not signed_in.keyring_files.exists()
    signed_in.ok("logout")
    assert signed_in.json("status")["sessions"][0]["state"] == "signed out"
    assert signed_in.run("credential-process", READER).returncode == 3


def test_no_file_of_the_user_holds_a_secret_not_even_a_socket_or_a_lock(signed_in):
    signed_in.document(READER)
    files = [each for each in signed_in.home.rglob("*") if stat.S_ISREG(each.lstat().st_mode)]
    secrets = [each.encode() for each in signed_in.simulator.organization.issued_secrets() if len(each) > 8]
    assert len(secrets) > 3
    assert [each for each in files if any(secret in each.read_bytes() for secret in secrets)] == []


def test_a_token_that_the_agent_renewed_is_the_commands_token_too(signed_in):
    signed_in.simulator.organization.access_token_life = 0
    signed_in.ok("login", "--force", "--no-sync")
    signed_in.simulator.organization.access_token_life = 3600
    signed_in.simulator.clear_log()
    assert signed_in.document(READER)
    signed_in.ok("sync")
    assert signed_in.simulator.count("CreateToken") == 1


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_with_the_agent_the_session_is_gone_and_that_is_said(signed_in, how):
    signed_in.document(READER)
    if how == "stop":
        said = signed_in.ok("agent", "stop").stderr
        assert "sign-in" in said
        assert "hint: awssso login" in said
    else:
        pid = pid_of(signed_in)
        os.kill(pid, signal.SIGKILL)
        wait_for_end(pid)
    signed_in.simulator.clear_log()
    done = signed_in.run("credential-process", READER)
    assert (done.returncode, done.stdout) == (3, "")
    assert "held in memory by an agent that has ended" in done.stderr
    assert "awssso login -S corp" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not agent_client.is_up(environment(signed_in)), "it started an agent that could only say no"
    assert signed_in.simulator.log == []
    status = signed_in.run("status")
    assert status.returncode == 3
    assert "what the last one held in its memory" in status.stderr
    assert signed_in.run("sync").returncode == 3


def test_after_a_new_login_all_is_well_again(signed_in):
    signed_in.ok("agent", "stop")
    signed_in.ok("login", "--no-sync")
    assert signed_in.document(READER)


def test_without_an_agent_login_says_so_before_a_browser_opens(without_keyring):
    without_keyring.settings(MEMORY, "agent = off")
    done = without_keyring.run("login")
    assert done.returncode == 4
    assert "needs the agent" in done.stderr
    assert without_keyring.simulator.log == []
    assert without_keyring.run("credential-process", READER).returncode == 3


def test_other_settings_cost_no_session(signed_in):
    pid = pid_of(signed_in)
    signed_in.settings(MEMORY, "minimum_left_minutes = 30")
    assert signed_in.document(READER)
    signed_in.settings(MEMORY, "this is no setting")
    assert signed_in.run("credential-process", READER).returncode == 0, "the warm lane reads no settings"
    signed_in.settings(MEMORY, "agent_audit = true")
    assert signed_in.document(READER)
    assert pid_of(signed_in) == pid
    audit = environment(signed_in).audit_file.read_text()
    assert json.loads(audit.splitlines()[-1])["role"] == READER


def test_a_setting_that_takes_the_session_away_ends_it(signed_in):
    pid = pid_of(signed_in)
    signed_in.settings("keyring = plaintext-file")
    assert signed_in.run("credential-process", READER).returncode == 3
    wait_for_end(pid)


def test_without_a_keyring_login_names_this_way_out(sandbox):
    sandbox.settings("# no keyring here")
    sandbox.variables.pop("PYTHON_KEYRING_BACKEND")
    sandbox.variables["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nonexistent"
    configure(sandbox)
    done = sandbox.run("login")
    assert done.returncode == 4
    assert "keyring = memory" in done.stderr


# The vault itself


@pytest.mark.parametrize("value", ["", "short", "x" * 20_000, "\u00e9\u4e16\U0001f511 " * 700, "a\nb c", "\udcff"])
def test_any_value_comes_back_as_it_was(signed_in, value):
    kept = store(signed_in)
    kept.put("thing", value, soon())
    assert store(signed_in).get("thing", soon()) == value
    kept.put("thing", "another", soon())
    assert store(signed_in).get("thing", soon()) == "another"
    kept.delete("thing", soon())
    assert store(signed_in).get("thing", soon()) is None


def test_without_an_agent_there_is_nothing_and_nothing_can_be_kept(without_keyring):
    assert store(without_keyring).get("thing", soon()) is None
    store(without_keyring).delete("thing", soon())
    with pytest.raises(KeyringMissingError):
        store(without_keyring).put("thing", "value", soon())


def test_an_agent_that_is_not_to_hold_sessions_holds_none(sandbox):
    configure(sandbox)
    assert agent_client.start(environment(sandbox))
    with pytest.raises(KeyringError):
        AgentMemory(environment(sandbox)).set("thing", "value")
    assert asked(sandbox, "recall", "thing") is None


@pytest.mark.parametrize(
    "words", [(), ("thing", "one", "many"), ("thing", "no base64!"), ("thing", base64.b64encode(b"\xff").decode())]
)
def test_a_request_without_sense_is_no_harm(signed_in, words):
    asked(signed_in, "keep", *words)
    asked(signed_in, "recall", *words)
    assert signed_in.document(READER)


def test_an_agent_of_another_home_is_not_asked(signed_in, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    variables = {**signed_in.variables, "HOME": str(other), "XDG_STATE_HOME": str(other / "state")}
    signed_in.variables, mine = variables, signed_in.variables
    key = "thing"
    assert AgentMemory(environment(signed_in)).get(key) is None
    with pytest.raises(KeyringMissingError):
        AgentMemory(environment(signed_in)).set(key, "value")
    signed_in.variables = mine
    assert signed_in.document(READER)
