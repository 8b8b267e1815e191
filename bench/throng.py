"""A hundred callers at once, as Terraform and its providers are."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from bench import stopwatch
from bench.report import Row
from bench.stage import staged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.__main__ import Bench

_COUNT = 100
_GOAL = 0.9


def rows(bench: Bench) -> Iterator[Row]:
    with staged(bench.installed.awssso, settings=("keyring = plaintext-file",)) as stage:
        stage.sign_in()
        line, python = stage.warm_line(), stage.bare_python()
        stopwatch.once(line)
        ratios = []
        for number in range(bench.rounds(18)):
            pair = {}
            for name, command in (("line", line), ("python", python))[:: 1 if number % 2 else -1]:
                pair[name] = stopwatch.at_once(command, _COUNT)
            ratios.append(pair["python"] / pair["line"])
        stage.order(clear=1)
        stage.stop_agent()
        try:
            stopwatch.at_once(line, _COUNT)
            start = f"{_COUNT} at once on no agent at all made {stage.order()['role_calls']} call of GetRoleCredentials"
        except stopwatch.FailedError as error:
            start = (
                f"on no agent at all {str(error).rpartition(': ')[2]}: this machine was too busy to start one in 4.5 s"
            )
    ratio = statistics.median(ratios)
    yield Row(
        f"{_COUNT} warm calls at once: throughput / {_COUNT} bare interpreters at once",
        f">= {_GOAL}",
        f"{ratio:.2f}",
        ratio >= _GOAL,
        start,
    )
