"""The way to the agent: is one wanted, ask it, start it, stop it. What a short-lived process needs, and no more."""

from __future__ import annotations

import _socket
import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from awssso_helper import detached, files, warm
from awssso_helper.errors import AwsssoError
from awssso_helper.model import Deadline, quoted_word

if TYPE_CHECKING:
    from pathlib import Path

    from awssso_helper.environment import Environment
    from awssso_helper.settings import Settings

_START_SECONDS = 10.0
_STOP_SECONDS = 3.0
# How often to look whether it listens: an SDK waits for it.
_GLANCE = 0.005
# After a start that failed, calls do without an agent for so long.
_PAUSE = 60.0


def is_wanted(settings: Settings) -> bool:
    """Say whether an agent can run here and the settings do not forbid it."""
    return settings.agent and can_be_here()


def can_be_here() -> bool:
    """Say whether an agent can run on this system."""
    return hasattr(_socket, "AF_UNIX") and detached.can_be_here()


def asked(environment: Environment, verb: str, *words: str, patience: float = warm.PATIENCE) -> bytes | None:
    """Ask the running agent: a status digit, text and a newline. None when none of our version and place answers.

    One that hangs is status 5 in the end.
    """
    variables = environment.as_bytes()
    return warm.asked(warm.request(verb.encode(), [word.encode() for word in words], variables), variables, patience)


# Start


def start(environment: Environment, patience: float = _START_SECONDS, *, is_insistent: bool = False) -> bool:
    """Start an agent and wait until it listens; of many at once, one starts it and all wait. Says whether it does.

    Where the last try failed just now, only an `is_insistent` caller tries again.
    """
    if is_up(environment):
        return True
    failure = environment.state_dir / "agent-failed"
    deadline = Deadline(patience)
    try:
        with files.locked(environment.lock_dir / "agent-start.lock", deadline):
            if is_up(environment):
                return True
            if not is_insistent and _is_recent(failure):
                return False
            is_there = _came_up(environment, detached.spawn(environment, ["agent", "serve"]), deadline)
            failure.unlink(missing_ok=True) if is_there else failure.touch()
            return is_there
    except (AwsssoError, OSError):
        # Whatever stands in the way: without an agent everything works, slower.
        return is_up(environment)


def _is_recent(failure: Path) -> bool:
    try:
        return 0 <= time.time() - failure.stat().st_mtime < _PAUSE
    except OSError:
        return False


def _came_up(environment: Environment, pid: int, deadline: Deadline) -> bool:
    while not deadline.passed():
        # In this order: one that ended because another serves already is no failure.
        has_ended = _has_ended(pid)
        if is_up(environment):
            return True
        if has_ended:
            return False
        time.sleep(_GLANCE)
    return False


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        # Whoever ignores SIGCHLD is not told.
        return False


def is_up(environment: Environment) -> bool:
    """Say whether an agent listens."""
    connection = warm.connected(environment.as_bytes(), 0.5)
    if connection is None:
        return False
    connection.close()
    return True


# Stop


def stop(environment: Environment) -> bool:
    """Stop the agent, also one that hangs or is of another version. Says whether there was one."""
    pid = _pid(environment)
    if pid is None:
        return False
    answer = asked(environment, "stop", patience=_STOP_SECONDS)
    if pid and answer is not None and answer[:1] != b"0":
        # It does not even read its socket (suspended, most likely), so a signal that it handles would not end it.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return True


def _pid(environment: Environment) -> int | None:
    """Give the process behind the agent's socket: 0 where the system does not tell, None where nobody is."""
    connection = warm.connected(environment.as_bytes(), _STOP_SECONDS)
    if connection is None:
        return None
    try:
        return peer_pid(connection)
    finally:
        connection.close()


def peer_pid(connection: _socket.socket) -> int:
    """Give the process at the other end, or 0 where the system does not tell."""
    if not hasattr(_socket, "SO_PEERCRED"):
        return 0
    credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[:4], sys.byteorder)


def facts(environment: Environment, settings: Settings, patience: float = warm.PATIENCE) -> dict[str, Any]:
    """Give what the agent says of itself: `running`, and its `roles` with the time at which their credentials end."""
    import json  # noqa: PLC0415 - 3 ms that an SDK's call does not need

    answer = asked(environment, "status", patience=patience) if is_wanted(settings) else None
    if answer is None or answer[:1] != b"0":
        return {"running": False, "roles": []}
    return {"running": True, **json.loads(answer[1:])}


def forget(environment: Environment, settings: Settings, session: str) -> None:
    """Make the agent drop what it holds of a session, if there is one."""
    if is_wanted(settings):
        asked(environment, "forget", quoted_word(session))
