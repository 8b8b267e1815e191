"""The screen of roles: what keys and clicks do, and what comes in from behind.

Whatever takes time is asked of the source in threads, which post messages; what they find is shown here, and nothing
moves under the cursor for it.
"""

from __future__ import annotations

import gc
import threading
import time
from dataclasses import astuple, replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen

from awssso_helper.errors import AwsssoError
from awssso_helper.matching import Haystack
from awssso_helper.picker import bars, dialogs
from awssso_helper.picker.role_list import Columns, Facts, RoleList
from awssso_helper.picker.terms import Action, Choice, in_words
from awssso_helper.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from awssso_helper.catalog import Entry
    from awssso_helper.matching import Match
    from awssso_helper.picker.role_list import Line
    from awssso_helper.picker.terms import Look, SessionState, Source

_TICK_SECONDS = 20


class Opened(Message):
    """The filter takes keys."""


# Messages from the threads


class _Loaded(Message):
    def __init__(self, entries: Sequence[Entry], notes: Sequence[str]) -> None:
        super().__init__()
        self.entries = entries
        self.notes = notes


class _States(Message):
    def __init__(self, states: list[SessionState]) -> None:
        super().__init__()
        self.states = states


class _Noted(Message):
    def __init__(self, line: str) -> None:
        super().__init__()
        self.line = line


class Roles(Screen[None]):
    """Filter, list, details and keys."""

    AUTO_FOCUS = "#filter"
    BINDINGS: ClassVar = [
        Binding("escape", "app.leave", show=False),
        Binding("up,ctrl+p", "move(-1)", show=False),
        Binding("down,ctrl+n", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("ctrl+home", "to_end(-1)", show=False),
        Binding("ctrl+end", "to_end(1)", show=False),
        # Enter typed ahead, when the terminal was not yet the picker's, ended a line.
        Binding("ctrl+j", "choose('PICK')", show=False),
        Binding("ctrl+o", "choose('CONSOLE')", show=False),
        Binding("ctrl+s", "choose('SHELL')", show=False),
        Binding("ctrl+y", "copy", show=False),
        Binding("ctrl+f", "favourite", show=False),
        Binding("ctrl+l", "sign_in", show=False),
        Binding("ctrl+r", "refresh", show=False),
        Binding("f1", "help", show=False),
    ]

    def __init__(self, entries: Sequence[Entry], source: Source, look: Look) -> None:
        super().__init__()
        self._source = source
        self._look = look
        self._entries = entries
        self._haystack: Haystack | None = None
        self._searched = ""
        self._states: list[SessionState] = []
        self._known = {entry.role for entry in entries}
        self._notes: list[str] = []
        self._ends = threading.Event()
        self._is_refreshing = False
        self._head = bars.Head()
        self._list = RoleList()
        self._foot = bars.Foot()
        self._recent = look.recent
        self._list.facts = Facts(frozenset(look.recent.favourites), frozenset(), look.is_production)

    def compose(self) -> ComposeResult:
        """Lay out the lines: each widget more costs the first paint a hundredth."""
        yield self._head
        yield bars.Filter(self._look.filter, self.catch_up)
        yield self._list
        yield self._foot

    def on_mount(self) -> None:
        """Show what is known, and look behind it for more."""
        if self._look.widths:
            self._list.columns = Columns(*self._look.widths)
        else:
            self._list.measure(self._entries)
        self._total = self._look.front_page or len(self._entries)
        self._search()
        self._show_header()
        self.set_interval(_TICK_SECONDS, self._tick)
        self.call_after_refresh(self._begin)

    def on_unmount(self) -> None:
        """Let the threads end."""
        self._ends.set()

    def _begin(self) -> None:
        self.set_focus(self.query_one(bars.Filter))
        self.post_message(Opened())
        if self._look.front_page:
            self._load_all()
        gc.freeze()
        gc.enable()
        self._haystack = self._haystack or Haystack(self._in_order())
        self._look_behind(self._look.calm_seconds)

    def _load_all(self) -> None:
        """Have all roles in the place of the first ones."""
        try:
            self._show_all(self._source.entries())
        except AwsssoError as error:
            self._note(error.message)
        self._known = {entry.role for entry in self._entries}

    def _show_all(self, entries: Sequence[Entry]) -> None:
        """Have other entries in the place of those before; the cursor stays on its role."""
        match = self._list.match
        self._entries, self._haystack, self._total = entries, None, len(entries)
        self._list.measure(entries)
        self._search(keeps=match.entry if match else None)

    # Searching

    def on_input_changed(self) -> None:
        """Filter as it is typed."""
        self.catch_up()

    def catch_up(self) -> None:
        """Filter by what is typed now: a key may come before the message of the letter before it."""
        if self.query_one(bars.Filter).value != self._searched:
            self._search()

    def _search(self, *, keeps: Entry | None = None) -> None:
        self._searched = self.query_one(bars.Filter).value
        words = self._searched.split()
        if words:
            self._haystack = self._haystack or Haystack(self._in_order())
            matches = self._haystack.ranked(words)
            is_guess = bool(matches) and matches[0].is_forgiven
            lines: Sequence[Line] = ["nothing holds these words; the nearest:", *matches] if is_guess else [*matches]
            found = len(matches)
        else:
            lines = self._sections()
            found = self._total
        self._list.show(lines, keeps=keeps)
        self._show_count(found, is_filtered=bool(words))

    def _in_order(self) -> list[Entry]:
        """Give the entries as they stand without a filter: equal matches keep this order."""
        return [entry for _, entries in self._recent.sections(self._entries) for entry in entries]

    def _sections(self) -> Sequence[Line]:
        sections = self._recent.sections(self._entries)
        if len(sections) == 1:
            return self._entries
        lines: list[Line] = []
        for heading, entries in sections:
            lines += [heading, *entries]
        return lines

    # Showing

    def _show_header(self) -> None:
        self._head.say(bars.sessions(self._states, self._notes, is_refreshing=self._is_refreshing))

    def _show_count(self, found: int, *, is_filtered: bool) -> None:
        total = f"{self._total:,} role{'s' if self._total != 1 else ''}"
        self._head.count(f"{found:,} of {total}" if is_filtered else total)

    def on_role_list_moved(self) -> None:
        """Say more about the role under the cursor."""
        match = self._list.match
        if match:
            said = bars.details(match, is_production=self._look.is_production(match.entry))
        else:
            said = bars.emptiness(has_roles=bool(self._entries))
        self._foot.say(said, bars.keys(needs_sign_in=self._needs_sign_in(match)))

    def _needs_sign_in(self, match: Match | None) -> bool:
        sessions = {match.entry.role.session} if match else {state.name for state in self._states}
        return any(state.name in sessions and not state.is_usable for state in self._states)

    def _tick(self) -> None:
        """Let time pass on the screen."""
        self._list.refresh()
        self._show_header()

    # Behind the screen

    def _look_behind(self, calm_seconds: float) -> None:
        threading.Thread(target=self._attend, args=(calm_seconds,), daemon=True).start()

    def _attend(self, calm_seconds: float) -> None:
        try:
            self._source.keep_front_page(self._entries, astuple(self._list.columns))
            states = self._source.session_states()
            self.post_message(_States(states))
            usable = [state.name for state in states if state.is_usable]
            if self._ends.wait(calm_seconds) or not usable:
                return
            self.post_message(_Noted(""))
            notes = self._source.refresh(usable)
            self.post_message(_Loaded(self._source.entries(), notes))
        except Exception as error:  # noqa: BLE001 - the picker stays, whatever is wrong behind it
            self.post_message(_Noted(in_words(error)))

    @on(_States)
    def take_states(self, message: _States) -> None:
        """Show how the sessions stand."""
        self._states = message.states
        self._show_header()
        self.on_role_list_moved()

    @on(_Noted)
    def take_note(self, message: _Noted) -> None:
        """Show a line, or with an empty one that the refresh has begun."""
        self._is_refreshing = not message.line
        self._notes += [message.line] if message.line else []
        self._show_header()

    @on(_Loaded)
    def take_entries(self, message: _Loaded) -> None:
        """Show what was found, and leave the cursor where it is."""
        self._is_refreshing = False
        roles = {entry.role for entry in message.entries}
        new, gone = roles - self._known, self._known - roles
        counts = [f"{len(found):,} {what}" for found, what in ((new, "new"), (gone, "gone")) if found and self._known]
        self._notes += [*message.notes, ", ".join(counts)] if counts else message.notes
        self._list.facts = replace(self._list.facts, new=frozenset(new) if self._known else frozenset())
        self._show_all(message.entries)
        self._show_header()

    # Keys

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.catch_up()
        self._list.move(by)

    def action_page(self, pages: int) -> None:
        """Move the cursor by screens."""
        self.catch_up()
        self._list.page(pages)

    def action_to_end(self, direction: int) -> None:
        """Move the cursor to an end."""
        self.catch_up()
        self._list.to_end(direction)

    def on_input_submitted(self) -> None:
        """Enter picks."""
        self.action_choose(Action.PICK.name)

    def on_role_list_chosen(self) -> None:
        """Two clicks pick."""
        self.action_choose(Action.PICK.name)

    def action_choose(self, name: str) -> None:
        """Choose the role under the cursor, after the questions that there are."""
        self.catch_up()
        match = self._list.match
        if match is None:
            return
        choice = Choice(match.entry, Action[name])
        if not match.entry.profile:
            self._note("this role has no profile: see awssso sync, and include and exclude in the settings")
        elif self._look.confirm_production and self._look.is_production(match.entry):
            self.app.push_screen(dialogs.Confirm(choice), lambda is_sure: self._take(choice) if is_sure else None)
        else:
            self._take(choice)

    def _take(self, choice: Choice) -> None:
        is_warm = choice.entry.expires_at > time.time()
        session = choice.entry.role.session
        ended = any(state.name == session and not state.is_usable for state in self._states)
        if choice.action is Action.SHELL and ended and not is_warm:
            self._sign_in(session, lambda: self.app.exit(choice))
        else:
            self.app.exit(choice)

    def _note(self, line: str) -> None:
        self._notes.append(line)
        self._show_header()

    def action_copy(self) -> None:
        """Copy the profile's name: by the terminal (OSC 52), and by a clipboard program where there is one."""
        self.catch_up()
        match = self._list.match
        if match is None or not match.entry.profile:
            return
        profile = match.entry.profile
        self.app.copy_to_clipboard(profile)
        threading.Thread(target=self._copy, args=(profile,), daemon=True).start()

    def _copy(self, profile: str) -> None:
        program = self._source.copied(profile)
        self.post_message(_Noted(f"copied {safe(profile)} ({program or 'by the terminal, OSC 52'})"))

    def action_favourite(self) -> None:
        """Make the role a favourite, or no longer; it moves when the list is next made anew, not under the fingers."""
        self.catch_up()
        match = self._list.match
        if match is None or not match.entry.profile:
            return
        profile = match.entry.profile
        is_favourite = profile not in self._list.facts.favourites
        self._recent = self._recent.with_favourite(profile, is_favourite=is_favourite)
        self._list.facts = replace(self._list.facts, favourites=frozenset(self._recent.favourites))
        self._list.refresh()
        self._haystack = None
        self._source.set_favourite(profile, is_favourite=is_favourite)

    def action_refresh(self) -> None:
        """Look for new roles now."""
        self._look_behind(0)

    def action_sign_in(self) -> None:
        """Sign in to the session of the role under the cursor, or else to the first that needs it."""
        match = self._list.match
        needy = [state.name for state in self._states if not state.is_usable] or [each.name for each in self._states]
        if match:
            self._sign_in(match.entry.role.session, lambda: None)
        elif needy:
            self._sign_in(needy[0], lambda: None)

    def _sign_in(self, session: str, then: Callable[[], object]) -> None:
        def on_end(is_signed_in: bool | None) -> None:
            if is_signed_in:
                self._look_behind(0)
                then()

        self.app.push_screen(dialogs.SignIn(session, self._source), on_end)

    def action_help(self) -> None:
        """Show the keys."""
        self.app.push_screen(dialogs.Help())
