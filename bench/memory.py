"""The agent's resident memory: 50 roles, asked for all through hours that pass in a minute.

The agent runs on clocks that this module sets (`time.time` and `time.monotonic` of its process are moved on, as the
tests do), and the simulator's clock goes with them: credentials age, are renewed, and expire as they would.
"""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from awssso_helper import agent_client
from awssso_helper.environment import Environment
from bench import stopwatch
from bench.report import Row
from bench.stage import SESSION, staged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.__main__ import Bench
    from bench.stage import Stage

_ROLES, _MINUTES, _LONGER = 50, 60, 240
_GOAL_MIB = 30
# More than this is growth: the allocator's own comings and goings are below it.
_NOISE_MIB = 0.5
_CLOCKED = """
import sys, time
wall, steady, file = time.time, time.monotonic, sys.argv.pop(1)
def offset():
    return float(open(file).read())
time.time = lambda: wall() + offset()
time.monotonic = lambda: steady() + offset()
from awssso_helper.__main__ import main
main()
"""


def rows(bench: Bench) -> Iterator[Row]:
    settings = ("keyring = plaintext-file",)
    with staged(bench.installed.awssso, accounts=_ROLES, roles=1, settings=settings) as stage:
        stage.sign_in()
        stage.stop_agent()
        clock = stage.home / "clock"
        clock.write_text("0")
        agent = subprocess.Popen(
            [bench.installed.python, "-I", "-c", _CLOCKED, str(clock), "agent", "serve"],
            env=stage.variables, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while not agent_client.is_up(Environment(stage.variables)):
                time.sleep(0.1)
            sizes = _sizes(stage, agent.pid, clock, 90 if bench.is_quick else _LONGER)
        finally:
            agent.terminate()
            agent.wait()
        calls = stage.order()["role_calls"]
    at_first, hour, end = sizes[0], sizes[min(_MINUTES, len(sizes) - 1)], sizes[-1]
    growth = end - sizes[len(sizes) // 2]
    yield Row(
        f"agent's memory after {_ROLES} roles and an hour of use",
        f"<= {_GOAL_MIB} MiB",
        f"{hour:.1f} MiB",
        hour <= _GOAL_MIB,
        f"clocks set on, {calls} calls of GetRoleCredentials made",
    )
    yield Row(
        f"its growth from hour {len(sizes) // 2 / 60:.1f} to hour {len(sizes) / 60:.1f}",
        "none",
        f"{growth:+.1f} MiB ({at_first:.1f} with all roles at first, {end:.1f} at the end)",
        growth <= _NOISE_MIB,
    )


def _sizes(stage: Stage, pid: int, clock: Path, minutes: int) -> list[float]:
    """Ask for all roles each minute; give the size in MiB after each."""
    environment = Environment(stage.variables)
    words = [word for word in stage.words() if word.startswith(f"{SESSION}/")][:_ROLES]
    sizes = []
    for minute in range(minutes):
        for word in words:
            answer = agent_client.asked(environment, "get", word)
            if answer is None or answer[:1] != b"0":
                raise RuntimeError(f"minute {minute}: {word}: {answer!r}"[:200])
        sizes.append(stopwatch.status_kib(pid, "VmRSS") / 1024)
        stage.order(advance=60)
        temporary = clock.with_suffix(".new")
        temporary.write_text(str(60 * (minute + 1)))
        temporary.replace(clock)
        # It looks around every two seconds of its own time, so at once; what it renews takes a moment.
        time.sleep(0.2)
    return sizes
