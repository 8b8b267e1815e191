"""Discovery against what the latency, and against what a throttle allows; and that nothing is lost on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report import Row
from bench.stage import staged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.__main__ import Bench
    from bench.stage import Stage

_ROLES = 4
_LATENCY = 0.04
_PAGE = 100
_GOAL_FREE, _GOAL_CPU, _GOAL_BUCKET, _GOAL_REFUSED = 1.15, 0.0005, 1.1, 0.02
_RATE, _BURST = 60.0, 20


def rows(bench: Bench) -> Iterator[Row]:
    accounts = 400 if bench.is_quick else 2000
    settings = ("keyring = plaintext-file", "agent = off")
    with staged(bench.installed.awssso, accounts=accounts, roles=_ROLES, settings=settings) as stage:
        stage.sign_in(syncs=False)
        yield from _free(bench, stage, accounts)
        for latency in (_LATENCY, 0.2):
            yield from _throttled(bench, stage, accounts, latency)


def _free(bench: Bench, stage: Stage, accounts: int) -> Iterator[Row]:
    stage.order(latency=_LATENCY)
    runs = [_discovered(bench, stage, accounts) for _ in range(3)]
    best = min(runs, key=lambda run: run["wall"])
    pages = -(-accounts // _PAGE)
    ideal = pages * _LATENCY + accounts * _LATENCY / best["workers"]
    ratio, cpu = best["wall"] / ideal, min(run["cpu"] for run in runs) / (accounts + pages)
    yield Row(
        f"discovery, {accounts} accounts x {_ROLES} roles, 40 ms a call, no throttle: wall / (pages + N / W) x 40 ms",
        f"<= {_GOAL_FREE}",
        f"{ratio:.2f} ({best['wall']:.1f} s, W = {best['workers']})",
        ratio <= _GOAL_FREE,
        "the best of three; the simulator shares the cores with it; role calls overlap with the pages",
    )
    yield Row(
        "its CPU per call",
        "<= 0.5 ms",
        f"{cpu * 1000:.2f} ms",
        cpu <= _GOAL_CPU,
        "much of it is http.client's reading of headers; part comes with 32 threads",
    )


def _throttled(bench: Bench, stage: Stage, accounts: int, latency: float) -> Iterator[Row]:
    stage.order(latency=latency, rate=_RATE, burst=_BURST, clear=1)
    run = _discovered(bench, stage, accounts)
    counted = stage.order(rate=0)
    needed = accounts + -(-accounts // _PAGE)
    own = (needed - _BURST) / _RATE
    ratio, refused = run["wall"] / own, counted["refused"] / counted["calls"]
    where = f"{latency * 1000:.0f} ms a call"
    yield Row(
        f"discovery, {accounts} accounts, bucket of 60 a second (burst 20), {where}: wall / the bucket's time",
        f"<= {_GOAL_BUCKET}",
        f"{ratio:.2f} ({run['wall']:.0f} s)",
        ratio <= _GOAL_BUCKET,
    )
    yield Row(
        f"calls refused, {where}",
        f"<= {_GOAL_REFUSED:.0%}",
        f"{refused:.1%} ({counted['refused']} of {counted['calls']})",
        refused <= _GOAL_REFUSED,
    )


def _discovered(bench: Bench, stage: Stage, accounts: int) -> dict[str, Any]:
    script = Path(__file__).with_name("discover.py")
    done = subprocess.run(
        [bench.installed.python, "-I", str(script)], env=stage.variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    run: dict[str, Any] = json.loads(done.stdout)
    if (run["accounts"], run["roles"], run["failures"]) != (accounts, accounts * _ROLES, 0):
        raise RuntimeError(f"not everything arrived: {run}")
    print(f"  {run}", file=sys.stderr)
    return run
