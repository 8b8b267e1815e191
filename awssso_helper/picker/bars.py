"""What stands above and below the list: the widgets that draw it, and the words in them.

Names come from strangers: each is made safe, and none is ever markup.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from awssso_helper.picker.role_list import PRODUCTION, WARM, account_text
from awssso_helper.terminal import duration, safe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events

    from awssso_helper.matching import Match
    from awssso_helper.picker.terms import SessionState


class Filter(Input):
    """The line that is typed into; a question mark is no part of any filter.

    `catch_up` is called after each key that is typed in, and shows what is found by what stands here now.
    """

    def __init__(self, text: str, catch_up: Callable[[], None]) -> None:
        super().__init__(
            text,
            placeholder="type to filter: account, id, role, e-mail, tag",
            id="filter",
            compact=True,
            select_on_focus=False,
            max_length=200,
        )
        self._catch_up = catch_up

    async def _on_key(self, event: events.Key) -> None:
        if event.character != "?":
            # At once, so that the letter and what it finds are drawn in one frame: the list waited for the next one.
            with self.app.batch_update():
                await super()._on_key(event)
                self._catch_up()
            return
        event.stop()
        event.prevent_default()
        await self.run_action("screen.help")


class Head(Widget):
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


class Foot(Widget):
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


# The words


def sessions(states: Sequence[SessionState], notes: Sequence[str], *, is_refreshing: bool) -> Content:
    """Say how the sessions stand, and what came up last; the sessions are brief where there is more to say."""
    parts: list[Content | tuple[str, str]] = [("awssso", "bold")]
    has_more = is_refreshing or bool(notes)
    for state in states[:4]:
        parts += [("   ", ""), *_state_parts(state, is_brief=has_more)]
    if is_refreshing:
        parts += [("   looking for new roles…", "dim")]
    elif notes:
        parts += [("   ", ""), (safe(notes[-1]), "ansi_magenta")]
    return Content.assemble(*parts)


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


def details(match: Match, *, is_production: bool) -> Content:
    """Say more about a role, in two lines."""
    entry = match.entry
    facts = [entry.role.session, account_text(entry), entry.account.email, *(f"#{tag}" for tag in entry.tags)]
    left = entry.expires_at - time.time()
    warm = [(f" · {WARM} credentials ready for {duration(left)}", "ansi_green")] if left > 0 else []
    name = Content.assemble(
        *_marked(entry.profile or "no profile: left out by the settings, or by awssso sync", match, "profile"),
        (f"  {PRODUCTION} production", "bold ansi_red") if is_production else "",
        ("  as last known: its account could not be asked", "dim") if entry.stale else "",
    )
    return Content("\n").join(
        [name, Content.assemble((" · ".join(safe(fact) for fact in facts if fact), "dim"), *warm)]
    )


def _marked(text: str, match: Match, field_name: str) -> list[tuple[str, str]]:
    """Give a stranger's text in pieces, with the style of each."""
    spans = match.spans.get(field_name, ())
    pieces, place = [], 0
    for start, end in spans:
        pieces += [(safe(text[place:start]), "bold"), (safe(text[start:end]), "bold underline ansi_cyan")]
        place = end
    return [*pieces, (safe(text[place:]), "bold")]


def emptiness(*, has_roles: bool) -> Content:
    """Say in two lines why no role is shown, and which key helps."""
    if has_roles:
        return Content.assemble("nothing matches\n", ("ctrl+u empties the filter", "dim"))
    return Content.assemble("no roles are known yet\n", ("ctrl+l signs in and finds them", "dim"))


def keys(*, needs_sign_in: bool) -> Content:
    """Name the keys, as many as 80 columns hold."""
    other = ("^l", "sign in") if needs_sign_in else ("^f", "favourite")
    named = [
        ("enter", "pick"),
        ("^o", "console"),
        ("^s", "shell"),
        ("^y", "copy"),
        other,
        ("?", "keys"),
        ("esc", "leave"),
    ]
    parts: list[tuple[str, str]] = []
    for key, does in named:
        parts += [(key, "bold"), (f" {does}  ", "dim")]
    return Content.assemble(*parts)
