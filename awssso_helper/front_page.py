"""The roles that the picker shows first, kept from the last time: it opens as soon with ten thousand as with ten.

A page counts only while every file that it was made from is what it was; the picker loads all roles right behind it.
Holds no secret, and nothing that the files of `shelf` and `discovery` do not hold.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from awssso_helper import files, shelf
from awssso_helper.catalog import Entry
from awssso_helper.errors import AwsssoError
from awssso_helper.model import Account, Role

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from awssso_helper.environment import Environment
    from awssso_helper.recent import Recent

_VERSION = 1
# More lines than any terminal has, with some to spare for those that stand among the favourites instead.
_LINES = 300
# With fewer roles all of them are there as soon.
_MANY = 1_000


@dataclass(frozen=True, slots=True)
class FrontPage:
    """The first of `total` roles in alphabetical order, and all favourites and used ones; `widths` are of all."""

    entries: tuple[Entry, ...]
    total: int
    widths: tuple[int, ...]


def recall(environment: Environment, recent: Recent) -> FrontPage | None:
    """Give the page, or None where there is none or it is not of today's files."""
    identity = _identity(environment)
    if identity is None:
        return None
    try:
        values = json.loads(files.read(_file(environment)) or b"{}")
        if not isinstance(values, dict) or values.get("identity") != identity:
            return None
        entries = tuple(_entry(row) for row in values["rows"])
        page = FrontPage(entries, int(values["total"]), tuple(values["widths"]))
    except (AwsssoError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    is_missing = {*recent.favourites, *recent.uses} - {entry.profile for entry in entries} - set(values["unknown"])
    return None if is_missing else page


def keep(environment: Environment, entries: Sequence[Entry], recent: Recent, widths: tuple[int, ...]) -> None:
    """Keep the page that these roles begin with, where it is worth it; what cannot be written is let go.

    `entries` were read before now: the files are looked at first, and whatever changed since makes the page none.
    """
    identity = _identity(environment)
    if identity is None or len(entries) < _MANY:
        return
    wanted = {*recent.favourites, *recent.uses}
    first = list(entries[:_LINES])
    others = [entry for entry in entries[_LINES:] if entry.profile in wanted]
    rows = [_row(entry) for entry in (*first, *others)]
    unknown = wanted.difference(entry.profile for entry in (*first, *others))
    values = {"identity": identity, "total": len(entries), "widths": widths, "rows": rows, "unknown": sorted(unknown)}
    content = json.dumps(values).encode()
    with contextlib.suppress(AwsssoError, OSError):
        path = _file(environment)
        if files.read(path) != content:
            files.private_dir(path.parent)
            files.replace(path, content)


def _file(environment: Environment) -> Path:
    return environment.cache_dir / "front-page.json"


def _identity(environment: Environment) -> list[Any] | None:
    """Tell today's files from any others: the config file, what was found last, the settings."""
    config = shelf.identity(environment.aws_config_file)
    if config is None:
        return None
    found = sorted((environment.cache_dir / "inventory").glob("*.json"))
    return [_VERSION, config, *[_facts(path) for path in (*found, environment.settings_file)]]


def _facts(path: Path) -> list[Any]:
    try:
        status = path.stat()
    except OSError:
        return [path.name]
    return [path.name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _row(entry: Entry) -> list[Any]:
    role, account = entry.role, entry.account
    return [
        [role.session, role.account_id, role.name],
        [account.id, account.name, account.email],
        entry.profile,
        entry.stale,
        entry.tags,
        entry.region,
    ]


def _entry(row: list[Any]) -> Entry:
    role, account, profile, stale, tags, region = row
    return Entry(Role(*role), Account(*account), profile, 0, stale, tuple(tags), region)
