"""What a user of boto3 waits for: a fresh process with our profile, and with botocore's own SSO provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import peers, stopwatch
from bench.report import Row, milliseconds
from bench.stage import has_keyring, staged
from bench.stopwatch import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.__main__ import Bench

_GOAL = 0.75
_LATENCY = 0.04
_OURS = "production.ReadOnlyAccess"
_SCRIPT = "import boto3; print(boto3.Session(profile_name={!r}).get_credentials().get_frozen_credentials().access_key)"


def rows(bench: Bench) -> Iterator[Row]:
    with_keyring = has_keyring()
    settings = () if with_keyring else ("keyring = plaintext-file",)
    with staged(bench.installed.awssso, settings=settings, with_keyring=with_keyring) as stage:
        stage.sign_in()
        peers.make_native(stage)
        python = bench.installed.python
        commands = {
            name: Command([python, "-c", _SCRIPT.format(profile)], stage.variables, says=b"ASIA")
            for name, profile in (("ours", _OURS), ("native", peers.NATIVE))
        }
        stage.order(latency=_LATENCY)
        found = stopwatch.in_turn(commands, bench.rounds(40))
        stage.order(latency=0)
        without = stopwatch.in_turn(commands, bench.rounds(20))
    ratio, least = (stopwatch.ratio(each["ours"], each["native"]) for each in (found, without))
    ours, native = (milliseconds(stopwatch.wall(found[name])) for name in ("ours", "native"))
    yield Row(
        "fresh boto3 process: our profile / botocore's SSO profile, 40 ms a call",
        f"<= {_GOAL}",
        f"{ratio:.2f} ({ours} / {native})",
        ratio <= _GOAL,
        f"botocore asks AWS in each process, ours has asked already; with a server that answers at once: {least:.2f}. "
        "Most of both is the import of boto3",
    )
