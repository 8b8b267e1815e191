"""`make soak`: the long forms of the tests, part by part, each with a limit of time; prints their figures.

`python tests/soak.py kills keyring` runs these parts only, `--jobs 2` two at a time: the longest first, and what a part
has said comes in one block when it is over. The figures of all stand once more at the end.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent


@dataclass(frozen=True)
class Part:
    """The files of a part, the seconds that it may take on two cores that have nothing else to do, and which tests."""

    files: tuple[str, ...]
    seconds: float
    only: str = ""


# The longest first, so that side by side they end together.
PARTS = {
    "migrate": Part(("test_migrate_faults.py", "test_migration_model.py"), 2700, "not killed_at_every"),
    "migrate-kills": Part(("test_migrate_faults.py",), 2700, "killed_at_every"),
    # The whole suite once more, in an installation of the source archive.
    "archive": Part(("test_supply_chain.py",), 3000),
    "kills": Part(("test_hold_files.py",), 2400, "kill"),
    "errors": Part(("test_hold_files.py",), 2400, "not kill"),
    "names": Part(("test_names.py",), 1800),
    "replies": Part(("test_replies.py",), 1800),
    "parallel": Part(("test_hold_parallel.py",), 1800),
    "power": Part(("test_hold_power.py",), 600),
    "keyring": Part(("test_hold_keyring.py",), 600),
    "agent": Part(("test_hold_agent.py",), 600),
    "launch": Part(("test_hold_launch.py",), 600),
}
OTHERS_SECONDS = 1800
# These say how fast something was, or fill both cores themselves: nothing else runs beside them.
ALONE = ("parallel", "keyring", "agent")
# Two parts at once take longer, each.
LENIENCE = 1.8
NOTHING_TO_RUN = 5
MARK = "pytest.mark.soak"
PRINTS = threading.Lock()
# A long form is not stuck after the five minutes that a test may take.
SILENT = "faulthandler_timeout=0"


@dataclass(frozen=True)
class Outcome:
    """How a part ended, in words that begin with `passed` where it did, and the figures that it printed."""

    said: str
    figures: tuple[str, ...] = ()


def main(arguments: list[str]) -> int:
    """Run the parts; gives 1 when one failed, or took too long."""
    parts = {**PARTS, "others": Part(others(), OTHERS_SECONDS)}
    parser = argparse.ArgumentParser(prog="soak.py", description="Run the long forms of the tests.")
    parser.add_argument("--jobs", type=int, default=1, help="how many parts at a time (default 1)")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which; all when none is named: {', '.join(parts)}")
    options = parser.parse_args(arguments)
    unknown = set(options.parts) - set(parts)
    if unknown:
        sys.exit(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    began = time.monotonic()
    wanted = {name: parts[name] for name in options.parts or parts}
    outcomes = run(wanted, max(1, options.jobs))
    tell_totals(wanted, outcomes, time.monotonic() - began)
    return 0 if all(each.said.startswith("passed") for each in outcomes.values()) else 1


def run(wanted: dict[str, Part], jobs: int) -> dict[str, Outcome]:
    """Run those that may have company first, so many at a time, then the others one by one."""
    together = [name for name in wanted if jobs > 1 and name not in ALONE]
    outcomes = {}
    lenience = LENIENCE if len(together) > 1 else 1.0
    with ThreadPoolExecutor(jobs) as pool:
        begun = {name: pool.submit(outcome, name, wanted[name], lenience) for name in together}
        outcomes.update({name: each.result() for name, each in begun.items()})
    outcomes.update({name: outcome(name, part) for name, part in wanted.items() if name not in together})
    return outcomes


def tell_totals(wanted: dict[str, Part], outcomes: dict[str, Outcome], took: float) -> None:
    print("\nsoak: figures")
    for name in wanted:
        for line in outcomes[name].figures:
            print(f"  {name}: {line}")
    print(f"\nsoak: {took / 60:.0f} minutes")
    for name in wanted:
        print(f"  {name}: {outcomes[name].said}")


def others() -> tuple[str, ...]:
    """Give the files with long forms that no part names."""
    named = {name for part in PARTS.values() for name in part.files}
    return tuple(
        path.name for path in sorted(TESTS.glob("test_*.py")) if path.name not in named and MARK in path.read_text()
    )


def outcome(name: str, part: Part, lenience: float = 1.0) -> Outcome:
    """Run one part and print what it said, in one block."""
    present = [str(TESTS / each) for each in part.files if (TESTS / each).exists()]
    if not present:
        return Outcome("passed: there is nothing in it")
    seconds = part.seconds * lenience
    began = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        # A group of its own, so that what the tests have started ends with them.
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-s", "-m", "soak", "-k", part.only, "-o", SILENT, *present],
            cwd=TESTS.parent, start_new_session=True, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        output.seek(0)
        text = output.read()
    took = f"{time.monotonic() - began:.0f} of {seconds:.0f} seconds"
    said = "passed" if status in (0, NOTHING_TO_RUN) else "not done" if status == -signal.SIGKILL else "failed"
    with PRINTS:
        print(f"\nsoak: {name}: {said} in {took}\n{text.rstrip()}", flush=True)
    return Outcome(f"{said} in {took}", figures_in(text))


def figures_in(text: str) -> tuple[str, ...]:
    """Give the lines below pytest's heading `figures`."""
    _, _, below = text.partition(" figures ====")
    return tuple(line for line in below.splitlines() if re.match(r"test_\w+(\[.*\])?: ", line))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
