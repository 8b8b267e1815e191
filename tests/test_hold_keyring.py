"""The keyring in each state that it can get into, real ones, under what the SDKs call: in time, in words, nothing lost.

Each fault is met twice: by a process that does all by itself, and by an agent that was just started.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keyring_backends
import pytest
from keyring_backends import FILE
from secret_service import wait_until
from test_agent import configure, needs_root

from awssso_helper import files
from awssso_helper.model import Deadline
from awssso_helper.role_cache import session_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READER = "corp/210987654321/ReadOnlyAccess"
SESSION = session_key("corp")
# As long as an SDK's call may take with any of these, on a machine that has nothing else to do.
SECONDS = 3.0


def missing(user, _service) -> None:
    user.variables["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nonexistent/bus"


def without_a_bus(user, _service) -> None:
    user.variables.pop("DBUS_SESSION_BUS_ADDRESS")


def killed(_user, service) -> None:
    service.kill()


def locked(_user, service) -> None:
    service.lock()


def hung(_user, service) -> None:
    service.stop()


def bus_hung(_user, service) -> None:
    service.stop_bus()


def killed_meanwhile(_user, service) -> None:
    service.stop()
    threading.Timer(1.0, service.kill).start()


def spoilt(*secrets: bytes) -> Callable[[Any, Any], None]:
    return lambda _user, service: service.spoil(SESSION, *secrets)


LATER = json.dumps({"version": 99, "session": {"name": "corp"}, "kept": ["otherwise"]}).encode()
# The fault, the exit status, a word of the line.
FAULTS = {
    "missing": (missing, 4, "keyring"),
    "without a bus": (without_a_bus, 4, "keyring"),
    "killed": (killed, 4, "keyring"),
    "locked": (locked, 4, "locked"),
    "hung": (hung, 4, "does not answer"),
    "bus hung": (bus_hung, 4, "does not answer"),
    "killed meanwhile": (killed_meanwhile, 4, "keyring"),
    "cut off": (spoilt(b'{"version": 1, "session": {"na'), 3, "awssso login -S corp"),
    "empty": (spoilt(b""), 3, "awssso login -S corp"),
    "of another program": (spoilt(b"hunter2 of another program"), 3, "awssso login -S corp"),
    "of a later version": (spoilt(LATER), 3, "awssso login -S corp"),
    "no text": (spoilt(b"\xff\xfe\x00\x80"), 3, "awssso login -S corp"),
    "deep": (spoilt(b"[" * 100_000), 3, "awssso login -S corp"),
    "a megabyte": (spoilt(b"x" * (1 << 20)), 3, "awssso login -S corp"),
    "several": (spoilt(b"one", b"two"), 3, "awssso login -S corp"),
    "gone": (spoilt(), 3, "awssso login -S corp"),
}
# A healthy keyring heals these at the next login; the others need a person or the desktop.
HEALED_BY_LOGIN = [name for name, (_, status, _) in FAULTS.items() if status == 3]


ASKERS = ("by itself", "agent")
EACH = [(name, asker) for name in FAULTS for asker in ASKERS]
# In each run of the tests each fault is met by one of the two; `make soak` has both.
SAMPLE = [(name, ASKERS[number % 2]) for number, name in enumerate(FAULTS)]


@pytest.fixture
def signed_in(request, desktop, secret_service) -> Iterator[Any]:
    configure(desktop)
    desktop.settings("agent = off")
    desktop.ok("login", "--no-sync")
    if request.node.callspec.params["asker"] == "agent":
        desktop.settings("# an agent")
    yield desktop
    secret_service.cont()


def asked(user) -> tuple[Any, float]:
    began = time.monotonic()
    done = user.run("credential-process", READER)
    return done, time.monotonic() - began


def demand_the_answer(name: str, user, service) -> float:
    """Let a fault happen, and ask as an SDK does; gives the seconds that it took."""
    fault, status, word = FAULTS[name]
    fault(user, service)
    done, seconds = asked(user)
    assert (done.returncode, done.stdout) == (status, ""), (name, done)
    assert done.stderr.count("\n") == 1, (name, done)
    assert word in done.stderr, (name, done)
    assert "hunter2" not in done.stderr
    return seconds


@pytest.mark.parametrize(("name", "asker"), SAMPLE)
def test_d3_d4_d6_d7_a_keyring_in_any_state_is_one_line_with_its_own_status(name, asker, signed_in, secret_service):
    demand_the_answer(name, signed_in, secret_service)
    if name in HEALED_BY_LOGIN:
        signed_in.ok("login", "--no-sync")
        assert signed_in.document(READER)


@pytest.mark.soak
@pytest.mark.parametrize(("name", "asker"), EACH)
def test_d3_d4_d6_d7_soak_the_answer_comes_within_three_seconds(name, asker, signed_in, secret_service, figures):
    seconds = demand_the_answer(name, signed_in, secret_service)
    figures(seconds=f"{seconds:.2f}")
    assert seconds < SECONDS
    if name in HEALED_BY_LOGIN:
        signed_in.ok("login", "--no-sync")
        assert signed_in.document(READER)


@contextlib.contextmanager
def hanging_once_opened(user, service) -> Iterator[None]:
    """Let whoever asks the keyring open it, wait for its turn, and then wait for an answer that does not come."""
    lock = user.home / ".local/state/awssso/locks/keyring.lock"

    def is_waited_for() -> bool:
        """Say whether another process has come to the lock: it opens the keyring before, and reads it after."""
        found = (each for each in Path("/proc").glob("[0-9]*/fd/*") if f"/{os.getpid()}/" not in str(each))
        return any(_target(each) == str(lock) for each in found)

    def stop_it_then() -> None:
        with files.locked(lock, Deadline(SECONDS)):
            is_held.set()
            wait_until(is_waited_for, "nobody came to the keyring's lock")
            service.stop()

    is_held = threading.Event()
    stopper = threading.Thread(target=stop_it_then)
    stopper.start()
    assert is_held.wait(60)
    yield
    stopper.join()


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def demand_words_while_it_hangs(user, service) -> float:
    with hanging_once_opened(user, service):
        done, seconds = asked(user)
    assert (done.returncode, done.stdout) == (4, ""), done
    assert "does not answer" in done.stderr
    return seconds


@needs_root
@pytest.mark.parametrize("asker", ASKERS)
def test_d3_a_keyring_that_opens_and_then_hangs_is_said_well_before_the_deadline(asker, signed_in, secret_service):
    agent = "off" if asker == "by itself" else "on"
    signed_in.settings("deadline_seconds = 12", f"agent = {agent}")
    # Half of the time is enough to know it; twice as long a wait would be the deadline itself.
    assert demand_words_while_it_hangs(signed_in, secret_service) < 10


def sign_in_with_an_old_token(user) -> None:
    """Have the next call refresh, and the answer to that take a moment in which something can happen."""
    simulator = user.simulator
    simulator.organization.access_token_life = 0
    user.ok("login", "--force", "--no-sync")
    simulator.organization.access_token_life = 3600
    simulator.clear_log()
    simulator.misbehave("CreateToken", delay=0.3)


def wait_for_the_refresh(user) -> None:
    wait_until(lambda: user.simulator.calls("CreateToken"), "nobody came to refresh")


def demand_words_while_the_renewed_token_hangs(user, service) -> float:
    """Let the keyring hang between a refresh and the storing of what it brought."""
    sign_in_with_an_old_token(user)

    def stop_it_then() -> None:
        wait_for_the_refresh(user)
        service.stop()

    stopper = threading.Thread(target=stop_it_then)
    stopper.start()
    done, seconds = asked(user)
    stopper.join()
    assert (done.returncode, done.stdout) == (4, ""), done
    assert "does not answer" in done.stderr
    return seconds


def demand_that_the_session_is_kept(user, service) -> None:
    """Let the keyring come back: who told that it hangs, or who outlives that one, stores what it was told about."""
    service.cont()
    wait_until(lambda: user.run("credential-process", READER).returncode == 0, "the session is lost")
    assert [call.status for call in user.simulator.calls("CreateToken")] == [200]


@pytest.mark.parametrize("asker", ASKERS)
def test_d3_a_keyring_that_hangs_when_the_renewed_token_is_stored_is_said_and_it_is_stored_later(
    asker, signed_in, secret_service
):
    signed_in.settings("deadline_seconds = 12", f"agent = {'off' if asker == 'by itself' else 'on'}")
    assert demand_words_while_the_renewed_token_hangs(signed_in, secret_service) < 10
    demand_that_the_session_is_kept(signed_in, secret_service)


@pytest.mark.soak
@needs_root
@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("demand_words", [demand_words_while_it_hangs, demand_words_while_the_renewed_token_hangs])
def test_d3_soak_a_keyring_that_opens_and_then_hangs_is_said_within_three_seconds(
    demand_words, asker, signed_in, secret_service, figures
):
    seconds = demand_words(signed_in, secret_service)
    figures(seconds=f"{seconds:.2f}")
    assert seconds < SECONDS
    if demand_words is demand_words_while_the_renewed_token_hangs:
        demand_that_the_session_is_kept(signed_in, secret_service)


def test_d3_a_renewed_token_whose_turn_to_be_stored_did_not_come_is_stored_by_the_next_call(desktop, secret_service):
    configure(desktop)
    desktop.settings("# an agent")
    sign_in_with_an_old_token(desktop)
    is_told = threading.Event()

    def keep_the_turn() -> None:
        wait_for_the_refresh(desktop)
        with files.locked(desktop.home / ".local/state/awssso/locks/keyring.lock", Deadline(SECONDS)):
            is_told.wait(60)

    holder = threading.Thread(target=keep_the_turn)
    holder.start()
    done, _ = asked(desktop)
    is_told.set()
    holder.join()
    assert (done.returncode, done.stdout) == (4, ""), done
    # The refresh token in the keyring is used up; nobody has to sign in again.
    assert desktop.document(READER)
    assert [call.status for call in desktop.simulator.calls("CreateToken")] == [200]
    # And it is stored, not only remembered.
    desktop.ok("agent", "stop")
    assert desktop.document("corp/210987654321/AdministratorAccess")
    assert [call.status for call in desktop.simulator.calls("CreateToken")] == [200]


MAIN = "from awssso_helper.__main__ import main; main()"


def python_with(tmp_path: Path, folder: Path) -> str:
    """Give a Python that has all of ours and the modules of a folder, also in isolated mode and in whom it starts."""
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    [packages] = (tmp_path / "venv").glob("lib/python*/site-packages")
    ours = [each for each in sys.path if each.endswith("site-packages")]
    # `import` in a .pth file is run: what is ours may be installed by such a file itself.
    lines = [f"import site; site.addsitedir({each!r})\n" for each in [*ours, str(folder)]]
    (packages / "more.pth").write_text("".join(lines))
    return str(tmp_path / "venv/bin/python")


def test_d2_a_keyring_that_loses_the_renewed_token_is_said_and_no_success(sandbox, tmp_path):
    sandbox.variables |= {FILE: str(tmp_path / "items"), "PYTHONPATH": str(Path(keyring_backends.__file__).parent)}
    sandbox.settings("keyring = keyring_backends.Shared", "agent = off")
    sandbox.configure()
    sandbox.simulator.organization.access_token_life = 0
    sandbox.ok("login", "--no-sync")
    sandbox.settings("keyring = keyring_backends.Losing", "agent = off")
    python = python_with(tmp_path, Path(keyring_backends.__file__).parent)
    # The process that refreshes loads nothing from the PYTHONPATH.
    done = sandbox.program(python, "-I", "-c", MAIN, "credential-process", READER)
    assert (done.returncode, done.stdout) == (4, "")
    assert "does not keep what it is given" in done.stderr
    assert sandbox.simulator.count("CreateToken", grantType="refresh_token") == 1


ASKS_A_PERSON = """
import os, sys
from awssso_helper.environment import Environment
from awssso_helper.model import Deadline
from awssso_helper.store import Store
try:
    Store(Environment(), "", may_prompt=True).get("key", Deadline(2.0))
except Exception as error:
    print(type(error).__name__, flush=True)
os._exit(0)
"""


def test_d3_a_question_that_nobody_answers_keeps_neither_its_asker_nor_the_others(desktop, secret_service):
    configure(desktop)
    desktop.settings("agent = off")
    desktop.ok("login", "--no-sync")
    secret_service.lock()
    with secret_service.ignored_prompts() as shown:
        asker = desktop.program(sys.executable, "-c", ASKS_A_PERSON)
        assert asker.stdout == "KeyringTimeoutError\n"
        assert shown
        # The question is still there.
        done, _ = asked(desktop)
    assert (done.returncode, done.stdout) == (4, "")
    assert "locked" in done.stderr


def test_d8_d9_the_keyring_shows_no_name_and_with_an_agent_holds_no_role(desktop, secret_service):
    desktop.settings("# an agent")
    desktop.configure()
    desktop.ok("login")
    assert desktop.document(READER)
    [label] = secret_service.labels()
    assert SESSION in label
    assert not [word for word in ("corp", "ReadOnly", "210987654321", "awsapps", "@example") if word in label]
