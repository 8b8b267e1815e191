"""A process of ours that outlives who started it: the agent, a sync behind a login, the refresh of a token.

Both sides of it: it is started with nothing of the starter's open in it, and leaves the starter's session.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awssso_helper.environment import Environment
    from awssso_helper.model import Deadline

# What an SDK's process has that ours should not: its keys, its profile, its Python.
_FOREIGN = ("AWS_", "PYTHON")
_KEPT = (
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_USE_",
    "PYTHON_KEYRING_BACKEND",
)
# The first descriptor that is no standard file: where an inherited one is found.
_INHERITED = 3
_MAIN = "from awssso_helper.{} import main; main()"


def can_be_here() -> bool:
    """Say whether such a process can be started on this system."""
    return hasattr(os, "posix_spawn")


def spawn(
    environment: Environment,
    arguments: Sequence[str] = (),
    *,
    module: str = "__main__",
    stdin: int = -1,
    stdout: int = -1,
    inherited: int = -1,
) -> int:
    """Start a module's `main` in a process of its own and do not wait; gives its pid.

    Its standard files are `/dev/null` where no descriptor is given for them; one that is `inherited` stays open in it.

    Raises:
        OSError: the system does not start it.
    """
    variables = {
        name: value
        for name, value in environment.variables.items()
        if not name.startswith(_FOREIGN) or name.startswith(_KEPT)
    }
    import fcntl  # noqa: PLC0415 - POSIX only

    with contextlib.ExitStack() as copies:

        def at(place: int, descriptor: int) -> tuple[Any, ...]:
            if descriptor < 0:
                return os.POSIX_SPAWN_OPEN, place, os.devnull, os.O_RDWR, 0
            # A copy out of the way: what is put in its place first must not be what comes next.
            copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _INHERITED + 1)
            copies.callback(os.close, copy)
            return os.POSIX_SPAWN_DUP2, copy, place

        actions = [at(0, stdin), at(1, stdout), at(2, -1)]
        if inherited >= 0:
            actions.append(at(_INHERITED, inherited))
        command = [sys.executable, *_python_options(module), *arguments]
        # An SDK may block or ignore signals in the thread that calls us; the agent needs its SIGTERM.
        needed = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD]
        return os.posix_spawn(sys.executable, command, variables, file_actions=actions, setsigmask=[], setsigdef=needed)


def _python_options(module: str) -> list[str]:
    """Keep the working directory, and PYTHON* variables, out of its Python."""
    start = _MAIN.format(module)
    user_site = getattr(sys.modules.get("site"), "USER_SITE", None)
    if not user_site or not __file__.startswith(user_site + os.sep):
        # Not -m: it imports what the agent does not need, 4 ms of every first call.
        return ["-I", "-c", start]
    # `pip install --user`: -I would leave out the very folder that we are in.
    return ["-E", "-c", f"import sys; del sys.path[0]; {start}"]


class Conversation:
    """What a process of ours that was given an order tells, until it has no more to say. It goes on when we leave.

    All of it goes through a socket of the two alone, for others can read arguments and variables.
    """

    def __init__(self, environment: Environment, module: str, order: dict[str, Any], *, inherited: int) -> None:
        """Start a module's `main`, which calls `ordered` and `tell`.

        Raises:
            OSError: the system does not start it.
        """
        import json  # noqa: PLC0415 - for few calls, as is the next
        import socket  # noqa: PLC0415

        self._socket, theirs = socket.socketpair()
        self._received = b""
        try:
            with theirs:
                end = theirs.fileno()
                self._pid = spawn(environment, module=module, stdin=end, stdout=end, inherited=inherited)
            self._socket.sendall(json.dumps(order).encode() + b"\n")
        except BaseException:
            self._socket.close()
            raise

    def next(self, deadline: Deadline) -> dict[str, Any] | None:
        """Give what it tells next; None where nothing came before the deadline, and {} where nothing comes any more.

        Raises:
            OSError: the connection broke.
        """
        import json  # noqa: PLC0415 - as above

        while b"\n" not in self._received:
            if deadline.passed():
                return None
            self._socket.settimeout(deadline.remaining())
            try:
                piece = self._socket.recv(65536)
            except TimeoutError:
                return None
            if not piece:
                return {}
            self._received += piece
        line, _, self._received = self._received.partition(b"\n")
        told: dict[str, Any] = json.loads(line)
        return told

    def leave(self) -> None:
        """Hear no more."""
        self._socket.close()
        with contextlib.suppress(OSError):
            # Whoever stays a while has no use for what is left of it.
            os.waitpid(self._pid, os.WNOHANG)


def ordered() -> dict[str, Any]:
    """Give the order that this process was started with.

    Raises:
        ValueError: it was cut off: whoever started us was killed meanwhile.
    """
    import json  # noqa: PLC0415 - as above

    order: dict[str, Any] = json.loads(sys.stdin.readline())
    return order


def tell(values: dict[str, Any]) -> None:
    """Tell whoever started this process, if that one is there still."""
    import json  # noqa: PLC0415 - as above

    with contextlib.suppress(OSError):
        os.write(1, json.dumps(values).encode() + b"\n")


def settle(*, keeps_inherited: bool = False) -> None:
    """Leave the starter's session and files behind, and let nobody look into this process (SECURITY E4)."""
    os.closerange(_INHERITED + keeps_inherited, 65536)
    with contextlib.suppress(OSError):
        os.setsid()
    os.chdir("/")
    os.umask(0o077)
    _be_undumpable()


def _be_undumpable() -> None:
    import resource  # noqa: PLC0415 - POSIX only

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - for whoever settles, not for who starts it

        pr_set_dumpable = 4
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_dumpable, 0, 0, 0, 0)
