"""Credentials that nobody has yet: one GetRoleCredentials, with an agent and without, against botocore."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from bench import peers, stopwatch
from bench.report import Row, milliseconds, times
from bench.stage import READER, has_keyring, staged
from bench.stopwatch import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.__main__ import Bench
    from bench.stage import Stage

_WITH_AGENT, _WITHOUT = 1 / 10, 1 / 2
# What a round trip to AWS may take; it is subtracted where the goal says so.
_LATENCY = 0.04
_PLAIN = "keyring = plaintext-file"
_BOTOCORE = """
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
unsigned = Config(signature_version=UNSIGNED)
client = botocore.session.Session().create_client("sso", region_name={region!r}, config=unsigned)
answer = client.get_role_credentials(roleName={role!r}, accountId={account!r}, accessToken={token!r})
print(answer["roleCredentials"]["secretAccessKey"] and "SecretAccessKey")
"""


def rows(bench: Bench) -> Iterator[Row]:
    yield from _with_agent(bench)
    yield from _without(bench, with_keyring=False)
    if has_keyring():
        yield from _without(bench, with_keyring=True)


def _botocore(bench: Bench, stage: Stage) -> Command:
    _, account, role = READER.split("/")
    script = stage.home / "botocore_client.py"
    token = peers.make_native(stage)
    script.write_text(_BOTOCORE.format(region="us-east-1", role=role, account=account, token=token))
    return Command([bench.installed.python, str(script)], stage.variables, says=b"SecretAccessKey")


def _with_agent(bench: Bench) -> Iterator[Row]:
    """Each round asks for another role, and all are forgotten when they have been asked for."""
    with staged(bench.installed.awssso, settings=(_PLAIN,)) as stage:
        stage.sign_in()
        botocore = _botocore(bench, stage)
        stage.order(latency=_LATENCY)
        ours, theirs = [], []
        words = itertools.cycle(stage.words())
        for number in range(bench.rounds(30)):
            if number % len(stage.words()) == 0:
                stage.stop_agent()
                stage.run("agent", "start")
                stage.run("credential-process", READER)
            word = next(each for each in words if each != READER)
            ours.append(stopwatch.once(stage.warm_line(word)).wall - _LATENCY)
            theirs.append(stopwatch.once(botocore).wall - _LATENCY)
    ratio = sorted(a / b for a, b in zip(ours, theirs, strict=True))[len(ours) // 2]
    middle = sorted(ours)[len(ours) // 2]
    yield Row(
        "cold, agent running, over the server's latency / botocore in a fresh process",
        "<= 1/10",
        f"{times(ratio)} ({milliseconds(middle)})",
        ratio <= _WITH_AGENT,
        f"latency {_LATENCY * 1000:.0f} ms, subtracted from both",
    )


def _without(bench: Bench, *, with_keyring: bool) -> Iterator[Row]:
    keyring = () if with_keyring else (_PLAIN,)
    where = "token in a real Secret Service" if with_keyring else "token in a file, as botocore's"
    with staged(bench.installed.awssso, settings=keyring, with_keyring=with_keyring) as stage:
        stage.sign_in()
        commands = {
            "botocore": _botocore(bench, stage),
            "no agent": _off(stage, keyring),
            "first": _first(stage, keyring),
        }
        found = stopwatch.in_turn(commands, bench.rounds(20))
    ratio = stopwatch.ratio(found["no agent"], found["botocore"])
    yield Row(
        f"cold, no agent (`agent = off`), whole process / botocore; {where}",
        "" if with_keyring else "<= 1/2",
        f"{ratio:.2f} ({milliseconds(stopwatch.wall(found['no agent']))})",
        None if with_keyring else ratio <= _WITHOUT,
        "the libraries for D-Bus and its cipher are most of it" if with_keyring else "imports are most of it",
    )
    ratio = stopwatch.ratio(found["first"], found["botocore"])
    yield Row(
        f"the first call of all, which starts the agent / botocore; {where}",
        "",
        f"{ratio:.2f} ({milliseconds(stopwatch.wall(found['first']))})",
        None,
        "two interpreters start one after the other; `login` starts the agent, so this is for those who killed it",
    )


def _off(stage: Stage, keyring: tuple[str, ...]) -> Command:
    """Ask for another role each time: without an agent the keyring is the cache, and it has none of them yet."""
    others = iter([word for word in stage.words() if word != READER])
    words = [stage.launcher(), "credential-process", ""]

    def take_another() -> None:
        stage.settings(*keyring)
        stage.stop_agent()
        stage.settings(*keyring, "agent = off")
        words[-1] = next(others)

    return Command(words, stage.variables, before=take_another, says=b"SecretAccessKey")


def _first(stage: Stage, keyring: tuple[str, ...]) -> Command:
    def stop() -> None:
        stage.settings(*keyring)
        stage.stop_agent()

    words = [stage.launcher(), "credential-process", READER]
    return Command(words, stage.variables, before=stop, says=b"SecretAccessKey")
