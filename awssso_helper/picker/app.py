"""The picker as an application on the terminal: it starts, takes what was typed ahead, and leaves all in order."""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import App
from textual.binding import Binding

from awssso_helper.errors import AwsssoError
from awssso_helper.picker.screen import Opened, Roles
from awssso_helper.picker.terms import Choice
from awssso_helper.terminal import terminal_device

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.screen import Screen

    from awssso_helper.catalog import Entry
    from awssso_helper.picker.terms import Look, Source


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
        return Roles(self._entries, self._source, self._look)

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

    @on(Opened)
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
