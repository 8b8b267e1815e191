"""Checks of who else can change or read what awssso depends on."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from awssso_helper import strict_modes
from awssso_helper.doctor.findings import Finding, Repair, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awssso_helper.doctor.patient import Patient

_FINDINGS: dict[strict_modes.Writers, tuple[str, Severity]] = {
    "owner": ("owned-by-another", "problem"),
    "all": ("writable-by-all", "problem"),
    "group": ("writable-by-group", "warning"),
}


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


def _writable(patient: Patient, path: Path, seen: set[Path]) -> Iterator[Finding]:
    for opening in strict_modes.openings(path):
        if opening.path in seen:
            continue
        seen.add(opening.path)
        what, hint = opening.said(patient.environment.shown(opening.path))
        identity, severity = _FINDINGS[opening.writers]
        yield Finding(identity, severity, what, hint)


if sys.platform != "win32":

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
