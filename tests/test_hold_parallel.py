"""Many SDKs at once on a token that has expired: one refresh, one fetch, valid answers for all, whoever dies."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from secret_service import wait_until
from siege import Stable, children, stable_of
from test_agent import configure
from test_hold_keyring import sign_in_with_an_old_token

from awssso_helper.role_cache import session_key

if TYPE_CHECKING:
    from collections.abc import Iterator

READER = "corp/210987654321/ReadOnlyAccess"
OPTIONS = ("agent = off", "deadline_seconds = 50")


@pytest.fixture
def crowd(sandbox, tmp_path) -> Iterator[Stable]:
    """A user who is signed in, and a Python that becomes any number of their SDKs at once."""
    # The deadline is for one call on a machine that does not start three hundred at once.
    sandbox.settings("keyring = plaintext-file", *OPTIONS)
    sandbox.configure()
    sandbox.ok("login", "--no-sync")
    with stable_of(sandbox, tmp_path / "stable") as stable:
        yield stable


def grow_old(user) -> None:
    """Let the access token be an old one, and the credentials of roles be gone, as after a lunch break."""
    for path in user.keyring_files.iterdir():
        text = path.read_text()
        if text.startswith("{"):
            values = json.loads(text)
            values["token"]["expires_at"] = 1
            path.write_text(json.dumps(values))
        else:
            path.unlink()


def lock_of(crowd: Stable) -> Path:
    return crowd.sandbox.home / ".local" / "state" / "awssso" / "locks" / f"{session_key('corp')}.lock"


def holder(lock: Path) -> int | None:
    """Find the process that holds a lock, in the kernel's own list."""
    number = str(lock.stat().st_ino)
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        # 1: FLOCK ADVISORY WRITE pid major:minor:inode start end; "->" stands before one that waits
        if words[1] == "FLOCK" and words[5].rpartition(":")[2] == number:
            return int(words[4])
    return None


def ask(crowd: Stable, count: int, *, dies: bool) -> list[float]:
    """Let so many ask at once; with `dies` the one that refreshes is killed meanwhile. Gives how long each took."""
    simulator = crowd.sandbox.simulator
    grow_old(crowd.sandbox)
    simulator.clear_log()
    if dies:
        simulator.misbehave("CreateToken", status=503, delay=30)
    running = [crowd.start("credential-process", READER, stops=True) for _ in range(count)]
    began = time.monotonic()
    for each in running:
        os.kill(each.pid, signal.SIGCONT)
    leader = killed_leader(crowd) if dies else 0
    documents, seconds = set(), []
    for each in running:
        done = each.end()
        seconds.append(time.monotonic() - began)
        if each.pid == leader:
            assert done.status == -signal.SIGKILL
            continue
        assert (done.status, done.error) == (0, ""), done
        documents.add(done.out)
    assert len(documents) == 1
    assert json.loads(documents.pop())["Version"] == 1
    assert simulator.count("CreateToken", grantType="refresh_token") == 1 + dies
    assert simulator.count("GetRoleCredentials") == 1
    assert simulator.count("AuthorizePage") == simulator.count("ConsentPage") == 0
    return seconds


def killed_leader(crowd: Stable, *, with_renewal: bool = True) -> int:
    """Kill who holds the session's lock in the middle of a refresh; `with_renewal` also the process that does it."""
    wait_until(lambda: crowd.sandbox.simulator.count("CreateToken") == 1, "nobody refreshed")
    leader = holder(lock_of(crowd))
    assert leader is not None
    [renewal] = children(leader)
    os.kill(leader, signal.SIGKILL)
    if with_renewal:
        os.kill(renewal, signal.SIGKILL)
    return leader


def test_b10_c8_a_leader_that_dies_takes_no_refresh_with_it(crowd):
    """What most often ends an SDK's process, Ctrl-C or its deadline, leaves the refresh to a process of its own."""
    grow_old(crowd.sandbox)
    crowd.sandbox.simulator.clear_log()
    crowd.sandbox.simulator.misbehave("CreateToken", delay=3)
    running = [crowd.start("credential-process", READER) for _ in range(20)]
    leader = killed_leader(crowd, with_renewal=False)
    done = {each.pid: each.end() for each in running}
    del done[leader]
    assert {(each.status, each.error) for each in done.values()} == {(0, "")}
    assert len({each.out for each in done.values()}) == 1
    assert [call.status for call in crowd.sandbox.simulator.calls("CreateToken")] == [200]


def test_b10_a_hundred_at_once_on_an_expired_token_are_one_refresh_also_when_the_leader_dies(crowd):
    ask(crowd, 100, dies=False)
    ask(crowd, 100, dies=True)


def test_b10_a_leader_that_dies_with_the_only_answer_costs_one_login_and_no_storm(crowd):
    """The one moment that nothing can save: AWS has used up the refresh token, and who was to hear the new one died."""
    simulator = crowd.sandbox.simulator
    grow_old(crowd.sandbox)
    simulator.clear_log()
    simulator.misbehave("CreateToken", delay=30)
    running = [crowd.start("credential-process", READER) for _ in range(20)]
    leader = killed_leader(crowd)
    done = {each.pid: each.end() for each in running}
    del done[leader]
    assert {(each.status, each.out) for each in done.values()} == {(3, "")}
    assert all("awssso login -S corp" in each.error for each in done.values())
    assert simulator.count("CreateToken") == 2
    assert crowd.run("credential-process", READER).status == 3
    assert simulator.count("CreateToken") == 2


@pytest.mark.soak
def test_b10_soak_a_hundred_at_once_fifty_times_and_the_leader_dies_each_second_time(crowd, figures):
    slowest = [max(ask(crowd, 100, dies=number % 2 == 1)) for number in range(50)]
    figures(rounds_of_100=50, leaders_killed=25, false_answers=0, seconds_for_the_slowest_round=round(max(slowest), 1))


@pytest.mark.soak
def test_b10_soak_three_hundred_at_once_five_times(crowd, figures):
    slowest = [max(ask(crowd, 300, dies=number % 2 == 1)) for number in range(5)]
    figures(rounds_of_300=5, leaders_killed=2, false_answers=0, seconds_for_the_slowest_round=round(max(slowest), 1))


@pytest.mark.soak
def test_b10_e5_soak_a_hundred_profiles_at_once_while_the_agent_is_killed(sandbox, figures):
    """As SDKs do it, with real starts: the launcher's line, an agent that dies with a refresh on its way."""
    sandbox.settings("keyring = plaintext-file", "deadline_seconds = 50")
    sandbox.configure()
    sandbox.ok("login")
    for number in range(3):
        sandbox.ok("agent", "stop")
        grow_old(sandbox)
        sandbox.simulator.clear_log()
        sandbox.simulator.misbehave("CreateToken", status=503, delay=30)
        running = [sandbox.start("credential-process", READER) for _ in range(100)]
        wait_until(lambda: sandbox.simulator.count("CreateToken") == 1, f"nobody refreshed in round {number}")
        agent = sandbox.json("agent", "status")["pid"]
        os.kill(agent, signal.SIGKILL)
        found = [(process.wait(), *process.communicate()) for process in running]
        assert {(status, error) for status, _, error in found} == {(0, "")}, found[0]
        # Who found the agent dead has done it by itself, and the next agent once more.
        assert len({document for _, document, _ in found}) <= 2
        assert all(json.loads(document)["Version"] == 1 for _, document, _ in found)
        assert sandbox.simulator.count("CreateToken", grantType="refresh_token") == 2
    figures(rounds_of_100=3, agents_killed=3, false_answers=0)


@pytest.mark.soak
@pytest.mark.parametrize("count", [100, 300])
@pytest.mark.parametrize("agent", ["on", "off"])
def test_b10_soak_many_at_once_with_a_real_keyring_and_the_usual_deadline(
    agent, count, desktop, secret_service, figures
):
    """With the agent all have their answer; without one a machine may be too slow for that, and no session is lost."""
    configure(desktop)
    desktop.settings(f"agent = {agent}")
    sign_in_with_an_old_token(desktop)
    began = time.monotonic()
    running = [desktop.start("credential-process", READER) for _ in range(count)]
    found = [(*process.communicate(), process.returncode) for process in running]
    seconds = round(time.monotonic() - began, 1)
    assert [call.status for call in desktop.simulator.calls("CreateToken")] == [200]
    given = {document for document, _, status in found if status == 0}
    late = [error for _, error, status in found if status != 0]
    assert all(json.loads(document)["Version"] == 1 for document in given)
    # What it had waited for each says in a line: the keyring, another awssso, the refresh.
    words = ("keyring", "another awssso process", "in time")
    assert all(error.count("\n") == 1 and any(word in error for word in words) for error in late), late
    assert desktop.document(READER)
    assert agent == "off" or not late
    figures(at_once=count, agent=agent, in_time=count - len(late), seconds=seconds)
