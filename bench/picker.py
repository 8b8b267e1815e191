"""How soon the picker is there, and how soon a key is answered: JSON rows, one a line.

    python bench/picker.py [--rounds 5] [--rows 100 1000 10000]

First paint is from the start of the process to the first role on the screen, against an empty Textual application from
its start to its text, both in a terminal of 120x40 that this program plays. A key is timed from its byte to the end of
the repaint that shows its effect. Runs alternate, so that a machine that drifts does so for both.
"""

from __future__ import annotations

import argparse
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
from pathlib import Path

from awssso_helper import profiles, settings
from awssso_helper.discovery import Memory
from awssso_helper.environment import Environment
from awssso_helper.model import Account, AccountRoles, Deadline, Inventory

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
LIMITS = {"first_paint": 1.3, "key_ms": 50}


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
    os.environ.update(variables)
    environment = Environment(variables)
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
    plan = profiles.plan(text, b"", [inventory], rules=rules, launcher="/usr/bin/awssso", ledger=profiles.Ledger())
    environment.aws_config_file.parent.mkdir()
    environment.aws_config_file.write_bytes(plan.after)
    environment.settings_file.parent.mkdir(parents=True)
    environment.settings_file.write_text("keyring = plaintext-file\nagent = off\n")
    return variables


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, nargs="*", default=[100, 1_000, 10_000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        for rows in options.rows:
            home = Path(directory) / str(rows)
            home.mkdir()
            measure(rows, home_with(rows, home), options.rounds)


def measure(rows: int, variables: dict[str, str], rounds: int) -> None:
    pick, empty = [AWSSSO, "pick", "--print"], [sys.executable, "-c", EMPTY]
    time.sleep(1.2)  # a file that was written just now is not yet taken as settled
    first_paint(pick, variables, FIRST_ROW)
    first_paint(empty, variables, b"n-empty-application")
    runs = [
        (*first_paint(pick, variables, FIRST_ROW), *first_paint(empty, variables, b"n-empty-application"))
        for _ in range(rounds)
    ]
    times = [each for _ in range(max(1, rounds // 3)) for each in keys(pick, variables)]
    say(
        "first_paint",
        rows,
        ratio=statistics.median(run[0] / run[2] for run in runs),
        cpu_ratio=statistics.median(run[1] / run[3] for run in runs),
        ms=statistics.median(run[0] for run in runs),
        cpu_ms=statistics.median(run[1] for run in runs),
        limit=LIMITS["first_paint"],
    )
    say("key_ms", rows, ms=statistics.median(times), worst=max(times), limit=LIMITS["key_ms"])


def say(what: str, rows: int, **figures: float) -> None:
    print(json.dumps({"bench": "picker", "what": what, "rows": rows, **{k: round(v, 2) for k, v in figures.items()}}))


if __name__ == "__main__":
    main()
