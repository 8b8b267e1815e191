"""How soon the picker is there, and how soon a key is answered: JSON rows, one a line.

    python bench/picker.py [--rounds 5] [--rows 100 1000 10000]

First paint is from the start of the process to the first role on the screen, against an empty Textual application from
its start to its text, both in a terminal of 120x40 that this program plays. A key is timed from its byte to the end of
the repaint that shows its effect. Runs alternate, so that a machine that drifts does so for both.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import select
import statistics
import struct
import sys
import tempfile
import termios
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from awssso_helper import profiles, settings
from awssso_helper.discovery import Memory
from awssso_helper.environment import Environment
from awssso_helper.ledger import Ledger
from awssso_helper.model import Account, AccountRoles, Deadline, Inventory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.__main__ import Bench
    from bench.report import Row, Table

AWSSSO = str(Path(sys.executable).parent / "awssso")
EMPTY = """
from textual.app import App
from textual.widgets import Input
class Empty(App):
    def compose(self):
        yield Input(placeholder="an-empty-application")
Empty().run()
"""
TEAMS = ["payments", "checkout", "identity", "search", "data", "ml", "billing", "orders", "core", "edge"]
STAGES = ["prod", "production", "dev", "staging", "sandbox", "test"]
ROLES = ("AdministratorAccess", "DatabaseAdministrator", "PowerUserAccess", "ReadOnlyAccess", "SecurityAudit")
SECONDS = 60
FIRST_ROW = b"AdministratorAccess"
EMPTY_TEXT = b"n-empty-application"  # its first letter is under the cursor
SIZES = [100, 1_000, 10_000]
FIRST_PAINT, KEY_MS = 1.3, 50


def home_with(rows: int, home: Path) -> dict[str, str]:
    """Make a home in which so many roles are remembered and have profiles; gives its variables."""
    variables = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    home.chmod(0o700)
    (home / "run").mkdir(mode=0o700)
    environment = Environment(variables)
    with places_of(variables):
        furnish(rows, environment)
    return variables


@contextlib.contextmanager
def places_of(variables: dict[str, str]) -> Iterator[None]:
    """Have these variables in this process for a while: platformdirs reads no others."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def furnish(rows: int, environment: Environment) -> None:
    """Write what a sync of so many roles leaves. There is no settings file, as most have none."""
    now = int(time.time())
    accounts = []
    for number in range(rows // len(ROLES)):
        name = f"{TEAMS[number % 10]}-{TEAMS[number // 7 % 10]}{number}-{STAGES[number % 6]}"
        account = Account(f"{100000000000 + number * 7919:012d}", name, f"aws+{name}@example.com")
        accounts.append(AccountRoles(account, ROLES, asked_at=now))
    inventory = Inventory("corp", now, tuple(accounts))
    Memory(environment.cache_dir, environment.lock_dir).remember(inventory, Deadline(60))
    text = b"[sso-session corp]\nsso_start_url = https://d-1234567890.awsapps.com/start\nsso_region = us-east-1\n"
    rules = settings.ProfileRules(region="eu-west-1")
    plan = profiles.plan(text, b"", [inventory], rules=rules, launcher="/usr/bin/awssso", ledger=Ledger())
    environment.aws_config_file.parent.mkdir()
    environment.aws_config_file.write_bytes(plan.after)


class Screen:
    """A program in a terminal of 120x40."""

    def __init__(self, command: list[str], variables: dict[str, str]) -> None:
        self.started = time.perf_counter()
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
            os.execve(command[0], command, variables)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def until(self, text: bytes) -> float:
        """Read until a text has been drawn; gives the moment."""
        seen = b""
        end = time.perf_counter() + SECONDS
        while text not in seen:
            ready, _, _ = select.select([self.terminal], [], [], end - time.perf_counter())
            if not ready:
                raise SystemExit(f"{text!r} was never drawn: {seen[-400:]!r}")
            seen += os.read(self.terminal, 1 << 16)
        return time.perf_counter()

    def settle(self, seconds: float) -> None:
        """Read what is drawn for so long, and forget it."""
        end = time.perf_counter() + seconds
        while select.select([self.terminal], [], [], max(0, end - time.perf_counter()))[0]:
            os.read(self.terminal, 1 << 16)

    def key(self, byte: bytes, shows: bytes) -> float:
        """Press a key; gives the milliseconds until its effect is drawn."""
        pressed = time.perf_counter()
        os.write(self.terminal, byte)
        return (self.until(shows) - pressed) * 1000

    def cpu_seconds(self) -> float:
        """Give the time that its threads have had of a processor, which a busy machine changes least (Linux)."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def end(self) -> None:
        os.write(self.terminal, b"\x11")  # ctrl+q
        while True:
            try:
                if not os.read(self.terminal, 1 << 16):
                    break
            except OSError:
                break
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


def first_paint(command: list[str], variables: dict[str, str], text: bytes) -> tuple[float, float]:
    screen = Screen(command, variables)
    seconds = screen.until(text) - screen.started
    cpu = screen.cpu_seconds()
    screen.end()
    return seconds * 1000, cpu * 1000


def warm_up(command: list[str], variables: dict[str, str]) -> None:
    """Have it seen for some seconds, as a person does: it keeps what it needs to open as soon the next time."""
    screen = Screen(command, variables)
    screen.until(FIRST_ROW)
    screen.settle(4)
    screen.end()


def keys(command: list[str], variables: dict[str, str]) -> list[float]:
    """Type a filter, letter by letter, and take it back; each is timed by what it alone draws, the cursor's cell."""
    screen = Screen(command, variables)
    screen.until(FIRST_ROW)
    screen.settle(1.5)
    times = []
    for letter in "prod adm":
        times.append(screen.key(letter.encode(), b" of "))
        screen.settle(0.3)
    screen.end()
    return times


@dataclass(frozen=True)
class Figures:
    """What was measured for one number of roles."""

    roles: int
    ratio: float
    cpu_ratio: float
    ms: float
    cpu_ms: float
    key_ms: float
    worst_key_ms: float


def measured(roles: int, rounds: int, *, awssso: str = AWSSSO, python: str = sys.executable) -> Figures:
    """Measure in a home made for it."""
    with tempfile.TemporaryDirectory() as directory:
        variables = home_with(roles, Path(directory))
        pick, empty = [awssso, "pick", "--print"], [python, "-c", EMPTY]
        time.sleep(1.2)  # a file that was written just now is not yet taken as settled
        warm_up(pick, variables)
        first_paint(empty, variables, EMPTY_TEXT)
        runs = [
            (*first_paint(pick, variables, FIRST_ROW), *first_paint(empty, variables, EMPTY_TEXT))
            for _ in range(rounds)
        ]
        times = [each for _ in range(max(1, rounds // 3)) for each in keys(pick, variables)]
    return Figures(
        roles,
        ratio=statistics.median(run[0] / run[2] for run in runs),
        cpu_ratio=statistics.median(run[1] / run[3] for run in runs),
        ms=statistics.median(run[0] for run in runs),
        cpu_ms=statistics.median(run[1] for run in runs),
        key_ms=statistics.median(times),
        worst_key_ms=max(times),
    )


def rows(bench: Bench) -> Iterator[Row | Table]:
    """Give the rows of `make bench`."""
    from bench.report import Row, Table  # noqa: PLC0415 - `python bench/picker.py` knows no package of this name

    found = [
        measured(count, bench.rounds(9), awssso=str(bench.installed.awssso), python=bench.installed.python)
        for count in SIZES
    ]
    most = found[-1]
    yield Row(
        f"picker, {most.roles:,} roles: first paint / an empty Textual application's",
        f"<= {FIRST_PAINT}",
        f"{most.ratio:.2f} (processor time {most.cpu_ratio:.2f})",
        most.ratio <= FIRST_PAINT,
        "nearly the same with any number of roles; beyond Textual's own start it is our imports and widgets",
    )
    yield Row(
        f"picker, {most.roles:,} roles: a key to its repaint",
        f"<= {KEY_MS} ms",
        f"{most.key_ms:.0f} ms",
        most.key_ms <= KEY_MS,
    )
    yield Table(
        "The picker by the number of roles",
        ("roles", "first paint, ratio", "ms", "processor ms", "a key, ms", "slowest key, ms"),
        [
            (f"{each.roles:,}", f"{each.ratio:.2f}", f"{each.ms:.0f}", f"{each.cpu_ms:.0f}", f"{each.key_ms:.0f}",
             f"{each.worst_key_ms:.0f}")
            for each in found
        ],
        note="In a terminal of 120x40. The ratio is to an empty Textual application, round by round.",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, nargs="*", default=SIZES)
    options = parser.parse_args()
    for count in options.rows:
        figures = asdict(measured(count, options.rounds))
        rounded = {name: round(value, 2) for name, value in figures.items()}
        print(json.dumps({"bench": "picker", **rounded, "goals": {"ratio": FIRST_PAINT, "key_ms": KEY_MS}}), flush=True)


if __name__ == "__main__":
    main()
