"""Checks of who else can change or read what awssso depends on."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from awssso_helper.doctor.findings import Finding, Repair

if sys.platform != "win32":
    import grp
    import pwd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awssso_helper.doctor.patient import Patient

_ROOT = 0
# Homebrew's directories belong to the group of those who may use sudo.
_ADMINISTRATORS = frozenset({"admin", "wheel", "sudo"})


def permissions(patient: Patient) -> Iterator[Finding]:
    """Find files and directories that somebody else can write, and secrets that somebody else can read."""
    if sys.platform == "win32":
        return
    environment = patient.environment
    seen: set[Path] = set()
    for path in _depended_on(patient):
        yield from _writable(patient, path, seen)
    for path in _private(patient):
        yield from _not_private(patient, path)
    credentials = environment.aws_credentials_file
    if credentials.exists() and credentials.stat().st_mode & 0o044 and patient.credentials.sections:
        shown = environment.shown(credentials)
        yield Finding("credentials-readable", "warning", f"others can read {shown}", f"chmod 600 {shown}")
    if environment.home.exists() and environment.home.stat().st_uid != os.geteuid():
        what = "the home directory belongs to another user (sudo keeps HOME): files made here are not theirs"
        yield Finding("home-of-another", "warning", what, "run awssso as the user whose home this is")


if sys.platform != "win32":

    def _writable(patient: Patient, path: Path, seen: set[Path]) -> Iterator[Finding]:
        """Look at a path and all directories above it: who can write one of them can put another file in place."""
        real = Path(os.path.realpath(path))
        child: os.stat_result | None = None
        for each in (real, *real.parents):
            try:
                status = each.stat()
            except OSError:
                continue
            if each not in seen:
                seen.add(each)
                yield from _writable_findings(patient, each, status, child)
            child = status

    def _writable_findings(
        patient: Patient, path: Path, status: os.stat_result, child: os.stat_result | None
    ) -> Iterator[Finding]:
        shown = patient.environment.shown(path)
        if status.st_uid not in (os.geteuid(), _ROOT):
            what = f"{shown} belongs to another user, who can change what awssso does"
            yield Finding("owned-by-another", "problem", what, f"ls -ld {shown}")
            return
        # In a sticky directory (/tmp) others can add, but not replace what is not theirs.
        is_guarded = status.st_mode & stat.S_ISVTX and child is not None and child.st_uid in (os.geteuid(), _ROOT)
        if is_guarded:
            return
        if status.st_mode & 0o002:
            yield Finding("writable-by-all", "problem", f"everybody can write {shown}", f"chmod o-w {shown}")
        elif status.st_mode & 0o020 and not _is_harmless(status.st_gid):
            yield Finding("writable-by-group", "warning", f"a group can write {shown}", f"chmod g-w {shown}")

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

    def _not_private(patient: Patient, path: Path) -> Iterator[Finding]:
        try:
            status = path.lstat()
        except OSError:
            return
        shown = patient.environment.shown(path)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            what = f"{shown} should be a directory of yours, and is not; awssso does not use it"
            yield Finding("not-our-directory", "problem", what, f"move {shown} away")
        elif status.st_mode & 0o077:
            what = f"{shown} is open to others; awssso does not use it so"
            yield Finding("open-directory", "problem", what, f"chmod 700 {shown}", repair=Repair(lambda: _closed(path)))

    def _closed(path: Path) -> str:
        path.chmod(0o700)
        return f"closed {path.name} to others"


def _depended_on(patient: Patient) -> list[Path]:
    environment = patient.environment
    found = [
        environment.aws_config_file,
        environment.aws_credentials_file,
        environment.settings_file,
        environment.data_dir / "bin" / "awssso",
        environment.ledger_file,
        Path(sys.executable),
        Path(__file__),
    ]
    return [path for path in found if path.exists()]


def _private(patient: Patient) -> list[Path]:
    """Give the directories that must be ours alone (`files.private_dir`)."""
    environment = patient.environment
    return [
        environment.state_dir,
        environment.lock_dir,
        environment.state_dir / "credentials",
        environment.cache_dir / "inventory",
        environment.data_dir / "secrets",
    ]
