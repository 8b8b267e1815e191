"""How cost grows with the organisation: sync, a second sync, config write, `list --names`, and every start of `aws`."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from bench import stopwatch
from bench.report import Row, Table, milliseconds
from bench.stage import staged
from bench.stopwatch import Command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.__main__ import Bench
    from bench.stage import Stage

_SIZES, _QUICK_SIZES = (100, 1000, 5000), (100, 1000)
_ROLES = 4
_LATENCY = 0.04
# Twice as much a profile at the largest as at the smallest would be worse than linear; so much is noise.
_LINEAR = 1.5
_CONFIGURE = "configure get region --profile {}"


def rows(bench: Bench) -> Iterator[Row | Table]:
    sizes = _QUICK_SIZES if bench.is_quick else _SIZES
    measured = {size: _measured(bench, size) for size in sizes}
    header = ("", *(f"{size:,} accounts, {size * _ROLES:,} profiles" for size in sizes))
    names = list(measured[sizes[0]])
    lines = [(name, *(milliseconds(measured[size][name]) for size in sizes)) for name in names]
    note = (
        f"40 ms a call, no throttle. The sync is the whole command. What an `aws` start pays is the difference of "
        f"`aws {_CONFIGURE.format('NAME')}` with the block and without it."
    )
    yield Table("How cost grows", header, lines, note)
    # The next smaller one: at the smallest, what a start adds is less than the noise.
    small, large = sizes[-2], sizes[-1]
    for name in names:
        factor = measured[large][name] / large / (measured[small][name] / small)
        yield Row(
            f"{name}: cost per profile at {large:,} accounts / at {small:,}",
            "linear or better",
            f"{factor:.2f}",
            factor <= _LINEAR,
        )


def _measured(bench: Bench, accounts: int) -> dict[str, float]:
    settings = ("keyring = plaintext-file", "agent = off")
    with staged(bench.installed.awssso, accounts=accounts, roles=_ROLES, settings=settings) as stage:
        stage.sign_in(syncs=False)
        stage.order(latency=_LATENCY)
        config = stage.home / ".aws" / "config"
        without = config.read_bytes()
        figures = {"first sync": _timed(stage, "sync", "--full")}
        stage.order(latency=0)
        written = config.read_bytes()
        config.write_bytes(without)
        figures["the block written anew, nothing asked"] = _timed(stage, "sync")
        if config.read_bytes() != written:
            raise RuntimeError("the block is not as it was")
        figures["second sync, nothing new"] = min(_timed(stage, "sync") for _ in range(2))
        figures["`list --names`"] = _wall(bench, Command([str(stage.awssso), "list", "--names"], stage.variables))
        figures["`list account-0001`"] = _wall(
            bench, Command([str(stage.awssso), "list", "account-0001"], stage.variables)
        )
        stage.run("credential-process", stage.words()[0])
        for name, program in (("v2", bench.installed.aws_v2), ("v1", bench.installed.aws_v1)):
            if program is not None:
                figures[f"added to each `aws` start ({name})"] = _added(bench, stage, program, without)
        return figures


def _timed(stage: Stage, *arguments: str) -> float:
    began = time.perf_counter()
    stage.run(*arguments)
    return time.perf_counter() - began


def _wall(bench: Bench, command: Command) -> float:
    return stopwatch.wall(stopwatch.in_turn({"it": command}, bench.rounds(12))["it"])


def _added(bench: Bench, stage: Stage, program: Path, without: bytes) -> float:
    """Give what the block adds to a start: the same command in the same home, with the block and without."""
    bare = stage.home / "without-block"
    mine = b"\n[profile mine]\nregion = eu-west-1\n"
    bare.write_bytes(without + mine)
    full = stage.home / "with-block"
    full.write_bytes((stage.home / ".aws" / "config").read_bytes() + mine)
    commands = {
        name: Command(
            [str(program), *_CONFIGURE.format("mine").split()],
            {**stage.variables, "AWS_CONFIG_FILE": str(path)},
            says=b"eu-west-1",
        )
        for name, path in (("with", full), ("without", bare))
    }
    found = stopwatch.in_turn(commands, bench.rounds(12))
    # CPU time: what is measured is parsing, and a difference of two wall times is mostly what else went on.
    pairs = zip(found["with"], found["without"], strict=True)
    return max(0.001, statistics.median(longer.cpu - shorter.cpu for longer, shorter in pairs))
