"""What it takes to hold a command under fire: processes that are ready to run, strace that strikes at a system call.

A `Stable` is one Python with all of awssso loaded; each command is a fork of it, which costs 10 ms where a start costs
250, and touches no file but those of its work. So thousands of kills and errors at each system call are affordable.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from awssso_helper.simulator import person

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

SECONDS = 60
# How long a login that a fault has made deaf may wait for its browser before somebody ends it.
LOST_SECONDS = 3
TEMPORARY = re.compile(r"\..+\.awssso-[0-9a-f]{16}\.tmp", re.DOTALL)
# Each forks; the parent learns who it is once it has stopped, and how it ended. What a command prints goes to files.
GROOM = r"""
import importlib, json, os, pkgutil, signal, sys
import awssso_helper
for each in pkgutil.walk_packages(awssso_helper.__path__, "awssso_helper."):
    if not each.name.endswith(("__main__", "warm_main")):
        importlib.import_module(each.name)
import keyring.backends.SecretService, configobj, configobj.validate, secretstorage, rich.progress, secretstorage.util
import urllib3, ssl, http.client, urllib.request, shutil, email.parser, difflib, concurrent.futures, encodings.idna
from awssso_helper.__main__ import main
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    if "wait" in order:
        pid, status = os.waitpid(order["wait"], 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)
        continue
    pid = os.fork()
    if pid == 0:
        os.environ.clear()
        os.environ.update(order["variables"])
        os.chdir(order["cwd"])
        if order.get("setsid"):
            os.setsid()
        for number, name in enumerate(("in", "out", "error")):
            flags = os.O_RDONLY if name == "in" else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            opened = os.open(order[name], flags, 0o600)
            os.dup2(opened, number)
            os.close(opened)
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)
        sys.stderr = open(2, "w", closefd=False)
        sys.argv = ["awssso", *order["arguments"]]
        if order["stops"]:
            os.kill(os.getpid(), signal.SIGSTOP)
        main()
    if order["stops"]:
        os.waitpid(pid, os.WUNTRACED)
    print(json.dumps(pid), flush=True)
"""


def children(pid: int) -> list[int]:
    """Give the processes that a process has started and that still run."""
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(each.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(each.parent.name))
    return found


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended; `struck` says whether the injection came to pass."""

    status: int
    out: str
    error: str
    struck: bool = False


@dataclass(slots=True)
class Point:
    """The `number`-th call of a system call by any one thread."""

    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.call}#{self.number}"


@dataclass(slots=True)
class Running:
    """A command that was started and not waited for."""

    stable: Stable
    pid: int
    out: Path
    error: Path
    over: threading.Event = field(default_factory=threading.Event)

    def end(self) -> Done:
        status = self.stable.waited(self.pid)
        self.over.set()
        done = Done(status, self.out.read_text(errors="replace"), self.error.read_text(errors="replace"))
        for path in (self.out, self.error):
            path.unlink()
        return done


class Stable:
    """A Python with all of awssso loaded, that becomes any command of a user without a start."""

    def __init__(self, sandbox, scratch: Path) -> None:
        self.sandbox = sandbox
        self.scratch = scratch
        self.count = 0
        scratch.mkdir(exist_ok=True)
        self._groom = subprocess.Popen(
            [sys.executable, "-c", GROOM],
            env={**sandbox.variables},
            cwd=scratch,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._groom.stdout.readline() == "ready\n"

    def close(self) -> None:
        self._groom.stdin.close()
        self._groom.wait(SECONDS)
        self._groom.stdout.close()

    def _told(self, **order) -> int:
        self._groom.stdin.write(json.dumps(order) + "\n")
        self._groom.stdin.flush()
        return json.loads(self._groom.stdout.readline())

    def waited(self, pid: int) -> int:
        return self._told(wait=pid)

    def start(self, *arguments: str, stops: bool = False, **more: str) -> Running:
        """Begin a command; with `stops` it stands still until SIGCONT."""
        self.count += 1
        out, error = (self.scratch / f"{self.count}.{name}" for name in ("out", "error"))
        pid = self._told(
            arguments=arguments,
            variables={**self.sandbox.variables, **more},
            cwd=str(self.sandbox.home),
            **{"in": os.devnull, "out": str(out), "error": str(error)},
            stops=stops,
        )
        running = Running(self, pid, out, error)
        if "login" in arguments:
            threading.Thread(target=_sign_in, args=(running,), daemon=True).start()
        return running

    def run(self, *arguments: str, **more: str) -> Done:
        return self.start(*arguments, **more).end()

    def struck(self, point: Point, how: str, *arguments: str, **more: str) -> Done:
        """Run a command, and let `how` happen at a point: `signal=KILL`, `error=EIO`; `+` for from there on."""
        when = f"when={point.number}" + ("+" if how.endswith("+") else "")
        inject = ["-e", f"trace={point.call}", "-e", f"inject={point.call}:{how.rstrip('+')}:{when}"]
        return self._traced(inject, *arguments, **more)[0]

    def points(self, *arguments: str, skipped: Collection[str] = (), **more: str) -> list[Point]:
        """Run a command once, and give every system call that any one of its threads makes."""
        done, trace = self._traced(["-e", "trace=all"], *arguments, **more)
        assert done.status == 0, done
        counts: dict[str, Counter[str]] = {}
        for line in trace.splitlines():
            match = re.match(r"(\d+) +(\w+)\(", line)
            if match and match[2] not in skipped:
                counts.setdefault(match[1], Counter())[match[2]] += 1
        most: Counter[str] = Counter()
        for thread in counts.values():
            most |= thread
        return [Point(call, number) for call in sorted(most) for number in range(1, most[call] + 1)]

    def _traced(self, options: list[str], *arguments: str, **more: str) -> tuple[Done, str]:
        running = self.start(*arguments, stops=True, **more)
        trace = self.scratch / "trace"
        tracer = subprocess.Popen(
            ["strace", "-f", "-o", trace, *options, "-p", str(running.pid)],
            stderr=subprocess.PIPE,
            text=True,
        )
        said = tracer.stderr.readline()
        os.kill(running.pid, signal.SIGCONT)
        assert "attached" in said, said
        done = running.end()
        tracer.communicate(timeout=SECONDS)
        text = trace.read_text(errors="replace")
        struck = "(INJECTED)" in text or "killed by SIGKILL" in text
        return Done(done.status, done.out, done.error, struck), text


def _sign_in(running: Running) -> None:
    """Be the person who is shown an address; ends a login that does not hear its browser."""
    while not running.over.wait(0.01):
        with contextlib.suppress(OSError):
            found = re.search(r"^http://\S+$", running.error.read_text(errors="replace"), re.MULTILINE)
            if found:
                with contextlib.suppress(OSError, person.LostError):
                    person.approve(found[0])
                if not running.over.wait(LOST_SECONDS):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(running.pid, signal.SIGKILL)
                return


@contextlib.contextmanager
def stable_of(sandbox, scratch: Path) -> Iterator[Stable]:
    stable = Stable(sandbox, scratch)
    try:
        yield stable
    finally:
        stable.close()


# A home, kept and put back


class Keep:
    """Homes as they were at some moment, to be put back in no time."""

    def __init__(self, home: Path, vault: Path) -> None:
        self.home = home
        self.vault = vault

    def save(self, name: str) -> None:
        shutil.rmtree(self.vault / name, ignore_errors=True)
        shutil.copytree(self.home, self.vault / name, symlinks=True, ignore=_no_sockets)

    def restore(self, name: str) -> None:
        for each in self.home.iterdir():
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
        shutil.copytree(self.vault / name, self.home, symlinks=True, dirs_exist_ok=True)


def _no_sockets(directory: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(directory, name).is_socket()]


def contents(home: Path) -> dict[str, bytes]:
    """Every regular file of a home, by its path; locks, which hold nothing, left out."""
    found = {}
    for directory, _, names in os.walk(home):
        for name in names:
            path = Path(directory, name)
            if path.is_file() and path.suffix != ".lock":
                found[str(path.relative_to(home))] = path.read_bytes()
    return found


def temporaries(home: Path) -> list[str]:
    return [path for path in contents(home) if TEMPORARY.fullmatch(Path(path).name)]


def spread(points: list, most: int) -> list:
    """Choose at most so many, evenly: the same ones in each run."""
    if len(points) <= most:
        return points
    step = len(points) / most
    return [points[int(step * number)] for number in range(most)]
