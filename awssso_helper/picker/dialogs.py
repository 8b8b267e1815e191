"""The boxes over the roles: the keys, the question before production, a sign-in.

Each closes with what the screen below has to know: True to go on.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from awssso_helper.errors import AwsssoError
from awssso_helper.model import Deadline
from awssso_helper.picker.role_list import FAVOURITE, PRODUCTION, WARM, account_text
from awssso_helper.picker.terms import in_words
from awssso_helper.terminal import safe, safe_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from awssso_helper.picker.terms import Choice, Source

_SIGN_IN_SECONDS = 600


class _Dialog(ModalScreen[bool]):
    """A box over the roles; Esc closes it with False."""

    BINDINGS: ClassVar = [Binding("escape", "close", show=False)]

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(False)


class Help(_Dialog):
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


class Confirm(_Dialog):
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


# A sign-in, and the messages of its thread


class _Shown(Message):
    def __init__(self, lines: Sequence[str], url: str = "") -> None:
        super().__init__()
        self.lines = lines
        self.url = url


class _Ended(Message):
    def __init__(self, line: str, *, is_signed_in: bool) -> None:
        super().__init__()
        self.line = line
        self.is_signed_in = is_signed_in


class SignIn(_Dialog):
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
            self.post_message(_Ended(line, is_signed_in=True))
        except AwsssoError as error:
            self.post_message(_Ended(f"{error.message}\n{error.hint}".strip(), is_signed_in=False))
        except Exception as error:  # noqa: BLE001 - as for the refresh
            self.post_message(_Ended(in_words(error), is_signed_in=False))

    @on(_Shown)
    def show_step(self, message: _Shown) -> None:
        """Show what the flow says."""
        self._url = message.url or self._url
        self._lines += message.lines
        self._show("esc gives up, ctrl+y copies the address" if self._url else "esc gives up")

    @on(_Ended)
    def show_end(self, message: _Ended) -> None:
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

    def __init__(self, dialog: SignIn, source: Source) -> None:
        self._dialog = dialog
        self._source = source

    def open_url(self, url: str) -> None:
        self._open(["Sign in here:", url], url)

    def show_code(self, code: str, url: str) -> None:
        self._open([f"Your code:  {code}", "Approve it here:", url], url)

    def tell(self, line: str) -> None:
        self._dialog.post_message(_Shown([line]))

    def _open(self, lines: list[str], url: str) -> None:
        self._dialog.post_message(_Shown(lines, url))
        if not self._source.open_url(url):
            self.tell("No browser could be started; open the address yourself.")
