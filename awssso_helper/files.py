"""Files that others read while we write: replaced whole or not at all, and locks that processes share.

A reader sees the old file or the new one, also after a kill, a full disk or a power cut (SECURITY H1-H11).
Between the last look at a file and its replacement a program that takes no lock of ours has a window of
microseconds in which its change would be lost; nothing on POSIX closes it. Such a program (the AWS CLI) empties a
file and writes it anew: we wait until it is done, and look afterwards whether it undid what we wrote (H7).
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import time
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from awssso_helper.errors import AwsssoError, BusyError, RefusedError, after

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from awssso_helper.environment import Environment
    from awssso_helper.model import Deadline

_TRIES = 5
_FIRST_SLEEP = 0.001
_LONGEST_SLEEP = 0.05
_LEFT_BEHIND = 60.0
# A file that was written in place so lately may be half written: its writer was put aside, or the disk is slow ...
_SETTLING = 0.1
_LONGEST_SETTLING = 1.0
# ... and what such a writer read before we wrote, it writes so much later; where one was seen, there may be others.
_WATCH = 0.1
_RESTLESS_WATCH = 0.4
_LONGEST_WATCH = 8.0
_TEMPORARY = re.compile(r"\..+\.awssso-[0-9a-f]{16}\.tmp", re.DOTALL)
_EDITORS_MARKS = (".{}.swp", ".{}.swo", ".{}.swn", ".#{}", "#{}#", ".{}.kate-swp")
_ACL = "system.posix_acl_access"
# On Windows each of these is missing or needed; there O_BINARY keeps our line ends.
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_PLAIN = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_READING = os.O_RDONLY | _PLAIN | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NOT_HERE = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF})

_HINTS = {
    errno.ENOSPC: "make room on that disk and try again",
    errno.EDQUOT: "make room in your quota and try again",
    errno.EBUSY: "it is mounted by itself (a container's bind mount): mount its directory instead",
    errno.EXDEV: "it is mounted by itself (a container's bind mount): mount its directory instead",
    errno.EROFS: "the file system is mounted read-only",
    errno.EACCES: "check owner and mode of the file and of its directory",
    errno.EPERM: "check owner and mode of the file and of its directory, and lsattr",
    errno.ELOOP: "repair the symbolic link",
}


_Identity: TypeAlias = "tuple[int, ...]"


class _Seen(NamedTuple):
    """A file as it was read; `identity` is None where there is none."""

    content: bytes | None
    identity: _Identity | None


class _ChangedError(Exception):
    """Somebody else changed the file after we read it."""


# Locks


class Hold:
    """A lock that is held, by the open file `descriptor`.

    With `is_left` the end of the block does not end the lock: a process that inherited the descriptor has it now, and
    with that one it ends. Not on Windows, where no lock is inherited.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.is_left = False


@contextlib.contextmanager
def locked(path: Path, deadline: Deadline) -> Iterator[Hold]:
    """Hold an exclusive lock that all processes and threads of this user share, named by a file.

    The file is created, kept, and never holds anything. The lock ends with the block or with the process,
    however that ends; programs started inside inherit it only where they are given it (see `Hold`).

    Raises:
        BusyError: somebody else held it until the deadline.
        RefusedError: the lock file, or its directory, cannot be ours alone.
    """
    private_dir(path.parent)
    with _told(path, "lock"):
        descriptor = _opened_lock(path)
    try:
        _wait(descriptor, path, deadline)
        hold = Hold(descriptor)
        try:
            yield hold
        finally:
            # A child that was forked, not started, shares the descriptor: closing alone would leave it locked.
            if not hold.is_left:
                with contextlib.suppress(OSError):
                    _release(descriptor)
    finally:
        _close_descriptor(descriptor)


def _opened_lock(path: Path) -> int:
    flags = _NOFOLLOW | _PLAIN
    try:
        return os.open(path, flags | os.O_RDWR)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        # Whoever only reads, in a home that is mounted read-only, can lock all the same.
        return os.open(path, flags | os.O_RDONLY)
    if sys.platform != "win32":
        os.fchmod(descriptor, 0o600)
    return descriptor


def _wait(descriptor: int, path: Path, deadline: Deadline) -> None:
    pause = _FIRST_SLEEP
    while not _acquired(descriptor, path):
        left = deadline.remaining()
        if left <= 0.0:
            raise BusyError(
                f"another awssso process is still at work ({path.name} is locked)", hint="try again in a moment"
            )
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_SLEEP)


if sys.platform == "win32":

    def _acquired(descriptor: int, _path: Path) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _release(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    def _is_abandoned(status: os.stat_result, _descriptor: int) -> bool:
        return time.time() - status.st_mtime > _LEFT_BEHIND

    def _hold(_descriptor: int) -> None:
        """Do nothing: an open file cannot be removed here."""

else:

    def _acquired(descriptor: int, path: Path) -> bool:
        try:
            with _told(path, "lock"):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except RefusedError as refusal:
            if isinstance(refusal.__cause__, BlockingIOError):
                return False
            raise
        return True

    def _release(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _is_abandoned(status: os.stat_result, descriptor: int) -> bool:
        if status.st_uid != os.geteuid():
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _hold(descriptor: int) -> None:
        # Where the file system knows no locks, `sweep` gets none either and removes nothing.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)


# Directories


def private_dir(path: Path) -> Path:
    """Create a directory for us alone (0700) where it is missing, and give it back.

    Raises:
        RefusedError: it is a symbolic link, somebody else's, or open to others (the last two not on Windows).
    """
    with _told(path, "use"):
        _make(path)
        status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise RefusedError(f"{path} is not a directory of its own", hint=f"move {path} away")
    if sys.platform == "win32":
        return path
    if status.st_uid != os.geteuid():
        raise RefusedError(f"{path} belongs to another user", hint=f"move {path} away")
    if status.st_mode & 0o077:
        raise RefusedError(f"{path} is open to other users", hint=f"chmod 700 {path}")
    return path


def _make(path: Path) -> None:
    """Create what is missing of a directory, each step 0700 as the XDG specification asks."""
    try:
        path.mkdir(mode=0o700)
    except FileNotFoundError:
        _make(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        return
    # A umask that takes rights from ourselves would leave us a directory that we can never use.
    path.chmod(0o700)


# Reading


def editors_of(path: Path) -> list[str]:
    """Give the names that editors have put beside a file while they have it open: Vim, Emacs, nano, Kate (H7)."""
    real = path.__class__(os.path.realpath(path))
    found = (each.with_name(mark.format(each.name)) for each in (path, real) for mark in _EDITORS_MARKS)
    # Emacs's lock is a symbolic link to no file.
    return sorted({each.name for each in found if os.path.lexists(each)})


def read(path: Path) -> bytes | None:
    """Give the content of a regular file, or None where there is none (a link to nothing included).

    Raises:
        RefusedError: it is not a regular file (a pipe is not waited for), or cannot be read.
    """
    return _seen(path).content


def _seen(path: Path) -> _Seen:
    with _told(path, "read"):
        try:
            _demand_regular(path, path.stat())
            descriptor = os.open(path, _READING)
        except FileNotFoundError:
            return _Seen(None, None)
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor
            status = os.fstat(descriptor)
            _demand_regular(path, status)
            return _Seen(stream.read(), _identity(status))


def _demand_regular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise RefusedError(f"{path} is not a regular file", hint=f"move {path} away")


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


# Writing


def replace(path: Path, content: bytes, *, new_mode: int = 0o600) -> None:
    """Put content into a file at once: readers see the old file or the new one, never a part.

    A symbolic link stays one; mode, owner, ACL and extended attributes stay; a new file gets `new_mode`, and
    missing directories are created 0700.

    Raises:
        RefusedError: it could not be done, and nothing was changed; the message names the reason.
        AwsssoError: the new file is in place, but the disk did not confirm it.
    """
    _replace(path, content, new_mode, expected=None)


def amend(
    path: Path, change: Callable[[bytes], bytes], *, lock_dir: Path, deadline: Deadline, is_shared: bool = False
) -> bool:
    """Read a file, let `change` give its new content, and replace it; say whether anything was written.

    A missing file is read as empty; content that stays the same is not written at all. Amenders wait for each
    other. Where somebody else wrote in between, `change` is asked again with what is there now, so it must be
    a function of its argument alone. In a file that `is_shared` with programs that take no lock of ours it is also
    asked whether what was written is still there a moment later.

    Raises:
        BusyError: another amender held the lock until the deadline.
        RefusedError: nothing was written: see `replace`, or somebody else kept changing the file.
        AwsssoError: see `replace`; or what was written is gone again.
    """
    written = _amended(path, change, lock_dir, deadline)
    if written is not None and is_shared:
        with after(f"{path} was written"):
            _watch(path, written, change, lock_dir, deadline)
    return written is not None


def _watch(path: Path, known: _Identity, change: Callable[[bytes], bytes], lock_dir: Path, deadline: Deadline) -> None:
    """Write again what a program undid that had read the file before we wrote and wrote it after."""
    end, pause = deadline.sooner(_LONGEST_WATCH), _WATCH
    while not end.passed():
        time.sleep(min(pause, end.remaining()))
        status = _status(path)
        if status is None or _identity(status) == known:
            return
        if _is_written_in_place(status):
            pause = _RESTLESS_WATCH
        seen = _settled(path)
        # Mostly another of our own kind has written, and what we wrote is there.
        is_undone = change(seen.content or b"") != (seen.content or b"")
        known = (_amended(path, change, lock_dir, deadline) if is_undone else None) or seen.identity or known


def _amended(path: Path, change: Callable[[bytes], bytes], lock_dir: Path, deadline: Deadline) -> _Identity | None:
    """Do what `amend` does, once; gives the identity of the file that was written, or None."""
    with locked(_lock_of(path, lock_dir), deadline):
        sweep(path.__class__(os.path.realpath(path)).parent)
        tries = 0
        while tries < _TRIES or not deadline.passed():
            tries += 1
            seen = _settled(path)
            before = seen.content or b""
            wanted = change(before)
            if wanted == before:
                return None
            with contextlib.suppress(_ChangedError):
                return _replace(path, wanted, 0o600, expected=seen)
    raise RefusedError(f"{path} was changed by another program each time", hint="close that program and try again")


def _settled(path: Path) -> _Seen:
    """Read a file that somebody else may be writing at this moment: not before it is left alone for a moment."""
    end = time.monotonic() + _LONGEST_SETTLING
    while time.monotonic() < end:
        status = _status(path)
        age = time.time() - status.st_mtime if status and _is_written_in_place(status) else _SETTLING
        # The clock of a file server may be ahead of ours.
        if not 0 <= age < _SETTLING:
            break
        time.sleep(_SETTLING - age)
    return _seen(path)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _is_written_in_place(status: os.stat_result | None) -> bool:
    """Say whether the last that happened to a file was a write; what is renamed into place is changed by that."""
    return status is not None and status.st_ctime_ns == status.st_mtime_ns


def _lock_of(path: Path, lock_dir: Path) -> Path:
    from hashlib import sha256  # noqa: PLC0415 - 3 ms (OpenSSL) that asking the agent does not need

    return lock_dir / f"{sha256(os.fsencode(os.path.realpath(path))).hexdigest()}.lock"


def remove_blank(path: Path, *, lock_dir: Path, deadline: Deadline) -> bool:
    """Remove a file that holds nothing but blanks; say whether it was. A symbolic link stays, with what it names.

    Raises:
        BusyError: another amender held the lock until the deadline.
        RefusedError: it could not be removed.
    """
    with locked(_lock_of(path, lock_dir), deadline):
        seen = _seen(path)
        if seen.content is None or seen.content.strip() or path.is_symlink():
            return False
        with _told(path, "remove"):
            if _seen(path) != seen:
                return False
            path.unlink()
        _confirm(path)
    return True


def sweep(directory: Path) -> int:
    """Remove temporary files of ours that a killed process left in a directory; give how many.

    One that is still being written stays: its writer holds a lock on it. What cannot be removed is left alone.
    """
    try:
        names = [name for name in os.listdir(directory) if _TEMPORARY.fullmatch(name)]  # noqa: PTH208 - bare names
    except OSError:
        return 0
    return sum(_swept(directory / name) for name in names)


def sweep_all(environment: Environment) -> None:
    """Remove what a killed process of ours left anywhere: some of it may hold secrets (SECURITY G9)."""
    with contextlib.suppress(AwsssoError):
        for directory in environment.written_dirs():
            sweep(directory)


def _swept(path: Path) -> bool:
    try:
        descriptor = os.open(path, _READING | _NOFOLLOW)
    except OSError:
        return False
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or not _is_abandoned(status, descriptor):
            return False
        if sys.platform == "win32":
            os.close(descriptor)
            descriptor = -1
        path.unlink()
    except OSError:
        return False
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    return True


def _replace(path: Path, content: bytes, new_mode: int, *, expected: _Seen | None) -> _Identity:
    """Do what `replace` does; gives the identity of the new file."""
    with _told(path, "replace"):
        real, old = _target(path)
        if old is None:
            _make(real.parent)
        temporary, stream = _created(real)
        try:
            _fill(stream.fileno(), content, real, old, new_mode)
            written = _identity(os.fstat(stream.fileno()))
            if sys.platform == "win32":
                stream.close()
            if expected is not None:
                _demand_unchanged(path, expected)
            os.replace(temporary, real)  # noqa: PTH105 - says what it does
        except BaseException:
            _close(stream)
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        # Only now: the lock on it tells `sweep` that its writer lives.
        _close(stream)
    _confirm(real)
    return written


def _demand_unchanged(path: Path, expected: _Seen) -> None:
    if _seen(path) != expected:
        raise _ChangedError


def _close_descriptor(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _close(stream: BinaryIO) -> None:
    # `fsync` has told of every fault, and what is in place cannot be taken back.
    with contextlib.suppress(OSError):
        stream.close()


def _target(path: Path) -> tuple[Path, os.stat_result | None]:
    """Find the file that a path means, and how it is now; None where it is missing.

    Raises:
        RefusedError: replacing it would change more than its content.
    """
    try:
        link = path.lstat()
    except FileNotFoundError:
        return path, None
    try:
        real = path.__class__(os.path.realpath(path, strict=True))
    except FileNotFoundError as error:
        raise RefusedError(f"{path} is a symbolic link to nothing", hint=f"rm {path}") from error
    old = real.stat()
    _demand_regular(path, old)
    if stat.S_ISLNK(link.st_mode) and link.st_uid != old.st_uid:
        raise RefusedError(f"{path} is a symbolic link to another user's file", hint=f"rm {path}")
    if old.st_nlink > 1:
        raise RefusedError(
            f"{path} has {old.st_nlink} hard links, and replacing it would part them", hint="keep one, or a symlink"
        )
    return real, old


def _created(real: Path) -> tuple[Path, BinaryIO]:
    """Create the temporary file beside the real one, locked so that `sweep` lets it be."""
    while True:
        temporary = real.with_name(f".{real.name}.awssso-{os.urandom(8).hex()}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _PLAIN, 0o600)
        try:
            _hold(descriptor)
            # A sweep that came between the two calls has removed it: there is no name left.
            if os.fstat(descriptor).st_nlink:
                return temporary, open(descriptor, "wb", buffering=0)  # noqa: PTH123 - `_replace` closes it
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            _close_descriptor(descriptor)
            raise
        _close_descriptor(descriptor)


def _fill(descriptor: int, content: bytes, real: Path, old: os.stat_result | None, new_mode: int) -> None:
    """Write all, and only then open the file to those who could read the old one."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    if sys.platform != "win32":
        _dress(descriptor, real, old, new_mode)
    os.fsync(descriptor)


if sys.platform != "win32":

    def _dress(descriptor: int, real: Path, old: os.stat_result | None, new_mode: int) -> None:
        if old is None:
            os.fchmod(descriptor, new_mode)
            return
        new = os.fstat(descriptor)
        if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
            os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
        if sys.platform == "linux":
            _copy_attributes(real, descriptor)


if sys.platform == "linux":

    def _copy_attributes(real: Path, descriptor: int) -> None:
        """Copy ACL and extended attributes; what only the kernel may set (security.*, trusted.*) it sets itself."""
        wanted = _attributes(real)
        for name in _attributes(descriptor):
            if name == _ACL and name not in wanted:
                os.removexattr(descriptor, name)
        for name, value in wanted.items():
            if name == _ACL or name.startswith("user."):
                os.setxattr(descriptor, name, value)

    def _attributes(file: Path | int) -> dict[str, bytes]:
        try:
            return {name: os.getxattr(file, name) for name in os.listxattr(file)}
        except OSError as error:
            if error.errno in _NOT_HERE:
                return {}
            raise


def _confirm(real: Path) -> None:
    """Have the directory on disk, so that a rename that was reported survives a power cut."""
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(real.parent, os.O_RDONLY | os.O_DIRECTORY | _PLAIN)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # Directories that may be written but not read, and file systems without this call, are no failure.
        if error.errno not in (*_NOT_HERE, errno.EACCES):
            raise AwsssoError(
                f"{real} was replaced, but the disk did not confirm it: {_reason(error)}", hint="check that disk"
            ) from error


@contextlib.contextmanager
def _told(path: Path, verb: str) -> Iterator[None]:
    """Turn a system error into ours, which names the file and the reason. Nothing was changed when it comes."""
    try:
        yield
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, f"ls -ld {path}")
        raise RefusedError(f"cannot {verb} {path}: {_reason(error)}", hint=hint) from error


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
