"""Checks of the generated profiles against what the last sync found, and of the program that they call."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from awssso_helper import aws_config, completions, files, launcher, profiles
from awssso_helper.doctor.findings import Finding, Repair, counted
from awssso_helper.ledger import Ledger
from awssso_helper.parser import SHELLS, build_parser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awssso_helper.doctor.patient import Patient
    from awssso_helper.model import Inventory

_DAY = 86400
_OLD_DAYS = 30


def entitlements(patient: Patient) -> Iterator[Finding]:
    """Find profiles whose role is gone, and roles that have no profile, by what is remembered."""
    names = {session.name for session in patient.sessions}
    orphans = tuple(entry.name for entry in patient.entries if entry.role.session not in names)
    if orphans and "config" not in patient.errors:
        what = f"{counted(len(orphans), 'profile')} of an SSO session that is not configured any more"
        yield Finding("profiles-without-session", "warning", what, "awssso configure, with the session's name", orphans)
    known = [inventory for name in sorted(names) if (inventory := patient.memory.recall(name))]
    if known and not patient.errors.keys() & {"config", "credentials", "block", "settings"}:
        yield from _compared(patient, known)
    elif names and not known:
        yield Finding("never-synced", "note", "no accounts are known yet", "awssso login")


def _compared(patient: Patient, known: list[Inventory]) -> Iterator[Finding]:
    environment = patient.environment
    plan = profiles.plan(
        patient.config.data,
        patient.credentials.data,
        known,
        rules=patient.settings.profiles,
        launcher=aws_config.launcher_line(launcher.expected(environment, patient.settings)),
        ledger=Ledger.from_json(files.read(environment.ledger_file) or b""),
        rename=False,
    )
    days = (time.time() - min(inventory.found_at for inventory in known)) / _DAY
    if days > _OLD_DAYS:
        what = f"accounts and roles were looked up {days:.0f} days ago"
        yield Finding("knowledge-old", "note", what, "awssso sync")
    gone = (*plan.removed, *plan.withheld)
    if gone:
        what = f"{counted(len(gone), 'profile')} whose role was gone at the last sync"
        yield Finding("profiles-without-role", "warning", what, "awssso sync", gone)
    if plan.added:
        what = f"{counted(len(plan.added), 'role')} without a profile"
        yield Finding("roles-without-profile", "warning", what, "awssso sync", plan.added)
    if plan.left_out:
        what = f"{counted(len(plan.left_out), 'role')} whose profile was left out"
        names = tuple(f"{name}: {reason}" for name, reason in plan.left_out)
        hint = "awssso doctor -v says why; rename your own profile, or change profiles.template in the settings"
        yield Finding("profiles-left-out", "warning", what, hint, names)
    if plan.changed:
        what = f"{counted(len(plan.changed), 'profile')} not as the settings say, or with a path of before"
        yield Finding("profiles-out-of-date", "warning", what, "awssso sync", plan.changed)


def program(patient: Patient) -> Iterator[Finding]:
    """See whether the program that the profiles call is there and starts what it should."""
    environment = patient.environment
    if not patient.settings.launcher and launcher.is_stale(environment):
        yield Finding(
            "launcher-stale",
            "problem",
            "the program that the profiles call is gone, damaged, or starts an awssso that has moved",
            "awssso doctor --fix",
            repair=Repair(lambda: f"wrote {environment.shown(_written(patient))}"),
        )
    missing = {path for entry in patient.entries if not _starts(path := _program_of(entry.launcher))}
    for path in sorted(missing - {str(environment.data_dir / "bin" / "awssso")}):
        count = sum(_program_of(entry.launcher) == path for entry in patient.entries)
        what = f"{counted(count, 'profile')} call a program that is not there"
        yield Finding("program-missing", "problem", what, "awssso sync", (path,))


def _written(patient: Patient) -> Path:
    return Path(launcher.program(patient.environment, patient.settings))


def shell_scripts(patient: Patient) -> Iterator[Finding]:
    """Find completion scripts that another version installed."""
    parser = build_parser()
    for shell in SHELLS:
        path = completions.installed_file(patient.environment, shell)
        content = files.read(path)
        if content is not None and content != completions.script(shell, parser).encode():
            yield _stale_script(patient, path, shell)


def _stale_script(patient: Patient, path: Path, shell: str) -> Finding:
    def act() -> str:
        files.replace(path, completions.script(shell, build_parser()).encode())
        return f"wrote {patient.environment.shown(path)}"

    what = f"the completions of {shell} are those of another version"
    return Finding("completions-stale", "note", what, f"awssso completions {shell} --install", repair=Repair(act))


def _program_of(line: str) -> str:
    try:
        return shlex.split(line)[0]
    except (ValueError, IndexError):
        return ""


def _starts(path: str) -> bool:
    return os.path.isabs(path) and os.access(path, os.X_OK)  # noqa: PTH117 - beside os.access
