"""Who else can write a file: itself, or a directory above it in which another could take its place.

sshd's StrictModes, for what we depend on: a line of `~/.aws/config` runs a program at every `aws` start (SECURITY A7).
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from awssso_helper.errors import RefusedError

if sys.platform != "win32":
    import grp
    import pwd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from awssso_helper.environment import Environment

Writers = Literal["owner", "all", "group"]

_ROOT = 0
# Homebrew's directories belong to the group of those who may use sudo.
_ADMINISTRATORS = frozenset({"admin", "wheel", "sudo"})
_ACL = "system.posix_acl_access"
# How many ids the kernel's list maps where there is no container.
_ALL_USERS = 2**32 - 1


class Opening(NamedTuple):
    """A file or directory that somebody else can write: its owner, everybody, or a group with others in it."""

    path: Path
    writers: Writers

    def said(self, shown: str) -> tuple[str, str]:
        """Give what is wrong with it and what to type, by the name under which it is shown."""
        if self.writers == "owner":
            return f"{shown} belongs to another user, who can change what awssso does", f"ls -ld {shown}"
        if self.writers == "all":
            return f"everybody can write {shown}", f"chmod o-w {shown}"
        return f"a group can write {shown}", f"chmod g-w {shown}"


def demand(paths: Iterable[Path], environment: Environment) -> None:
    """Refuse to go on where somebody else can write one of these files.

    Raises:
        RefusedError: somebody can.
    """
    for path in paths:
        for found in openings(path):
            what, hint = found.said(environment.shown(found.path))
            raise RefusedError(
                f"{what}; a line put there would run as you",
                hint=f"{hint}, or accept it: others_may_write = True in the settings",
            )


if sys.platform == "win32":

    def openings(_path: Path) -> Iterator[Opening]:
        """Find nothing: there the rights are not in modes."""
        yield from ()

else:

    def openings(path: Path) -> Iterator[Opening]:
        """Look at a file, symbolic links followed, and at all directories above it; what is not there is passed by."""
        real = Path(os.path.realpath(path))
        child: os.stat_result | None = None
        for each in (real, *real.parents):
            try:
                status = each.stat()
            except OSError:
                continue
            writers = _writers(each, status, child)
            if writers is not None:
                yield Opening(each, writers)
            child = status

    def _writers(path: Path, status: os.stat_result, child: os.stat_result | None) -> Writers | None:
        ours = (os.geteuid(), _ROOT)
        if status.st_uid not in ours and not (child is not None and _is_owner_unknown(status.st_uid)):
            return "owner"
        # In a sticky directory (/tmp) others can add, but not replace what is not theirs.
        if status.st_mode & stat.S_ISVTX and child is not None and child.st_uid in ours:
            return None
        if status.st_mode & stat.S_IWOTH:
            return "all"
        # With an ACL these bits are the most that any group or named user has.
        if status.st_mode & stat.S_IWGRP and (_has_acl(path) or not _is_harmless(status.st_gid)):
            return "group"
        return None

    def _is_owner_unknown(owner: int) -> bool:
        """Say whether this stands for any user outside a container of the user's own, root of all most likely.

        In Toolbox, Distrobox and other rootless containers `/` and `/home` belong to it.
        """
        try:
            is_all_mapped = int(Path("/proc/self/uid_map").read_text(encoding="utf-8").split()[2]) == _ALL_USERS
            return not is_all_mapped and owner == int(Path("/proc/sys/kernel/overflowuid").read_text(encoding="utf-8"))
        except (OSError, ValueError, IndexError):
            return False

    def _has_acl(path: Path) -> bool:
        try:
            return bool(os.getxattr(path, _ACL)) if sys.platform == "linux" else False
        except OSError:
            return False

    def _is_harmless(group: int) -> bool:
        """Say whether a group has nobody but this user, or only people who can become root anyway."""
        if group == _ROOT:
            return True
        try:
            user, entry = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(group)
        except KeyError:
            return False
        if entry.gr_name in _ADMINISTRATORS:
            return True
        born_into = {each.pw_name for each in pwd.getpwall() if each.pw_gid == group}
        return {*entry.gr_mem, *born_into} <= {user, "root"}
