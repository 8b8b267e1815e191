"""Whole processes, timed as an SDK sees them: from the start until stdout is at its end and the process is reaped.

Commands that are compared run in turn, round after round, each round beginning with another one; what is quoted is
the median of the per-round ratios, so that a machine whose speed drifts does no harm.
"""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LONGEST = 120.0


@dataclass(frozen=True)
class Sample:
    """One run; seconds, except `peak_kib`, which never shows less than this process's own size."""

    wall: float
    cpu: float
    peak_kib: int


@dataclass(frozen=True)
class Command:
    """What is run. `before` is called each time, outside of the measured time; status and output are demanded."""

    words: Sequence[str]
    variables: Mapping[str, str]
    before: Callable[[], object] = field(default=lambda: None)
    says: bytes = b""


class FailedError(Exception):
    """A command did not do what it is measured for."""


def in_turn(commands: Mapping[str, Command], rounds: int) -> dict[str, list[Sample]]:
    """Measure commands against each other; one round more than asked warms all caches and is not counted."""
    names = list(commands)
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for number in range(rounds + 1):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            sample = once(commands[name])
            if number:
                samples[name].append(sample)
    return samples


def once(command: Command) -> Sample:
    """Run a command.

    Raises:
        FailedError: its status is not 0, or it does not say what it should.
    """
    command.before()
    began = time.perf_counter()
    pid, output = spawned(command)
    said = _read(output)
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    if status or command.says not in said:
        raise FailedError(
            f"{' '.join(command.words)[:200]}: status {os.waitstatus_to_exitcode(status)}, said {said[:200]!r}"
        )
    return Sample(wall, used.ru_utime + used.ru_stime, used.ru_maxrss)


def spawned(command: Command) -> tuple[int, int]:
    """Start a command; give its pid and the pipe that it writes to."""
    reading, writing = os.pipe()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, writing, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    words = list(command.words)
    pid = os.posix_spawn(words[0], words, dict(command.variables), file_actions=actions, setsigdef=[signal.SIGPIPE])
    os.close(writing)
    return pid, reading


def _read(pipe: int) -> bytes:
    said = b""
    while piece := os.read(pipe, 65536):
        said += piece
    os.close(pipe)
    return said


def at_once(command: Command, count: int) -> float:
    """Start a command many times at once; give the seconds until the last one has ended.

    Raises:
        FailedError: one of them failed.
    """
    began = time.perf_counter()
    running = [spawned(command) for _ in range(count)]
    ends = [os.waitpid(pid, 0)[1] for pid, _ in running]
    wall = time.perf_counter() - began
    said = [_read(pipe) for _, pipe in running]
    if any(ends) or any(command.says not in each for each in said):
        raise FailedError(f"{' '.join(command.words)[:200]}: {sum(map(bool, ends))} of {count} failed")
    return wall


def peak_kib(command: Command) -> int:
    """Give the peak memory of a process that writes less than a pipe holds.

    What wait4 says includes the memory of whoever started it. So the pipe is full beforehand: the process waits in
    its last write, and the kernel is asked for the peak of its own.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    filled = 0
    try:
        while True:
            filled += os.write(writing, b" " * 4096)
    except BlockingIOError:
        os.set_blocking(writing, True)
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, writing, 1)]
    words = list(command.words)
    pid = os.posix_spawn(words[0], words, dict(command.variables), file_actions=actions)
    os.close(writing)
    time.sleep(1.0)
    peak = status_kib(pid, "VmHWM")
    _read(reading)
    os.waitpid(pid, 0)
    return peak


def status_kib(pid: int, name: str) -> int:
    """Give a memory figure of a process from /proc; 0 where there is none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def ratio(ours: Sequence[Sample], theirs: Sequence[Sample]) -> float:
    """Give the median of the per-round ratios of wall time."""
    return statistics.median(a.wall / b.wall for a, b in zip(ours, theirs, strict=True))


def wall(samples: Sequence[Sample]) -> float:
    """Give the median wall time in seconds."""
    return statistics.median(sample.wall for sample in samples)


def cpu(samples: Sequence[Sample]) -> float:
    """Give the median CPU time in seconds."""
    return statistics.median(sample.cpu for sample in samples)


def pause(seconds: float) -> None:
    """Let the machine settle."""
    threading.Event().wait(min(seconds, _LONGEST))
