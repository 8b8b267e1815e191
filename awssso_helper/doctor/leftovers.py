"""Checks of tokens that other tools left in plain files: the AWS CLI's caches, and those of tools that imitate it."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from awssso_helper import files
from awssso_helper.doctor.findings import Finding, Repair, counted
from awssso_helper.errors import AwsssoError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from awssso_helper.doctor.patient import Patient

# What the AWS CLI and botocore name their files (PROTOCOL 3.1); a file of another name is some program's own.
_THEIRS = re.compile(r"[0-9a-f]{40}\.json|botocore-client-id-[a-z0-9-]+\.json")


def leftovers(patient: Patient) -> Iterator[Finding]:
    """Find tokens and role credentials in plain files; removing them is offered, never done without a yes."""
    # The caches do not follow AWS_CONFIG_FILE.
    base = patient.environment.home / ".aws"
    for directory, noun in (("sso/cache", "token"), ("cli/cache", "set of role credentials")):
        yield from _findings(patient, base / directory, noun)


def _findings(patient: Patient, directory: Path, noun: str) -> Iterator[Finding]:
    holding = [path for path in _files(directory) if _holds_secret(_content(path))]
    if not holding:
        return
    theirs = [path for path in holding if _THEIRS.fullmatch(path.name)]
    live = [path for path in holding if _is_live(_content(path))]
    shown = patient.environment.shown(directory)
    plural = "sets of role credentials" if noun.startswith("set") else "tokens"
    what = (
        f"{shown} has {counted(len(holding), noun, plural)} of other tools in plain files, {len(live)} not yet expired"
    )
    repair = Repair(
        lambda: f"removed {counted(_removed(theirs), 'file')} from {shown}",
        f"remove {counted(len(theirs), 'file')} from {shown}? `aws sso login` makes them anew",
    )
    yield Finding(
        "leftover-tokens",
        "warning" if live else "note",
        what,
        _hint(shown, has_theirs=bool(theirs)),
        tuple(path.name for path in holding if path not in theirs),
        repair if theirs else None,
    )


def _hint(shown: str, *, has_theirs: bool) -> str:
    if has_theirs:
        return "awssso doctor --fix offers to remove them; aws sso logout ends their session"
    return f"sign out in the program that wrote them, or rm them from {shown} (awssso doctor -v names the files)"


def _files(directory: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 - in order, and no error for each
    except OSError:
        return []
    return [directory / name for name in names if name.endswith(".json") and _is_plain(directory / name)]


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _content(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(files.read(path) or b"{}")
    except (AwsssoError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _holds_secret(values: dict[str, Any]) -> bool:
    return any(values.get(key) for key in ("accessToken", "refreshToken", "clientSecret", "Credentials"))


def _is_live(values: dict[str, Any]) -> bool:
    """Say whether a token, or the credentials of a role, still open something; a registration alone does not."""
    inner = values.get("Credentials")
    if isinstance(inner, dict):
        return _is_ahead(inner.get("Expiration"))
    if values.get("refreshToken") and _is_ahead(values.get("registrationExpiresAt")):
        return True
    return bool(values.get("accessToken")) and _is_ahead(values.get("expiresAt"))


def _is_ahead(text: object) -> bool:
    """Read the forms that tools write (PROTOCOL 3.2); what cannot be read may still be good."""
    if not isinstance(text, str):
        return False
    try:
        moment = datetime.fromisoformat(text.replace("UTC", "+00:00").replace("Z", "+00:00"))
    except ValueError:
        return True
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return aware.timestamp() > time.time()


def _removed(paths: list[Path]) -> int:
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)
