"""What a person likes and what they used last, by profile name: favourites, and the order of last use.

A convenience that never stands in the way: what cannot be read is none, and what cannot be written is let go. Holds no
secret.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from awssso_helper import files
from awssso_helper.errors import AwsssoError
from awssso_helper.model import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from awssso_helper.catalog import Entry
    from awssso_helper.environment import Environment

_SECONDS = 2
_MOST_USED = 100
# So many of the roles used last stand above the others in the picker.
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Recent:
    """Favourites in the order in which they were added; profiles used, each with the epoch second of its last use."""

    favourites: tuple[str, ...] = ()
    uses: Mapping[str, int] = field(default_factory=dict)

    def last_used(self, most: int) -> list[str]:
        """Give the profiles that were used last, the latest first."""
        return sorted(self.uses, key=lambda profile: (-self.uses[profile], profile))[:most]

    def with_favourite(self, profile: str, *, is_favourite: bool) -> Recent:
        """Give the same with a profile as the last favourite, or as none."""
        others = tuple(name for name in self.favourites if name != profile)
        if not is_favourite:
            return replace(self, favourites=others)
        return self if profile in self.favourites else replace(self, favourites=(*others, profile))

    def sections(self, entries: Sequence[Entry]) -> list[tuple[str, Sequence[Entry]]]:
        """Part entries into favourites, the few used last, and all others, in their order; empty ones are left out."""
        if not self.favourites and not self.uses:
            return [("all roles", entries)]
        by_profile = {entry.profile: entry for entry in entries if entry.profile}
        favourites = [by_profile.pop(name) for name in self.favourites if name in by_profile]
        last_used = [by_profile.pop(name) for name in self.last_used(_MOST_USED) if name in by_profile][:_MOST_SHOWN]
        first = {entry.profile for entry in (*favourites, *last_used)}
        others = [entry for entry in entries if entry.profile not in first]
        parted = (("favourites", favourites), ("used last", last_used), ("all roles", others))
        return [(heading, part) for heading, part in parted if part]


def recall(environment: Environment) -> Recent:
    """Give what is remembered; none where it cannot be read."""
    try:
        return _parsed(files.read(environment.recent_file) or b"")
    except AwsssoError:
        return Recent()


def used(environment: Environment, profile: str) -> None:
    """Note that a profile was used now."""
    now = int(time.time())

    def with_use(recent: Recent) -> Recent:
        # Two uses in one second, or a clock that was set back: this one is still the last.
        at = max([now, *(use + 1 for name, use in recent.uses.items() if name != profile)])
        uses = {**recent.uses, profile: at}
        kept = Recent(uses=uses).last_used(_MOST_USED)
        return replace(recent, uses={name: uses[name] for name in kept})

    _amend(environment, with_use)


def set_favourite(environment: Environment, profile: str, *, is_favourite: bool) -> None:
    """Make a profile a favourite, the last of them, or no longer one."""
    _amend(environment, lambda recent: recent.with_favourite(profile, is_favourite=is_favourite))


def _amend(environment: Environment, change: Callable[[Recent], Recent]) -> None:
    def changed(text: bytes) -> bytes:
        recent = change(_parsed(text))
        values = {"favourites": list(recent.favourites), "used": dict(recent.uses)}
        return json.dumps(values, indent=1, sort_keys=True).encode()

    with contextlib.suppress(AwsssoError):
        files.amend(environment.recent_file, changed, lock_dir=environment.lock_dir, deadline=Deadline(_SECONDS))


def _parsed(text: bytes) -> Recent:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return Recent()
    known: dict[str, Any] = values if isinstance(values, dict) else {}
    favourites, uses = known.get("favourites"), known.get("used")
    return Recent(
        tuple(name for name in favourites if isinstance(name, str)) if isinstance(favourites, list) else (),
        {name: at for name, at in uses.items() if type(at) is int} if isinstance(uses, dict) else {},
    )
