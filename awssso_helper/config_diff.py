"""The change of a config file as a unified diff, without the secrets of its neighbours (SECURITY H10)."""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

from awssso_helper import aws_config

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECRET_KEY = re.compile(r"secret|token|password", re.IGNORECASE)
_VALUE = re.compile(r"(?<=[=:]).*")


def unified_diff(before: bytes, after: bytes, name: str) -> str:
    """Give the change of a file as a unified diff; values of secret keys are masked, also in comments."""
    old, new = (list(_shown(data)) for data in (before, after))
    lines: list[str] = []
    for group in _Aligned(old, new).get_grouped_opcodes(3):
        first, last = group[0], group[-1]
        old_range = _range(first[1], last[2])
        new_range = _range(first[3], last[4])
        lines.append(f"@@ -{old_range} +{new_range} @@\n")
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                lines += (" " + line for line in old[old_start:old_end])
                continue
            lines += ("-" + line for line in old[old_start:old_end])
            lines += ("+" + line for line in new[new_start:new_end])
    return "".join([f"--- {name}\n", f"+++ {name} (new)\n", *lines]) if lines else ""


def _range(start: int, end: int) -> str:
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


def _shown(data: bytes) -> Iterator[str]:
    key = ""
    for line in aws_config.lines_of(data):
        key = line.text if line.kind in ("header", "key") else key
        text = line.raw.rstrip(b"\r\n").decode("utf-8")
        if line.kind == "more" and _SECRET_KEY.search(key):
            text = "    ****"
        elif line.kind != "header" and _SECRET_KEY.search(text.partition("=")[0]):
            text = _VALUE.sub(" ****", text, count=1)
        yield text + ("\n" if line.raw.endswith((b"\n", b"\r")) else "\n\\ No newline at end of file\n")


class _Aligned(difflib.SequenceMatcher[str]):
    """Line matches in n log n: lines that occur once in both texts hold the rest together.

    difflib alone is quadratic here: twenty thousand profiles of which each changes one line take minutes.
    """

    def __init__(self, old: list[str], new: list[str]) -> None:
        super().__init__(None, old, new, autojunk=False)
        self._old, self._new = old, new

    def get_matching_blocks(self) -> list[difflib.Match]:
        """Give the matches from anchor to anchor, grown over equal neighbours."""
        matches: list[difflib.Match] = []
        old_done = new_done = 0
        for old_at, new_at in [*self._anchors(), (len(self._old), len(self._new))]:
            if old_at < old_done:
                continue
            start = 0
            while min(old_at - old_done, new_at - new_done) > start and (
                self._old[old_at - start - 1] == self._new[new_at - start - 1]
            ):
                start += 1
            size = self._run(old_at, new_at)
            matches.append(difflib.Match(old_at - start, new_at - start, start + size))
            old_done, new_done = old_at + size, new_at + size
        return matches

    def _run(self, old_at: int, new_at: int) -> int:
        size = 0
        longest = min(len(self._old) - old_at, len(self._new) - new_at)
        while size < longest and self._old[old_at + size] == self._new[new_at + size]:
            size += 1
        return size

    def _anchors(self) -> list[tuple[int, int]]:
        """Give the longest rising run of lines that are once in each text."""
        once_old, once_new = Counter(self._old), Counter(self._new)
        where = {line: at for at, line in enumerate(self._new) if once_new[line] == 1}
        pairs = [(at, where[line]) for at, line in enumerate(self._old) if once_old[line] == 1 and line in where]
        tails: list[int] = []
        ends: list[int] = []
        back: list[int] = []
        for index, (_, new_at) in enumerate(pairs):
            length = bisect_left(tails, new_at)
            tails[length : length + 1] = [new_at]
            ends[length : length + 1] = [index]
            back.append(ends[length - 1] if length else -1)
        rising: list[tuple[int, int]] = []
        index = ends[-1] if ends else -1
        while index >= 0:
            rising.append(pairs[index])
            index = back[index]
        return rising[::-1]
