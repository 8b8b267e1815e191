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
