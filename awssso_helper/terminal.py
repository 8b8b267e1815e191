"""The voice: the one room that prints. stdout is data, stderr is people.

Rules: one line says what is wrong, a `hint:` line what to type. A name that a server or a file supplied passes `safe`,
so that it is short and one line; and whatever is printed, by whatever way it came, loses its control characters here.
Colour is for people on a terminal only, and never the only mark.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
import unicodedata
from typing import TYPE_CHECKING, Any, TextIO

from awssso_helper.errors import InterruptedByUserError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from awssso_helper.environment import Environment
    from awssso_helper.errors import AwsssoError

_LONGEST = 128
# Cf: bidi controls and zero-width characters; Cc: C0 and C1; Zl, Zp: line and paragraph separators.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Of other categories, and yet nothing to see: joiner, fillers and variation selectors (Unicode, Default_Ignorable).
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def safe(text: str) -> str:
    """Make a stranger's text fit to show: no control, bidi, zero-width or broken character, 128 at most.

    What is taken out shows as its escape, and a backslash as two, so that two different names still look different
    (SECURITY F1).
    """
    shown = "".join(
        character if character != "\\" and _is_shown(character) else _escape(character)
        for character in text[: _LONGEST + 1]
    )
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in _UNSHOWN and not _INVISIBLE.match(character)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def one_line(error: AwsssoError) -> str:
    """Put message and hint on one line of printable ASCII, as `credential-process` must (CONTRACT)."""
    hint = error.hint
    advice = f"; run: {hint}" if hint.startswith("awssso ") and "," not in hint else f"; {hint}" if hint else ""
    line = f"awssso: {error.message}{advice}"
    return "".join(c if " " <= c <= "~" else "?" for c in line)[:300]


def duration(seconds: float) -> str:
    """Write a time left as people say it: `7h 58m`, `12m`, `40s`, `expired`."""
    left = int(seconds)
    if left <= 0:
        return "expired"
    days, hours, minutes = left // 86400, left % 86400 // 3600, left % 3600 // 60
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m" if minutes else f"{left}s"


def local_time(epoch_seconds: float) -> str:
    """Write a moment in the user's own time zone, with the date only when it is not today."""
    moment = time.localtime(epoch_seconds)
    today = time.localtime()[:3] == moment[:3]
    return time.strftime("%H:%M" if today else "%Y-%m-%d %H:%M", moment)


@contextlib.contextmanager
def terminal_device() -> Iterator[tuple[TextIO, TextIO]]:
    """Open the terminal of this process to read and to write, whatever stdin, stdout and stderr are.

    Raises:
        OSError: it has none.
    """
    reading, writing = ("CONIN$", "CONOUT$") if sys.platform == "win32" else ("/dev/tty", "/dev/tty")
    with (
        open(reading, encoding="utf-8", errors="replace") as keys,  # noqa: PTH123 - a device
        open(writing, "w", encoding="utf-8", errors="replace") as screen,  # noqa: PTH123 - a device
    ):
        yield keys, screen


class Terminal:
    """stdout, stderr and the keyboard of this process."""

    def __init__(self, environment: Environment, *, verbose: bool = False, debug: bool = False) -> None:
        """Say details when `verbose`, and each call to AWS too when `debug`."""
        self._environment = environment
        self._verbose = verbose or debug
        self._debug = debug

    # Data

    def data(self, text: str) -> None:
        """Write text to stdout, with a final newline; a character that stdout has no code for shows as its escape.

        Raises:
            OSError: it was not taken, so nobody may go on as if it were.
        """
        _write_out(_safe_lines(text))

    def json(self, values: Any) -> None:
        """Write JSON to stdout, ASCII only, so that no name in it can move a cursor."""
        self.data(json.dumps(values, indent=2, ensure_ascii=True))

    def csv(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write CSV (RFC 4180) to stdout; cells that a spreadsheet would take for a formula are quoted as text."""
        import csv  # noqa: PLC0415 - a millisecond that only `list --csv` needs
        import io  # noqa: PLC0415 - as above

        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([_cell(value) for value in row])
        self.data(buffer.getvalue())

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write aligned columns to stdout; cells are made safe here."""
        shown = [[safe(cell) for cell in row] for row in rows]
        widths = [max(_width(row[column]) for row in [list(header), *shown]) for column in range(len(header))]
        self.data("\n".join(_aligned(row, widths) for row in [list(header), *shown]))

    def rows(self, rows: Sequence[Sequence[str]], *, alarming: Collection[int] = ()) -> None:
        """Say aligned columns on stderr; cells are made safe here. The rows of these numbers, from 0, are in red."""
        shown = [[safe(cell) for cell in row] for row in rows]
        widths = [max(map(_width, column)) for column in zip(*shown, strict=True)]
        begins, ends = ("\x1b[31m", "\x1b[0m") if sys.stderr.isatty() and self._environment.can_color() else ("", "")
        with contextlib.suppress(OSError):
            for number, row in enumerate(shown):
                line = _aligned(row, widths)
                sys.stderr.write(f"{begins}{line}{ends}\n" if number in alarming else f"{line}\n")
            sys.stderr.flush()

    def diff(self, text: str) -> None:
        """Write a unified diff to stdout, in colour on a terminal."""
        lines = [safe_line(line) for line in text.removesuffix("\n").split("\n")]
        if sys.stdout.isatty() and self._environment.can_color():
            lines = [_painted(line) for line in lines]
        if text:
            _write_out("\n".join(lines))

    # People

    def tell(self, line: str = "") -> None:
        """Say a line on stderr, or several. Where nobody hears it, the work goes on."""
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{_safe_lines(line)}\n")
            sys.stderr.flush()

    def detail(self, line: str) -> None:
        """Say a line that only `-v` asks for."""
        if self._verbose:
            self.tell(line)

    def trace(self, line: str) -> None:
        """Say a line that only `--debug` asks for. No secret is ever in one."""
        if self._debug:
            self.tell(f"debug: {safe_line(line)}")

    def fail(self, error: AwsssoError) -> int:
        """Say what is wrong and what to type; gives the exit status."""
        self.tell(safe_line(f"awssso: {error.message}"))
        for line in error.details:
            self.tell(f"  {safe_line(line)}")
        if error.hint:
            self.tell(safe_line(f"hint: {error.hint}"))
        return error.exit_status

    def is_interactive(self) -> bool:
        """Say whether a person can read a question and answer it here."""
        return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()

    def has_device(self) -> bool:
        """Say whether this process has a terminal at all, even where stdin, stdout and stderr are something else."""
        try:
            with terminal_device():
                return True
        except OSError:
            return False

    def ask_on_device(self, question: str) -> str:
        """Ask for one line on the terminal itself, for where stdin may be a pipe.

        Raises:
            InterruptedByUserError: the person ended it.
            OSError: there is no terminal.
        """
        with terminal_device() as (keys, screen):
            screen.write(f"{question}: ")
            screen.flush()
            line = keys.readline()
        if not line:
            self.tell()
            raise InterruptedByUserError("no answer; nothing was changed")
        return line.strip()

    def ask(self, question: str, default: str = "") -> str:
        """Ask for one line; an empty answer means the default."""
        self._prompt(f"{question} [{default}]: " if default else f"{question}: ")
        return self._answer().strip() or default

    def confirmed(self, question: str) -> bool:
        """Ask a question that only a typed "y" or "yes" answers with yes."""
        self._prompt(f"{question} [y/N]: ")
        return self._answer().strip().casefold() in ("y", "yes")

    def _prompt(self, text: str) -> None:
        sys.stderr.write(_safe_lines(text))
        sys.stderr.flush()

    def _answer(self) -> str:
        line = sys.stdin.readline()
        if not line:
            self.tell()
            raise InterruptedByUserError("no answer; nothing was changed")
        return line

    @contextlib.contextmanager
    def progress(self, title: str) -> Iterator[DiscoveryProgress]:
        """Show how a discovery gets on; on a terminal only, and gone afterwards."""
        if not sys.stderr.isatty():
            yield DiscoveryProgress()
            return
        from rich.console import Console  # noqa: PLC0415 - 40 ms that only a person watching needs
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

        console = Console(stderr=True, no_color=not self._environment.can_color())
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            yield DiscoveryProgress(bar, bar.add_task(safe(title), total=None))


class Recorder(Terminal):
    """A voice that nobody hears: what is told is kept in `told`."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.told: list[str] = []

    def tell(self, line: str = "") -> None:
        """Keep the line."""
        self.told.append(line)


class DiscoveryProgress:
    """A bar of accounts asked of accounts found; without a bar it does nothing."""

    def __init__(self, bar: Any = None, task: Any = None) -> None:
        self._bar = bar
        self._task = task

    def accounts_found(self, count: int) -> None:
        """Grow the bar's whole."""
        if self._bar:
            self._bar.update(self._task, total=count)

    def account_done(self) -> None:
        """Advance the bar by one account."""
        if self._bar:
            self._bar.advance(self._task)


def safe_line(text: str) -> str:
    """Make a whole line fit to show, of any length; tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c == "\t" or _is_shown(c) else _escape(c) for c in text.rstrip("\r\n"))


def _safe_lines(text: str) -> str:
    return "\n".join(safe_line(line) for line in text.split("\n"))


def _write_out(text: str) -> None:
    line = text if text.endswith("\n") else f"{text}\n"
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def _width(text: str) -> int:
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(value: str) -> str:
    shown = safe(value)
    return f"'{shown}" if shown[:1] in ("=", "+", "-", "@") else shown


def _painted(line: str) -> str:
    colour = {"+": "32", "-": "31", "@": "36"}.get(line[:1])
    return f"\x1b[{colour}m{line}\x1b[0m" if colour else line
