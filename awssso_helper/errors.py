"""What can go wrong, in the user's words.

Every error carries one line that says what is wrong, a hint that says what to type, and the exit status that
CONTRACT promises for it. They are raised where the fact is known and printed at one place, the edge in `cli`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class AwsssoError(Exception):
    """Something failed; `message` is one line without a final period, `hint` is what to type (or empty).

    `details` are lines between the two, for what a person has to choose from.
    """

    exit_status = 1
    details: tuple[str, ...] = ()

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ProgramError(AwsssoError):
    """A program could not be started: 127 where there is none, 126 where it may not be run, as shells have it."""

    def __init__(self, message: str, *, is_missing: bool, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_status = 127 if is_missing else 126


class UsageError(AwsssoError):
    """The command line or a setting cannot be understood."""

    exit_status = 2


class LoginNeededError(AwsssoError):
    """No usable token: a person has to sign in."""

    exit_status = 3


class KeyringError(AwsssoError):
    """The OS keyring cannot serve us; the subclasses say why. It never means "no such item"."""

    exit_status = 4


class KeyringMissingError(KeyringError):
    """There is no keyring backend here that keeps a secret safe."""


class KeyringLockedError(KeyringError):
    """The keyring is there and locked, and nobody may be asked to unlock it now."""


class KeyringTimeoutError(KeyringError):
    """The keyring did not answer in time."""


class NetworkError(AwsssoError):
    """The service could not be reached, or not in time, or what came back was no honest answer."""

    exit_status = 5


class BusyError(AwsssoError):
    """Another awssso process held a lock for longer than we may wait; mostly it waits for the network itself."""

    exit_status = 5


class ServiceError(AwsssoError):
    """The service answered with an error; `code` is its name as AWS spells it, `status` the HTTP status.

    `retry_after` is what the service asked us to wait, in seconds; 0.0 where it did not.
    """

    exit_status = 5

    def __init__(self, message: str, *, code: str, status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.status = status
        self.retry_after = 0.0


class ThrottledError(ServiceError):
    """429, still after the retries that the deadline allowed."""


class UnauthorizedError(ServiceError):
    """401 from the portal: this access token is not accepted. Worth one refresh, then a login."""

    exit_status = 3


class AccessDeniedError(ServiceError):
    """403 or 404 from the portal: signed in, but not given this account or role. Not a login problem."""

    exit_status = 1


class OAuthError(ServiceError):
    """An OAuth error of CreateToken or RegisterClient; `code` is the exception name, as in `InvalidGrantException`."""


class RefusedError(AwsssoError):
    """We declined and nothing was changed: a conflict, or a file that would not parse."""

    exit_status = 6


class SystemFailedError(AwsssoError):
    """The operating system said no where nothing could be done about it: no memory, no files left, a broken disk."""

    @classmethod
    def of(cls, error: OSError) -> SystemFailedError:
        """Give the system's own words, and the file where it names one."""
        name = f"{ascii(error.filename)[1:-1]}: " if isinstance(error.filename, str) else ""
        return cls(f"the system failed: {name}{error.strerror or type(error).__name__}", hint="try again")


class InterruptedByUserError(AwsssoError):
    """The user ended it (Ctrl-C, or "no" to a question)."""

    exit_status = 130


@contextlib.contextmanager
def after(done: str) -> Iterator[None]:
    """Say of an error in here what is done already: exit status 6 would claim that nothing was changed."""
    try:
        yield
    except RefusedError as error:
        raise AwsssoError(f"{done}, but {error.message}", hint=error.hint) from error


def keep_tracebacks_away() -> None:
    """Have Python print none: its lines may hold secrets (SECURITY G5).

    Not for a file or socket that a destructor could not close (a full disk, a lost mount), and not for what no edge
    catches, such as the panic of a library written in Rust, which is no `Exception`.
    """
    prints = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs, /) -> None:
        if not isinstance(unraisable.exc_value, OSError):
            prints(unraisable)

    sys.unraisablehook = hook
    sys.excepthook = lambda kind, _error, _trace: _last_word(kind)
    threading.excepthook = lambda failed: _last_word(failed.exc_type)


def _last_word(kind: type[BaseException]) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"awssso: unexpected {kind.__name__}; please report this line\n".encode("ascii", "replace"))
