"""`make bench`: measure everything and write RESULTS.md. `QUICK=1` is a short form; words choose rooms by name.

To measure something new: a module here with `rows(bench: Bench)`, a generator of `report.Row` and `report.Table`;
name it in ROOMS.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench import machine, report
from bench.peers import Installed, installed, tell

ROOMS = ("warm", "boto", "cold", "throng", "dispatch", "picker", "memory", "discovery", "growth")
RESULTS = Path(__file__).with_name("RESULTS.md")


@dataclass(frozen=True)
class Bench:
    """What a room works with."""

    installed: Installed
    is_quick: bool

    def rounds(self, many: int) -> int:
        """Give how often to repeat something that is to be repeated `many` times."""
        return max(3, many // 6) if self.is_quick else many


def main() -> int:
    chosen = [name for name in ROOMS if name in sys.argv[1:]] or list(ROOMS)
    unknown = set(sys.argv[1:]) - set(ROOMS)
    if unknown:
        print(f"there is no {', '.join(unknown)}; rooms: {' '.join(ROOMS)}", file=sys.stderr)
        return 2
    began, before = time.monotonic(), machine.load()
    tell("installing awssso and its peers into .bench (the first time takes some minutes)")
    bench = Bench(installed(), bool(os.environ.get("QUICK")))
    results: list[report.Row | report.Table] = []
    text = ""
    for name in chosen:
        results += _measured(name, bench)
        minutes = (time.monotonic() - began) / 60
        about = [
            *machine.facts(bench.installed.python),
            f"load of the machine before {before}, after {machine.load()}; the run took {minutes:.0f} minutes",
        ]
        text = report.page(results, machine=about, is_quick=bench.is_quick)
        if chosen == list(ROOMS):
            # After each room: an interrupted run leaves what it has measured.
            RESULTS.write_text(text)
            tell(f"written: {RESULTS}, with {name}")
    if chosen != list(ROOMS):
        print(text)
    return 0


def _measured(name: str, bench: Bench) -> list[report.Row | report.Table]:
    """Measure one room. What goes wrong in it is a row of the results, and no end of the others."""
    if importlib.util.find_spec(f"bench.{name}") is None:
        tell(f"{name}: there is no bench/{name}.py yet")
        return []
    tell(f"{name} ...")
    results = []
    try:
        for result in importlib.import_module(f"bench.{name}").rows(bench):
            results.append(result)
            if isinstance(result, report.Row):
                tell(json.dumps([result.what, result.measured, result.goal]))
    except Exception as error:  # noqa: BLE001 - an hour of measuring is not lost for one room
        tell(f"{name} failed: {error}")
        results.append(report.Row(name, "", f"failed: {type(error).__name__}", note=str(error)[:300]))
    return results


if __name__ == "__main__":
    sys.exit(main())
