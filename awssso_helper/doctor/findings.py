"""What a check finds: how bad it is, what it is, what to type, and what awssso itself can do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Severity = Literal["ok", "note", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Repair:
    """What `--fix` does: `act` gives a line that says what was done.

    `question` is asked first where it is not empty: then what would go is not ours.
    """

    act: Callable[[], str]
    question: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's. `id` is stable; `what` and `hint` name no account, profile or secret.

    `names` are what `-v` adds: profiles and sections.
    """

    id: str
    severity: Severity
    what: str
    hint: str = ""
    names: tuple[str, ...] = ()
    repair: Repair | None = field(default=None, compare=False)

    def is_wrong(self) -> bool:
        """Say whether somebody should type something."""
        return self.severity in ("problem", "warning")


def counted(count: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun: `1 profile`, `3 profiles`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
