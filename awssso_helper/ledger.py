"""The ledger: which role each profile name was handed out to, and what we last wrote beside it. Text in, text out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Handed:
    """A name that was handed out: the role's word, and the settings that we last wrote beside it."""

    word: str
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every profile name ever handed out. Holds no secret; without it the block itself is the source of names."""

    names: Mapping[str, Handed] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str | bytes) -> Ledger:
        """Read what `to_json` wrote; anything else is an empty ledger, as a lost one is."""
        try:
            names = json.loads(text)["names"]
            return cls({str(name): _handed(record) for name, record in names.items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def to_json(self) -> str:
        """Write it, the same text for the same content."""
        names = {
            name: {"role": handed.word, "settings": dict(handed.settings)}
            for name, handed in sorted(self.names.items())
        }
        return json.dumps({"version": 1, "names": names}, indent=1) + "\n"


def _handed(record: dict[str, object]) -> Handed:
    word, settings = record["role"], record["settings"]
    if not isinstance(word, str) or not isinstance(settings, dict):
        raise TypeError
    return Handed(word, tuple((str(key), str(value)) for key, value in settings.items()))
