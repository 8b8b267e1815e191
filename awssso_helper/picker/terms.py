"""What goes into the picker and what comes out of it, and the world that it asks: no screen, no Textual."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from awssso_helper.errors import AwsssoError
from awssso_helper.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from awssso_helper.catalog import Entry
    from awssso_helper.model import Deadline

# How long the refresh waits: who knows what to pick is gone by then, and has cost AWS no call.
_CALM_SECONDS = 1.0


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


def in_words(error: Exception) -> str:
    """Say what went wrong at a source; a mistake of ours may hold anything in its message, so only its type is said."""
    return error.message if isinstance(error, AwsssoError) else f"unexpected {type(error).__name__}"
