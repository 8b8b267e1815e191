"""An errand: what a process of ours does for one that may end before it. The order, and what it tells to the end.

It goes on when nobody listens any more. Both go through a socket of the two alone, in lines of JSON, for others can
read arguments and variables.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

from awssso_helper import detached
from awssso_helper.errors import (
    AwsssoError,
    BusyError,
    KeyringError,
    KeyringLockedError,
    KeyringMissingError,
    KeyringTimeoutError,
    LoginNeededError,
    NetworkError,
    RefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from awssso_helper.environment import Environment
    from awssso_helper.files import Hold
    from awssso_helper.model import Deadline

# A timeout of 0 would mean "do not block".
_INSTANT = 0.001
# Those whose kind says what to do next, made of message and hint alone; any other keeps its words and its status.
_KINDS = {
    kind.__name__: kind
    for kind in (
        LoginNeededError,
        KeyringError,
        KeyringMissingError,
        KeyringLockedError,
        KeyringTimeoutError,
        NetworkError,
        BusyError,
        RefusedError,
    )
}


# Whose errand it is


class Errand:
    """An errand on its way."""

    def __init__(self, environment: Environment, module: str, order: dict[str, Any], hold: Hold) -> None:
        """Send a module's `main` on its way with an order. The lock that we hold is its lock too, and ends with it.

        Raises:
            OSError: the system starts no process.
        """
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                self._pid = detached.spawn(
                    environment,
                    module=module,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    inherited=hold.descriptor,
                )
            hold.is_left = True
            self._socket.sendall(_line(order))
        except BaseException:
            self._socket.close()
            raise

    def outcome(self, deadline: Deadline, trace: Callable[[str], None] | None) -> bool:
        """Wait for the end, and say whether it came; False: the process was killed. `trace` hears of the steps.

        Raises:
            AwsssoError: what came of it.
            TimeoutError: it has not ended by the deadline; it goes on.
        """
        with self._socket, self._socket.makefile("rb") as lines, contextlib.suppress(ConnectionError):
            self._socket.settimeout(max(deadline.remaining(), _INSTANT))
            while line := lines.readline():
                told = json.loads(line)
                if "step" not in told:
                    self._collect()
                    return _is_well(told)
                if trace is not None:
                    trace(told["step"])
                self._socket.settimeout(max(deadline.remaining(), _INSTANT))
        self._collect()
        return False

    def _collect(self) -> None:
        """Leave no zombie to a process that stays a while; one that ignores SIGCHLD has none."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, os.WNOHANG)


def _is_well(told: dict[str, Any]) -> bool:
    error = told["error"]
    if error is None:
        return True
    raised = _KINDS.get(error["kind"], AwsssoError)(error["message"], hint=error["hint"])
    raised.exit_status = error["exit_status"]
    raise raised


# Who is sent


def ordered() -> dict[str, Any]:
    """Give the order that this process was sent with.

    Raises:
        ValueError: it was cut off: whoever sent us was killed meanwhile.
    """
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    return order


def tell(step: str) -> None:
    """Tell of a step on the way."""
    _say({"step": step})


def end(error: AwsssoError | None = None) -> None:
    """Tell how it ended."""
    values = error and {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "exit_status": error.exit_status,
    }
    _say({"error": values})


def _say(values: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        os.write(1, _line(values))


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode() + b"\n"
