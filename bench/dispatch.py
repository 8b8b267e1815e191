"""What a person and their shell wait for: the smallest commands against a bare interpreter and against argparse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import stopwatch
from bench.report import Table, milliseconds
from bench.stage import staged
from bench.stopwatch import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.__main__ import Bench

_COMMANDS = ("--version", "list --names", "list production", "status", "agent status", "--help")


def rows(bench: Bench) -> Iterator[Table]:
    with staged(bench.installed.awssso, settings=("keyring = plaintext-file",)) as stage:
        stage.sign_in()
        python = bench.installed.python
        commands = {
            "python": stage.bare_python(),
            "`python -c 'import argparse'`": Command([python, "-c", "import argparse"], stage.variables),
            "`python -c 'import argparse, json, pathlib'`": Command(
                [python, "-c", "import argparse, json, pathlib"], stage.variables
            ),
        }
        for words in _COMMANDS:
            commands[f"`awssso {words}`"] = Command([str(stage.awssso), *words.split()], stage.variables)
        found = stopwatch.in_turn(commands, bench.rounds(40))
    lines = [
        (name, f"{stopwatch.ratio(samples, found['python']):.1f}", milliseconds(stopwatch.wall(samples)))
        for name, samples in found.items()
        if name != "python"
    ]
    yield Table(
        "Commands that a person types",
        ("command", "times `python -I -S -c pass`", "here"),
        lines,
        "In the sample organisation, 34 profiles.",
    )
