"""The full-screen picker: entries of the catalog in, a choice out.

It shows what it was given at once; whatever takes time (the keyring, a refresh, a sign-in) is asked of its `Source` in
threads that post messages, and no key ever waits for one. No secret comes in here. It draws on the terminal, never on
stdout.
"""

from __future__ import annotations

import contextlib
import enum
import gc
import signal
import sys
import threading
import time
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from textual import events, on
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Input, Static

from awssso_helper.errors import AwsssoError
from awssso_helper.matching import Haystack
from awssso_helper.model import Deadline
from awssso_helper.picker.role_list import FAVOURITE, PRODUCTION, WARM, Columns, Facts, RoleList, account_text
from awssso_helper.recent import Recent
from awssso_helper.terminal import duration, safe, safe_line, terminal_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from awssso_helper.catalog import Entry
    from awssso_helper.matching import Match
    from awssso_helper.picker.role_list import Line

# How long the refresh waits: who knows what to pick is gone by then, and has cost AWS no call.
_CALM_SECONDS = 1.0
_TICK_SECONDS = 20
_SIGN_IN_SECONDS = 600


class Action(enum.Enum):
    """What to do with the role that was picked."""

    PICK = "pick"
    CONSOLE = "open the console of"
    SHELL = "start a shell in"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose."""

    entry: Entry
    action: Action = Action.PICK


@dataclass(frozen=True, slots=True)
class SessionState:
    """How an SSO session stands: `state` in a word or two; `ends_at` is when its token does, in epoch seconds, or 0."""

    name: str
    state: str
    is_usable: bool
    is_renewable: bool = False
    ends_at: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What the picker begins with and goes by."""

    filter: str = ""
    recent: Recent = field(default_factory=Recent)
    is_production: Callable[[Entry], bool] = field(default=lambda _entry: False)
    confirm_production: bool = False
    calm_seconds: float = _CALM_SECONDS
    front_page: int = 0
    """Where only the first roles are given: how many there are. All are asked of the source once those are shown."""
    widths: tuple[int, ...] = ()
    """How wide the names of all roles are, where only the first are given."""


class Guide(Protocol):
    """Who speaks with the person that signs in; see `login.Guide`."""

    def open_url(self, url: str) -> None:
        """Show the address, and open it."""

    def show_code(self, code: str, url: str) -> None:
        """Show a code and the address that asks for it, and open that."""

    def tell(self, line: str) -> None:
        """Say a line."""


class Source(Protocol):
    """The world outside the picker. All but `set_favourite` may take long, and are called in threads.

    Each may raise an AwsssoError.
    """

    def entries(self) -> Sequence[Entry]:
        """Give what can be chosen as it is remembered now."""

    def keep_front_page(self, entries: Sequence[Entry], widths: tuple[int, ...]) -> None:
        """Keep what the picker needs to open as soon the next time."""

    def session_states(self) -> list[SessionState]:
        """Say how the sessions stand."""

    def refresh(self, sessions: Sequence[str]) -> list[str]:
        """Ask AWS what there is in these sessions, remember it, and say what is worth a line."""

    def sign_in(self, session: str, guide: Guide, deadline: Deadline) -> str:
        """Sign in; gives the line that says until when. It ends soon when `deadline` is cut."""

    def open_url(self, url: str) -> bool:
        """Start the browser; False when there is none."""

    def set_favourite(self, profile: str, *, is_favourite: bool) -> None:
        """Remember that a profile is a favourite, or no longer."""

    def copied(self, text: str) -> str:
        """Put text on the clipboard, and name the program that did; empty where there is none."""


def picked(entries: Sequence[Entry], source: Source, look: Look) -> Choice | None:
    """Let a person choose on the terminal; None when they leave.

    Raises:
        Exception: what went wrong in the picker; its message may hold names, so the edge does not show it.
    """
    app = Picker(entries, source, look)
    with _on_the_terminal(), _in_order_at_the_end(app):
        choice = app.run(mouse=True)
    if app.ended_by:
        # Only now, with the terminal in order, as it would have ended this process.
        signal.raise_signal(app.ended_by)
    if app.failure is not None:
        raise app.failure
    return choice


@contextlib.contextmanager
def _on_the_terminal() -> Iterator[None]:
    """Have the terminal itself where Textual looks for one: stdout may be a pipe, and stdin a file."""
    before = sys.__stdin__, sys.__stdout__, sys.__stderr__
    with terminal_device() as (keys, screen):
        try:
            sys.__stdin__, sys.__stdout__, sys.__stderr__ = keys, screen, screen  # type: ignore[misc,assignment]
            yield
        finally:
            sys.__stdin__, sys.__stdout__, sys.__stderr__ = before  # type: ignore[misc]


@contextlib.contextmanager
def _in_order_at_the_end(app: Picker) -> Iterator[None]:
    """Have the application leave, and put the terminal in order, where a signal would end the process at once."""
    names = ("SIGTERM", "SIGHUP", "SIGQUIT") if sys.platform != "win32" else ()
    numbers = [getattr(signal, name) for name in names]
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        # What `nohup` and the like have put aside stays so.
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda signum, _frame: app.end_by(signum))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# Messages from the threads


class _Opened(Message):
    """The filter takes keys."""


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


class _SignInShown(Message):
    def __init__(self, lines: Sequence[str], url: str = "") -> None:
        super().__init__()
        self.lines = lines
        self.url = url


class _SignInEnded(Message):
    def __init__(self, line: str, *, is_signed_in: bool) -> None:
        super().__init__()
        self.line = line
        self.is_signed_in = is_signed_in


class Picker(App[Choice], inherit_bindings=False):
    """The application: one screen of roles, and dialogs over it."""

    CSS_PATH = Path(__file__).with_name("picker.tcss")
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [Binding("ctrl+c,ctrl+q", "leave", show=False, priority=True)]

    def __init__(self, entries: Sequence[Entry], source: Source, look: Look) -> None:
        super().__init__(ansi_color=True)
        self.failure: Exception | None = None
        self.ended_by = 0
        """The signal by which the process was told to end."""
        self._entries = entries
        self._source = source
        self._look = look
        self._typed: list[events.Key] = []
        self._is_open = False

    def get_default_screen(self) -> Screen[None]:
        """Begin with the roles."""
        return _Roles(self._entries, self._source, self._look)

    def end_by(self, number: int) -> None:
        """Leave because of a signal; it may come at any moment, also before there is anything to leave."""
        self.ended_by = number
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.exit)

    def on_mount(self) -> None:
        """Leave at once where that was asked for before now."""
        if self.ended_by:
            self.exit()

    async def on_event(self, event: events.Event) -> None:
        """Keep the keys that come before the filter is there to take them, and their order."""
        if not isinstance(event, events.Key):
            await super().on_event(event)
            return
        self._typed.append(event)
        if self._is_open:
            await self._take_typed()

    @on(_Opened)
    async def open(self) -> None:
        """Take the keys."""
        self._is_open = True
        await self._take_typed()

    async def _take_typed(self) -> None:
        typed, self._typed = self._typed, []
        for event in typed:
            await super().on_event(event)

    def action_leave(self) -> None:
        """Leave without a choice."""
        self.exit()

    # Textual would print the variables of every frame, and with them whatever they hold.

    def _handle_exception(self, error: Exception) -> None:
        self.failure = self.failure or error
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        self._close_messages_no_wait()

    def panic(self, *_renderables: object) -> None:
        """End at once, without a word: the edge says one."""
        self.failure = self.failure or AwsssoError("the terminal went away")
        self._close_messages_no_wait()


class _Roles(Screen[None]):
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
        self._head = _Head()
        self._list = RoleList()
        self._foot = _Foot()
        self._recent = look.recent
        self._list.facts = Facts(frozenset(look.recent.favourites), frozenset(), look.is_production)

    def compose(self) -> ComposeResult:
        """Lay out the lines: each widget more costs the first paint a hundredth."""
        yield self._head
        yield _Filter(
            self._look.filter,
            placeholder="type to filter: account, id, role, e-mail, tag",
            id="filter",
            compact=True,
            select_on_focus=False,
            max_length=200,
        )
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
        self.set_focus(self.query_one(_Filter))
        self.post_message(_Opened())
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
        if self.query_one(_Filter).value != self._searched:
            self._search()

    def _search(self, *, keeps: Entry | None = None) -> None:
        self._searched = self.query_one(_Filter).value
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
        parts: list[Content | tuple[str, str]] = [("awssso", "bold")]
        has_more = self._is_refreshing or bool(self._notes)
        for state in self._states[:4]:
            parts += [("   ", ""), *_state_parts(state, is_brief=has_more)]
        if self._is_refreshing:
            parts += [("   looking for new roles…", "dim")]
        elif self._notes:
            parts += [("   ", ""), (safe(self._notes[-1]), "ansi_magenta")]
        self._head.say(Content.assemble(*parts))

    def _show_count(self, found: int, *, is_filtered: bool) -> None:
        total = f"{self._total:,} role{'s' if self._total != 1 else ''}"
        self._head.count(f"{found:,} of {total}" if is_filtered else total)

    def on_role_list_moved(self) -> None:
        """Say more about the role under the cursor."""
        match = self._list.match
        details = self._details(match) if match else self._emptiness()
        self._foot.say(details, _footer(self._needs_sign_in(match)))

    def _needs_sign_in(self, match: Match | None) -> bool:
        sessions = {match.entry.role.session} if match else {state.name for state in self._states}
        return any(state.name in sessions and not state.is_usable for state in self._states)

    def _details(self, match: Match) -> Content:
        entry = match.entry
        facts = [entry.role.session, account_text(entry), entry.account.email, *(f"#{tag}" for tag in entry.tags)]
        left = entry.expires_at - time.time()
        warm = [(f" · {WARM} credentials ready for {duration(left)}", "ansi_green")] if left > 0 else []
        is_production = self._look.is_production(entry)
        name = Content.assemble(
            *_marked(entry.profile or "no profile: left out by the settings, or by awssso sync", match, "profile"),
            (f"  {PRODUCTION} production", "bold ansi_red") if is_production else "",
            ("  as last known: its account could not be asked", "dim") if entry.stale else "",
        )
        return Content("\n").join(
            [name, Content.assemble((" · ".join(safe(fact) for fact in facts if fact), "dim"), *warm)]
        )

    def _emptiness(self) -> Content:
        if self._entries:
            return Content.assemble("nothing matches\n", ("ctrl+u empties the filter", "dim"))
        return Content.assemble("no roles are known yet\n", ("ctrl+l signs in and finds them", "dim"))

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
            self.post_message(_Noted(_in_words(error)))

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
            self.app.push_screen(_Confirm(choice), lambda is_sure: self._take(choice) if is_sure else None)
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

        self.app.push_screen(_SignIn(session, self._source), on_end)

    def action_help(self) -> None:
        """Show the keys."""
        self.app.push_screen(_Help())


def _in_words(error: Exception) -> str:
    """Say what went wrong; the message of a mistake of ours may hold anything, so only its type is said."""
    return error.message if isinstance(error, AwsssoError) else f"unexpected {type(error).__name__}"


def _marked(text: str, match: Match, field_name: str) -> list[tuple[str, str]]:
    """Give a stranger's text in pieces, with the style of each."""
    spans = match.spans.get(field_name, ())
    pieces, place = [], 0
    for start, end in spans:
        pieces += [(safe(text[place:start]), "bold"), (safe(text[start:end]), "bold underline ansi_cyan")]
        place = end
    return [*pieces, (safe(text[place:]), "bold")]


def _state_parts(state: SessionState, *, is_brief: bool) -> list[tuple[str, str]]:
    name = safe(state.name)
    left = state.ends_at - time.time()
    if not state.is_usable:
        return [("○ ", "bold ansi_red"), (f"{name} ", "bold"), (f"{state.state}: ctrl+l signs in", "ansi_red")]
    if is_brief:
        return [("● ", "ansi_green"), (name, "bold")]
    time_left = f" {duration(left)}" if left > 0 else ""
    renewal = ", renews itself" if state.is_renewable else ""
    return [("● ", "ansi_green"), (name, "bold"), (f" signed in{time_left}{renewal}", "dim")]


def _footer(needs_sign_in: bool) -> Content:
    """Name the keys, as many as 80 columns hold."""
    other = ("^l", "sign in") if needs_sign_in else ("^f", "favourite")
    keys = [
        ("enter", "pick"),
        ("^o", "console"),
        ("^s", "shell"),
        ("^y", "copy"),
        other,
        ("?", "keys"),
        ("esc", "leave"),
    ]
    parts: list[tuple[str, str]] = []
    for key, does in keys:
        parts += [(key, "bold"), (f" {does}  ", "dim")]
    return Content.assemble(*parts)


class _Filter(Input):
    """The line that is typed into; a question mark is no part of any filter."""

    async def _on_key(self, event: events.Key) -> None:
        if event.character != "?":
            # At once, so that the letter and what it finds are drawn in one frame: the list waited for the next one.
            with self.app.batch_update():
                await super()._on_key(event)
                if isinstance(self.screen, _Roles):
                    self.screen.catch_up()
            return
        event.stop()
        event.prevent_default()
        await self.run_action("screen.help")


class _Head(Widget):
    """Three lines: how the sessions stand, a prompt with a count at its end, a rule. The filter lies on the prompt."""

    def __init__(self) -> None:
        super().__init__()
        self._states = Content("")
        self._count = Content("")

    def say(self, states: Content) -> None:
        """Have another first line."""
        self._states = states
        self.refresh()

    def count(self, count: str) -> None:
        """Have another count."""
        self._count = Content.styled(count, "dim")
        self.refresh()

    def render(self) -> Content:
        """Draw them."""
        width = self.size.width
        states = Content.assemble(" ", self._states)
        gap = " " * (width - 2 - self._count.cell_length - 1)
        prompt = Content.assemble((" >", "bold ansi_cyan"), gap, self._count)
        return Content("\n").join([states, prompt, _rule(width)])


class _Foot(Widget):
    """Four lines: a rule, two about the role under the cursor, the keys."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Content] = []

    def say(self, *contents: Content) -> None:
        """Have other lines below the rule."""
        self._lines = [line for content in contents for line in content.split()]
        self.refresh()

    def render(self) -> Content:
        """Draw them."""
        return Content("\n").join([_rule(self.size.width), *(Content.assemble(" ", line) for line in self._lines)])


def _rule(width: int) -> Content:
    return Content.styled("─" * width, "dim")


# Dialogs


class _Dialog(ModalScreen[bool]):
    """A box over the roles; Esc closes it with False."""

    BINDINGS: ClassVar = [Binding("escape", "close", show=False)]

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(False)


class _Help(_Dialog):
    """The keys."""

    BINDINGS: ClassVar = [Binding("question_mark,f1,enter,q", "close", show=False)]
    KEYS: ClassVar = (
        ("type", "filter: every word, in any order; a typo is forgiven"),
        ("enter", "pick the role"),
        ("ctrl+s", "start a shell in the role"),
        ("ctrl+o", "open the AWS console in the role"),
        ("ctrl+y", "copy the profile's name"),
        ("ctrl+f", "make it a favourite, or no longer"),
        ("ctrl+l", "sign in to the role's session"),
        ("ctrl+r", "look for new roles now"),
        ("ctrl+u", "empty the filter"),
        ("up, down", "move; also ctrl+p, ctrl+n, page up, page down"),
        ("ctrl+home", "go to the first role; ctrl+end to the last"),
        ("mouse", "a click moves, two clicks pick, the wheel scrolls"),
        ("esc", "leave, exit status 130"),
    )

    def compose(self) -> ComposeResult:
        """Lay out the table."""
        rows = [Content.assemble((f"{key:<10}", "bold ansi_cyan"), does) for key, does in self.KEYS]
        marks = Content.assemble(
            (FAVOURITE, "ansi_yellow"), " favourite   ", (PRODUCTION, "bold ansi_red"), " production   ",
            (WARM, "ansi_green"), " credentials are ready, for so long",
        )  # fmt: skip
        with Vertical(classes="dialog") as box:
            box.border_title = "keys"
            yield Static(Content("\n").join([*rows, Content(""), marks]))


class _Confirm(_Dialog):
    """A question before a production role is used."""

    BINDINGS: ClassVar = [Binding("y", "sure", show=False), Binding("n", "close", show=False)]

    def __init__(self, choice: Choice) -> None:
        super().__init__()
        self._choice = choice

    def compose(self) -> ComposeResult:
        """Ask."""
        entry = self._choice.entry
        with Vertical(classes="dialog danger") as box:
            box.border_title = f"{PRODUCTION} production"
            yield Static(
                Content.assemble(
                    f"{self._choice.action.value} ", (safe(entry.profile), "bold"), "\n",
                    (f"{safe(account_text(entry))} · {entry.account.id} · {safe(entry.role.name)}", "dim"), "\n\n",
                    ("y", "bold"), " yes   ", ("esc", "bold"), " no",
                )
            )  # fmt: skip

    def action_sure(self) -> None:
        """Go on."""
        self.dismiss(True)


class _SignIn(_Dialog):
    """A sign-in: its thread runs the real flow, and what that says is shown here."""

    BINDINGS: ClassVar = [Binding("ctrl+y", "copy", show=False)]

    def __init__(self, session: str, source: Source) -> None:
        super().__init__()
        self._session = session
        self._source = source
        self._deadline = Deadline(_SIGN_IN_SECONDS)
        self._url = ""
        self._lines: list[str] = []

    def compose(self) -> ComposeResult:
        """Lay out the box."""
        with Vertical(classes="dialog") as box:
            box.border_title = f"sign in to {safe(self._session)}".replace("[", "(")
            yield Static("asking AWS…", id="sign-in", markup=False)

    def on_mount(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            line = self._source.sign_in(self._session, _ScreenGuide(self, self._source), self._deadline)
            self.post_message(_SignInEnded(line, is_signed_in=True))
        except AwsssoError as error:
            self.post_message(_SignInEnded(f"{error.message}\n{error.hint}".strip(), is_signed_in=False))
        except Exception as error:  # noqa: BLE001 - as for the refresh
            self.post_message(_SignInEnded(_in_words(error), is_signed_in=False))

    @on(_SignInShown)
    def show_step(self, message: _SignInShown) -> None:
        """Show what the flow says."""
        self._url = message.url or self._url
        self._lines += message.lines
        self._show("esc gives up, ctrl+y copies the address" if self._url else "esc gives up")

    @on(_SignInEnded)
    def show_end(self, message: _SignInEnded) -> None:
        """Close, or say why it failed."""
        if message.is_signed_in:
            self.dismiss(True)
            return
        self._lines.append(message.line)
        self._show("esc goes back")

    def _show(self, keys: str) -> None:
        lines = [Content(safe_line(line)) for text in self._lines for line in text.split("\n")]
        self.query_one("#sign-in", Static).update(
            Content("\n").join([*lines, Content(""), Content.styled(keys, "dim")])
        )

    def action_copy(self) -> None:
        """Copy the address."""
        self.app.copy_to_clipboard(self._url)

    def action_close(self) -> None:
        """Give up, and let the flow end."""
        self._deadline.cut()
        self.dismiss(False)


class _ScreenGuide:
    """Speaks with the person through the dialog; opens the browser unless that cannot be."""

    def __init__(self, dialog: _SignIn, source: Source) -> None:
        self._dialog = dialog
        self._source = source

    def open_url(self, url: str) -> None:
        self._open(["Sign in here:", url], url)

    def show_code(self, code: str, url: str) -> None:
        self._open([f"Your code:  {code}", "Approve it here:", url], url)

    def tell(self, line: str) -> None:
        self._dialog.post_message(_SignInShown([line]))

    def _open(self, lines: list[str], url: str) -> None:
        self._dialog.post_message(_SignInShown(lines, url))
        if not self._source.open_url(url):
            self.tell("No browser could be started; open the address yourself.")
