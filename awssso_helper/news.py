"""What happened behind the user's back, kept until the next command says it. Holds no secret."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from awssso_helper import files
from awssso_helper.errors import AwsssoError
from awssso_helper.model import Deadline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awssso_helper.environment import Environment

_SECONDS = 5
_MOST_LINES = 60


def add(environment: Environment, lines: Sequence[str]) -> None:
    """Keep lines for the next command; the oldest go when there are too many."""

    def change(text: bytes) -> bytes:
        return json.dumps([*_lines(text), *lines][-_MOST_LINES:]).encode()

    if lines:
        files.amend(environment.news_file, change, lock_dir=environment.lock_dir, deadline=Deadline(_SECONDS))


def taken(environment: Environment) -> list[str]:
    """Give the lines, once. News never stand in the way of a command: what cannot be read is none."""
    lines: list[str] = []

    def change(text: bytes) -> bytes:
        lines[:] = _lines(text)
        return b"[]"

    with contextlib.suppress(AwsssoError):
        if _lines(files.read(environment.news_file) or b""):
            files.amend(environment.news_file, change, lock_dir=environment.lock_dir, deadline=Deadline(_SECONDS))
    return lines


def _lines(text: bytes) -> list[str]:
    try:
        values = json.loads(text or b"[]")
    except ValueError:
        return []
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
