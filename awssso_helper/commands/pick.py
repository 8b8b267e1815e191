"""`awssso pick`: pick a role, full screen; what was picked is printed, used, opened or entered."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from awssso_helper import front_page, recent
from awssso_helper.catalog import is_production
from awssso_helper.commands.context import KEYRING_SECONDS, Context
from awssso_helper.errors import InterruptedByUserError, RefusedError, UsageError
from awssso_helper.matching import as_words, ranked
from awssso_helper.model import Deadline, epoch_of
from awssso_helper.terminal import Recorder, safe, terminal_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awssso_helper.catalog import Entry
    from awssso_helper.login import Guide
    from awssso_helper.matching import Match
    from awssso_helper.picker import Choice, SessionState

# How many roles the numbered list shows at once.
_PAGE = 40
_LONGEST_NAME = 40


def run(context: Context) -> int:
    """Pick, then do what was picked."""
    # Ten thousand roles are no garbage, and looking through them for some takes a tenth of a second.
    gc.disable()
    options = context.options
    known = recent.recall(context.environment)
    page = _front_page(context, known)
    if page is not None:
        return _picked(context, _from_screen(context, page.entries, known, total=page.total, widths=page.widths))
    entries = context.entries()
    if not context.sessions and not entries:
        raise UsageError("no SSO session is configured", hint="awssso configure")
    words = as_words(options.filter)
    decided = _decided(context, words, entries, known)
    if decided is not None:
        _demand_yes(context, decided)
        return _used(context, decided)
    if options.no_tui or _is_dumb(context):
        chosen = _from_numbers(context, words, _in_order(entries, known))
        _demand_yes(context, chosen)
        return _used(context, chosen)
    return _picked(context, _from_screen(context, entries, known))


def _front_page(context: Context, known: recent.Recent) -> front_page.FrontPage | None:
    """Give what the screen can begin with, where it is wanted and nothing is decided without it."""
    options = context.options
    is_for_a_screen = not (options.filter or options.first or options.no_tui or options.sso_session)
    if not is_for_a_screen or _is_dumb(context) or not context.terminal.has_device():
        return None
    return front_page.recall(context.environment, known)


def _is_dumb(context: Context) -> bool:
    return context.environment.variables.get("TERM") == "dumb"


def _decided(context: Context, words: tuple[str, ...], entries: Sequence[Entry], known: recent.Recent) -> Entry | None:
    """Give the role that needs no screen: the only one that holds the words, or the best where `--first` says so.

    Raises:
        UsageError: nothing is left to ask, or there is no terminal to ask on.
    """
    is_first = context.options.first
    exact = [entry for entry in entries if entry.profile and [entry.profile] == context.options.filter]
    if exact:
        return exact[0]
    if not words and not is_first and len(entries) > 1 and context.terminal.has_device():
        return None
    matches = [match for match in ranked(words, _in_order(entries, known)) if match.entry.profile]
    if matches and (is_first or (len(matches) == 1 and (words or len(entries) == 1) and not matches[0].is_forgiven)):
        return matches[0].entry
    if is_first or not context.terminal.has_device():
        raise _undecided(matches, words)
    return None


def _undecided(matches: list[Match], words: tuple[str, ...]) -> UsageError:
    if not matches and not words:
        return UsageError("no roles are known yet", hint="awssso login")
    if not matches or matches[0].is_forgiven:
        close = " or ".join(safe(match.entry.profile) for match in matches[:3])
        hint = f"did you mean {close}?" if close else "awssso list"
        return UsageError(f"no role matches {' '.join(words)[:60]!a}", hint=hint)
    names = ", ".join(safe(match.entry.profile) for match in matches[:3])
    more = f" and {len(matches) - 3:,} more" if len(matches) > 3 else ""  # noqa: PLR2004 - as shown
    return UsageError(f"there is no terminal to pick on, and several roles are left: {names}{more}",
                      hint="give more words, or --first, or list them: awssso list")  # fmt: skip


def _in_order(entries: Sequence[Entry], known: recent.Recent) -> list[Entry]:
    return [entry for _, part in known.sections(entries) for entry in part]


def _demand_yes(context: Context, entry: Entry) -> None:
    """Ask before a production role, as the screen does where the settings want it."""
    rules = context.settings.picker
    if not rules.confirm_production or not is_production(rules)(entry):
        return
    question = f"{safe(entry.profile)} is production. Pick it?"
    if not context.terminal.has_device():
        raise RefusedError(f"{safe(entry.profile)} is production, and nobody can say yes", hint="pick it on a terminal")
    if context.terminal.ask_on_device(f"{question} [y/N]").casefold() not in ("y", "yes"):
        raise InterruptedByUserError("not picked")


# The numbered list


def _from_numbers(context: Context, words: tuple[str, ...], entries: Sequence[Entry]) -> Entry:
    """Let a person choose by number, narrowing the list with words."""
    while True:
        found = [match.entry for match in ranked(words, entries) if match.entry.profile]
        shown = found[:_PAGE]
        _tell_numbered(context, shown, len(found))
        answer = context.terminal.ask_on_device("number, or words to filter by")
        if answer.isdecimal() and 0 < int(answer) <= len(shown):
            return shown[int(answer) - 1]
        words = as_words([answer])


def _tell_numbered(context: Context, shown: Sequence[Entry], total: int) -> None:
    terminal = context.terminal
    if not shown:
        terminal.tell("nothing matches")
        return
    is_loud = is_production(context.settings.picker)
    rows = [
        (
            f"{number:>{len(str(len(shown)))}}",
            entry.profile,
            _clipped(entry.account.name),
            entry.account.id,
            entry.role.name,
            "production" if is_loud(entry) else "",
        )
        for number, entry in enumerate(shown, 1)
    ]
    terminal.rows(rows, alarming=[place for place, entry in enumerate(shown) if is_loud(entry)])
    if total > len(shown):
        terminal.tell(f"… and {total - len(shown):,} more; words narrow the list")


def _clipped(name: str) -> str:
    """Cut a long name: the id is beside it, and one alone must not push every other line over the screen's edge."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


# The screen


def _from_screen(
    context: Context,
    entries: Sequence[Entry],
    known: recent.Recent,
    *,
    total: int = 0,
    widths: tuple[int, ...] = (),
) -> Choice | None:
    from awssso_helper import picker  # noqa: PLC0415 - brings Textual, which no other command pays for

    rules = context.settings.picker
    look = picker.Look(
        filter=" ".join(context.options.filter),
        recent=known,
        front_page=total,
        widths=widths,
        is_production=is_production(rules),
        confirm_production=rules.confirm_production,
    )
    return picker.picked(entries, _World(context), look)


def _picked(context: Context, choice: Choice | None) -> int:
    if choice is None:
        return 130
    from awssso_helper.picker import Action  # noqa: PLC0415 - loaded by now

    if choice.action is Action.CONSOLE:
        from awssso_helper.commands import console  # noqa: PLC0415 - not before the first paint

        return console.opened(context, choice.entry)
    if choice.action is Action.SHELL:
        return _shell_in(context, choice.entry)
    return _used(context, choice.entry)


def _used(context: Context, entry: Entry) -> int:
    """Hand over the name; where a person would only look at it, a shell in the role is more use."""
    if not context.options.print and sys.stdout.isatty():
        from awssso_helper import shell_functions, shells  # noqa: PLC0415 - as above

        shell = shells.calling(context.environment)
        context.terminal.tell(f"hint: to have `awssso pick` change your own shell, {shell_functions.advice(shell)}")
        return _shell_in(context, entry)
    context.terminal.data(entry.profile)
    recent.used(context.environment, entry.profile)
    return 0


def _shell_in(context: Context, entry: Entry) -> int:
    """Start a shell in the role, on the terminal also where stdout is the pipe of a `$(...)`."""
    from awssso_helper.commands.exec import in_role  # noqa: PLC0415 - as above

    if not sys.stdout.isatty():
        with terminal_device() as (_, screen):
            os.dup2(screen.fileno(), sys.stdout.fileno())
    return in_role(context, entry, ())


class _World:
    """What the picker asks for behind its screen. Each call has a context of its own, whose voice nobody hears."""

    def __init__(self, context: Context) -> None:
        self._environment = context.environment
        self._options = context.options
        self._settings = context.settings
        self._keyring = threading.Lock()

    def _context(self) -> Context:
        return Context(self._environment, Recorder(self._environment), self._options)

    def entries(self) -> Sequence[Entry]:
        """Read anew what is remembered."""
        return self._context().entries()

    def keep_front_page(self, entries: Sequence[Entry], widths: tuple[int, ...]) -> None:
        """Keep the first roles, unless they are those of one session only."""
        if not self._options.sso_session:
            front_page.keep(self._environment, entries, recent.recall(self._environment), widths)

    def session_states(self) -> list[SessionState]:
        """Ask the keyring."""
        from awssso_helper.commands.status import session_facts  # noqa: PLC0415 - not before the first paint
        from awssso_helper.picker import SessionState  # noqa: PLC0415 - as above

        context = self._context()
        states = []
        with self._keyring:
            deadline = Deadline(KEYRING_SECONDS)
            for session in context.chosen_sessions(default_all=True):
                facts = session_facts(session, context.credentials.sign_in_of(session.name, deadline))
                ends = epoch_of(facts["token_expires"]) if facts["token_expires"] else 0
                is_renewable = facts["renewable_until"] is not None
                states.append(SessionState(session.name, facts["state"], facts["usable"], is_renewable, ends))
        return states

    def refresh(self, sessions: Sequence[str]) -> list[str]:
        """Sync in processes of their own, so that no key waits; they finish what they do when the picker is gone."""
        from awssso_helper import news  # noqa: PLC0415 - not before the first paint

        statuses = [self._synced(session) for session in sessions]
        told = news.taken(self._environment)
        return [line for line in told if "failed" in line or line.startswith("warning")] if any(statuses) else []

    def _synced(self, session: str) -> int:
        command = [sys.executable, "-I", "-m", "awssso_helper", "sync", "-S", session, "--behind"]
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment.variables,
            start_new_session=True,
            check=False,
        ).returncode

    def sign_in(self, session: str, guide: Guide, deadline: Deadline) -> str:
        """Run the flow of `awssso login`."""
        from awssso_helper.commands.login import signed_in  # noqa: PLC0415 - not before the first paint

        context = self._context()
        found = next(each for each in context.sessions if each.name == session)
        with self._keyring:
            known = context.credentials.sign_in_of(session, Deadline(KEYRING_SECONDS))
        return signed_in(context, found, known, guide, deadline=deadline)

    def open_url(self, url: str) -> bool:
        """Open the browser of the settings."""
        from awssso_helper import browser  # noqa: PLC0415 - only a sign-in needs it

        return browser.open_url(url, self._environment, self._settings.browser)

    def set_favourite(self, profile: str, *, is_favourite: bool) -> None:
        """Remember it."""
        recent.set_favourite(self._environment, profile, is_favourite=is_favourite)

    def copied(self, text: str) -> str:
        """Use the desktop's clipboard."""
        from awssso_helper import clipboard  # noqa: PLC0415 - only one key needs it

        return clipboard.copied(text, self._environment)
