"""The warm line of a profile, whole process, against a bare interpreter, the installers' scripts and the peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import peers, stopwatch
from bench.report import Row, Table, milliseconds, times
from bench.stage import KEYRING_PROGRAMS, READER, has_keyring, staged
from bench.stopwatch import Command, FailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.__main__ import Bench
    from bench.peers import Installed
    from bench.stage import Stage

_EXPORT = "configure export-credentials --profile legacy"
_LEAST, _PEAK_MIB = 1.1, 9


def rows(bench: Bench) -> Iterator[Row | Table]:
    with_keyring = has_keyring()
    settings = () if with_keyring else ("keyring = plaintext-file",)
    where = "" if with_keyring else f"without a Secret Service: {' or '.join(KEYRING_PROGRAMS)} is not installed"
    with staged(bench.installed.awssso, settings=settings, with_keyring=with_keyring) as stage:
        stage.sign_in()
        yield from _against_python(bench, stage, where)
        yield from _against_peers(bench, stage)


def _against_python(bench: Bench, stage: Stage, where: str) -> Iterator[Row]:
    words = ["credential-process", READER]
    commands = {
        "python": stage.bare_python(),
        "line": stage.warm_line(),
        "new pip": Command([str(bench.installed.awssso), *words], stage.variables, says=b"SecretAccessKey"),
        "pip 23": Command([str(bench.installed.awssso_old_pip), *words], stage.variables, says=b"SecretAccessKey"),
    }
    found = stopwatch.in_turn(commands, bench.rounds(200))
    line = stopwatch.ratio(found["line"], found["python"])
    yield Row(
        "warm line of a profile / `python -I -S -c pass`",
        f"<= {_LEAST}",
        f"{line:.2f} ({milliseconds(stopwatch.wall(found['line']))})",
        line <= _LEAST,
        where,
    )
    peak = stopwatch.peak_kib(stage.warm_line()) / 1024
    bare = stopwatch.peak_kib(Command([stage.interpreter(), "-I", "-S", "-c", "print()"], stage.variables)) / 1024
    yield Row(
        "its peak memory",
        f"<= {_PEAK_MIB} MiB",
        f"{peak:.1f} MiB",
        peak <= _PEAK_MIB,
        f"a bare interpreter: {bare:.1f}",
    )
    for name, goal in (("new pip", 1.3), ("pip 23", 2.1)):
        value = stopwatch.ratio(found[name], found["python"])
        yield Row(f"`awssso credential-process` as {name} installs it", f"<= {goal}", f"{value:.2f}", value <= goal)


def _against_peers(bench: Bench, stage: Stage) -> Iterator[Row | Table]:
    peers.make_native(stage)
    peers.warm_cli_cache(stage)
    installed = bench.installed
    wanted = {
        "AWS CLI v2, its cache warm": (installed.aws_v2_present, _EXPORT, 1 / 40),
        "AWS CLI v2 of Debian 12, its cache warm": (installed.aws_v2, _EXPORT, 1 / 40),
        "aws-sso-util, its cache warm": (installed.aws_sso_util, "credential-process --profile legacy", 1 / 30),
        "aws-export-credentials": (installed.aws_export_credentials, "--profile native", None),
        "aws2-wrap": (installed.aws2_wrap, "--process --profile legacy", None),
    }
    lines: list[tuple[str, ...]] = []
    for name, (program, arguments, goal) in wanted.items():
        if program is None:
            yield Row(f"warm line / {name}", f"<= {times(goal)}" if goal else "", "not measured: not installed here")
            continue
        theirs = Command([str(program), *arguments.split()], _with_aws(stage, installed), says=b"SecretAccessKey")
        try:
            found = stopwatch.in_turn({"theirs": theirs, "ours": stage.warm_line()}, bench.rounds(20))
        except FailedError as failure:
            lines.append((name, "-", "-", "-", str(failure)[:160]))
            if goal:
                yield Row(f"warm line / {name}", f"<= {times(goal)}", "not measured: it fails here", None, str(failure))
            continue
        ratio = stopwatch.ratio(found["ours"], found["theirs"])
        seconds, peak = stopwatch.wall(found["theirs"]), max(each.peak_kib for each in found["theirs"])
        lines.append((name, times(ratio), milliseconds(seconds), f"{peak / 1024:.0f} MiB", ""))
        if goal:
            yield Row(f"warm line / {name}", f"<= {times(goal)}", times(ratio), ratio <= goal)
    yield Table("One call of a credential_process", ("peer", "ours / theirs", "theirs", "their peak memory", ""), lines)


def _with_aws(stage: Stage, installed: Installed) -> dict[str, str]:
    """Give the variables with a present AWS CLI first on the PATH: aws2-wrap starts `aws`."""
    if installed.aws_v2_present is None:
        return stage.variables
    return {**stage.variables, "PATH": f"{installed.aws_v2_present.parent}:{stage.variables['PATH']}"}
