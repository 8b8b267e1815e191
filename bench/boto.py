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
        found = stopwatch.in_turn(commands, bench.rounds(40))
    ratio = stopwatch.ratio(found["ours"], found["native"])
    ours, native = (milliseconds(stopwatch.wall(found[name])) for name in ("ours", "native"))
    yield Row(
        "fresh boto3 process: our profile / botocore's SSO profile",
        f"<= {_GOAL}",
        f"{ratio:.2f} ({ours} / {native})",
        ratio <= _GOAL,
        "both at a server without latency; over a real network ours, which asks nobody, gains what one call takes",
    )
