"""The list of roles that the picker shows: a line for each, made when it comes into view, however many there are.

Names come from strangers: each is made safe before anything is measured or shown, and none is ever markup.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from awssso_helper.matching import Match
from awssso_helper.terminal import duration, safe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from textual import events

    from awssso_helper.catalog import Entry
    from awssso_helper.model import Role

    Spans = Sequence[tuple[int, int]]
    # What a line is: a heading, a match, or a role as it stands without a filter.
    Line = str | Match | Entry

FAVOURITE, PRODUCTION, WARM = "★", "!", "●"

_ID_WIDTH = 12
_STATUS_WIDTH = 10
_GAP = "  "
_MOST_ACCOUNT, _MOST_ROLE, _MOST_SESSION, _MOST_PROFILE = 40, 36, 12, 64
_LEAST_PROFILE = 24
# In a narrower list names come first; the line of details has the status too.
_ROOM_FOR_STATUS = 68

# Here, not in the style sheet: to look them up there is a fiftieth of the first paint.
_STYLES = {
    "name": Style(),
    "id": Style(dim=True),
    "role": Style(),
    "faint": Style(dim=True),
    "heading": Style(dim=True, italic=True),
    "hit": Style(color="cyan", bold=True, underline=True),
    "production": Style(color="red", bold=True),
    "favourite": Style(color="yellow"),
    "warm": Style(color="green"),
    "new": Style(color="magenta", bold=True),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the list knows beside the entries."""

    favourites: Collection[str] = ()
    new: Collection[Role] = ()
    is_production: Callable[[Entry], bool] = field(default=lambda _entry: False)


@dataclass(frozen=True, slots=True)
class Columns:
    """How wide the names of these entries are; the session is shown only where there are several."""

    account: int = 0
    role: int = 0
    profile: int = 0
    session: int = 0

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Columns:
        """Measure the names of entries."""
        sessions = {entry.role.session for entry in entries}
        return cls(
            _widest([entry.account.name or entry.profile for entry in entries], _MOST_ACCOUNT),
            _widest([entry.role.name for entry in entries], _MOST_ROLE),
            _widest([entry.profile for entry in entries], _MOST_PROFILE),
            _widest([*sessions], _MOST_SESSION) if len(sessions) > 1 else 0,
        )

    def within(self, width: int) -> Columns:
        """Fit them into a line: the profile only where all else has room, and the account gives way before the role."""
        session = self.session + len(_GAP) if self.session else 0
        status = _STATUS_WIDTH + len(_GAP) if width >= _ROOM_FOR_STATUS else 1
        room = max(8, width - 4 - _ID_WIDTH - 2 * len(_GAP) - session - status)
        role = min(self.role, max(room // 2, room - self.account))
        account = min(self.account, room - role)
        profile = room - account - role - len(_GAP)
        return Columns(account, role, min(self.profile, profile) if profile >= _LEAST_PROFILE else 0, self.session)


def account_text(entry: Entry) -> str:
    """Give what stands in the account's column: its name, or the profile's where the account has none."""
    return entry.account.name or entry.profile


def _widest(texts: Sequence[str], most: int) -> int:
    """Give the width in cells of the widest; ten thousand plain names are measured at once."""
    is_plain = "".join(texts).isascii()
    widths = map(len, texts) if is_plain else (cell_len(safe(text)) for text in set(texts))
    return min(most, max(widths, default=0))


class RoleList(ScrollView, can_focus=False):
    """Lines of roles and headings, one of them under the cursor."""

    class Chosen(Message):
        """Somebody clicked twice on a role."""

    class Moved(Message):
        """Another role is under the cursor."""

    def __init__(self) -> None:
        super().__init__()
        self.facts = Facts()
        self._lines: Sequence[Line] = ()
        self.columns = Columns()
        self._cursor = -1

    # What is shown

    def measure(self, entries: Sequence[Entry]) -> None:
        """Fix the columns, so that they stay where they are while a filter is typed."""
        self.columns = Columns.of(entries)

    def show(self, lines: Sequence[Line], *, keeps: Entry | None = None) -> None:
        """Show matches and headings; the cursor stays on `keeps`, at its height, or is on the first."""
        height = self._cursor - self.scroll_offset.y
        self._lines = lines
        self.virtual_size = Size(0, len(lines))
        place = self._place_of(keeps) if keeps else -1
        self._cursor = place if place >= 0 else self._next(-1, 1)
        top = max(0, place - height) if place >= 0 else 0
        self.scroll_to(y=top, animate=False, immediate=True, force=True)
        self.refresh()
        self._reveal()
        self.post_message(self.Moved())

    @property
    def match(self) -> Match | None:
        """What is under the cursor."""
        line = self._lines[self._cursor] if 0 <= self._cursor < len(self._lines) else ""
        return None if isinstance(line, str) else _matched(line)

    def _place_of(self, entry: Entry) -> int:
        for place, line in enumerate(self._lines):
            if not isinstance(line, str) and key_of(_matched(line).entry) == key_of(entry):
                return place
        return -1

    # The cursor

    def move(self, by: int) -> None:
        """Move the cursor by lines, over headings, and not beyond the ends."""
        if self._lines:
            aim = min(max(self._cursor + by, 0), len(self._lines) - 1)
            place = self._next(aim - 1, 1) if by > 0 else self._next(aim + 1, -1)
            self._go(place if place >= 0 else self._next(aim, -1 if by > 0 else 1))

    def page(self, pages: int) -> None:
        """Move the cursor by so many screens."""
        self.move(pages * max(1, self.size.height - 1))

    def to_end(self, direction: int) -> None:
        """Move the cursor to the first or the last role."""
        self.move(direction * len(self._lines))

    def _next(self, place: int, step: int) -> int:
        place += step
        while 0 <= place < len(self._lines):
            if not isinstance(self._lines[place], str):
                return place
            place += step
        return -1

    def _go(self, place: int) -> None:
        if place < 0 or place == self._cursor:
            return
        before, self._cursor = self._cursor, place
        self._refresh_line(before)
        self._refresh_line(place)
        self._reveal()
        self.post_message(self.Moved())

    def _refresh_line(self, place: int) -> None:
        self.refresh(Region(0, place - self.scroll_offset.y, self.size.width, 1))

    def _reveal(self) -> None:
        """Bring the cursor into view, with the heading above it."""
        top = self._cursor
        while top > 0 and isinstance(self._lines[top - 1], str):
            top -= 1
        offset, height = self.scroll_offset.y, max(1, self.size.height)
        if self._cursor >= offset + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False, immediate=True, force=True)
        elif top < offset:
            self.scroll_to(y=top, animate=False, immediate=True, force=True)

    def on_resize(self) -> None:
        """Keep the cursor in view."""
        self._reveal()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is; a second click chooses."""
        place = event.y + self.scroll_offset.y
        if not 0 <= place < len(self._lines) or isinstance(self._lines[place], str):
            return
        self._go(place)
        if event.chain > 1:
            self.post_message(self.Chosen())

    # A line

    def render_line(self, y: int) -> Strip:
        """Make one line of the window."""
        place = y + self.scroll_offset.y
        width = self.size.width
        if not 0 <= place < len(self._lines):
            return Strip.blank(width, self.rich_style)
        line = self._lines[place]
        if isinstance(line, str):
            return Strip([Segment(f" {line}", _STYLES["heading"])]).adjust_cell_length(width, self.rich_style)
        strip = Strip(self._segments(_matched(line), self.columns.within(width), width))
        strip = strip.adjust_cell_length(width, self.rich_style)
        return (
            Strip([Segment(text, _under_the_cursor(style)) for text, style, _ in strip])
            if place == self._cursor
            else strip
        )

    def _segments(self, match: Match, columns: Columns, width: int) -> list[Segment]:
        entry, spans = match.entry, match.spans
        base, hit = _STYLES["name"], _STYLES["hit"]
        is_production = self.facts.is_production(entry)
        is_favourite = key_of(entry) in self.facts.favourites
        name = _STYLES["production"] if is_production else base
        name = name if entry.profile else _STYLES["faint"]
        account_field = "account" if entry.account.name else "profile"
        segments = [
            Segment(f" {FAVOURITE if is_favourite else ' '}", _STYLES["favourite"]),
            Segment(f"{PRODUCTION if is_production else ' '} ", _STYLES["production"]),
            *fitted(account_text(entry), spans.get(account_field, ()), columns.account, name, hit),
            Segment(_GAP, base),
            *fitted(entry.account.id, spans.get("account_id", ()), _ID_WIDTH, _STYLES["id"], hit),
            Segment(_GAP, base),
            *fitted(entry.role.name, spans.get("role", ()), columns.role, _STYLES["role"], hit),
            Segment(_GAP, base),
        ]
        if columns.session:
            segments += [*fitted(entry.role.session, (), columns.session, _STYLES["faint"], hit), Segment(_GAP)]
        if columns.profile:
            faint = _STYLES["faint"]
            segments += [*fitted(entry.profile, spans.get("profile", ()), columns.profile, faint, hit), Segment(_GAP)]
        text, style = self._status(entry) if width >= _ROOM_FOR_STATUS else ("", "faint")
        used = sum(cell_len(segment.text) for segment in segments)
        return [*segments, Segment(text.rjust(max(len(text), width - used - 1)), _STYLES[style])]

    def _status(self, entry: Entry) -> tuple[str, str]:
        left = entry.expires_at - time.time()
        if left > 0:
            return f"{WARM} {duration(left)}", "warm"
        if entry.role in self.facts.new:
            return "new", "new"
        if not entry.profile:
            return "no profile", "faint"
        return ("stale", "faint") if entry.stale else ("", "faint")


def _matched(line: Match | Entry) -> Match:
    return line if isinstance(line, Match) else Match(line, 0, is_forgiven=False, words=())


def key_of(entry: Entry) -> str:
    """Give what tells an entry from all others: its profile's name, or its role where it has none."""
    return entry.profile or entry.role.word()


@lru_cache(maxsize=64)
def _under_the_cursor(style: Style | None) -> Style:
    """Turn a style around, without its colours: a bar of one piece is easiest to see."""
    return (style.without_color if style else Style.null()) + Style(reverse=True, dim=False)


def fitted(text: str, spans: Spans, width: int, plain: Style, hit: Style) -> list[Segment]:
    """Fit a stranger's text into so many cells, its hits marked; what is cut off shows as an ellipsis."""
    shown, marked = _safe_with_marks(text, spans)
    if cell_len(shown) > width:
        shown = _cut(shown, width - 1) + "…"
    if not marked:
        return [Segment(shown + " " * (width - cell_len(shown)), plain)]
    segments: list[Segment] = []
    start = 0
    for place in range(1, len(shown) + 1):
        if place == len(shown) or (place in marked) != (start in marked):
            segments.append(Segment(shown[start:place], hit if start in marked else plain))
            start = place
    return [*segments, Segment(" " * (width - cell_len(shown)), plain)]


def _cut(text: str, width: int) -> str:
    while cell_len(text) > width:
        text = text[:-1]
    return text


_safe = lru_cache(maxsize=4096)(safe)


def _safe_with_marks(text: str, spans: Spans) -> tuple[str, set[int]]:
    """Make a text safe, and find its marked places again: an escape is longer than what it stands for."""
    shown = _safe(text)
    marked = {place for start, end in spans for place in range(start, end)}
    if shown == text or not marked:
        return shown, marked
    moved: set[int] = set()
    for place in marked:
        moved.update(range(len(safe(text[:place])), len(safe(text[: place + 1]))))
    return shown, moved
