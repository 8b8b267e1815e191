"""The agent among enemies: other users, its own user's debuggers, floods, garbage, and a kill in the middle of it."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sandbox import AWSSSO
from secret_service import wait_until
from test_agent import (
    READER,
    asked,
    connections,
    document,
    environment,
    needs_root,
    pid_of,
    served,
    signed_in,
    wait_for_end,
)

from awssso_helper import agent_client, warm
from awssso_helper.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Iterator

FIXTURES = (served, signed_in)
BOB, EVE = 65533, 65534
PACKAGES = ("awssso_helper", "platformdirs", "configobj", "validate", "urllib3")
AS_BOB = "import sys; sys.path[:0] = [sys.argv.pop(1)]; from awssso_helper.__main__ import main; main()"

# What somebody tries who may be another user, or the same one with a debugger. Each line of output is a success.
ATTEMPTS = r"""
import ctypes, os, socket, stat, sys

home, pid, rounds, secret = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), bytes.fromhex(sys.argv[4])
request = bytes.fromhex(sys.argv[5])
place, proc = f"{home}/run/awssso", f"/proc/{pid}"
libc = ctypes.CDLL(None, use_errno=True)

def reads(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(descriptor, 1) is not None
    finally:
        os.close(descriptor)

def connects():
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(f"{place}/agent.sock")
        connection.sendall(request)
        return connection.recv(1 << 16)

def binds():
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{place}/other.sock")
    return True

def locks():
    descriptor = os.open(f"{home}/.local/state/awssso/locks/agent.lock", os.O_RDWR)
    os.close(descriptor)
    return True

def vm_read():
    buffer = ctypes.create_string_buffer(16)
    class Iovec(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
    local = Iovec(ctypes.addressof(buffer), 16)
    for line in open("/proc/self/maps"):
        address = int(line.split("-")[0], 16)
        remote = Iovec(address, 16)
        if libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) > 0:
            return True
        return ctypes.get_errno() != 1

def takes_descriptor():
    opened = os.pidfd_open(pid)
    try:
        return any(libc.syscall(438, opened, number, 0) >= 0 for number in range(16))
    finally:
        os.close(opened)

def links():
    os.symlink("/tmp", f"{place}/link")
    return True

OTHERS = {
    "list the home": lambda: os.listdir(home) is not None,
    "list the place": lambda: os.listdir(place) is not None,
    "list the keyring": lambda: os.listdir(f"{home}/.local/share/awssso/secrets") is not None,
    "list the locks": lambda: os.listdir(f"{home}/.local/state/awssso/locks") is not None,
    "read the settings": lambda: reads(f"{home}/.config/awssso/config"),
    "write the settings": lambda: open(f"{home}/.config/awssso/config", "a") is not None,
    "read the config": lambda: reads(f"{home}/.aws/config"),
    "write the config": lambda: open(f"{home}/.aws/config", "a") is not None,
    "take the lock": locks,
    "ask the socket": connects,
    "remove the socket": lambda: os.unlink(f"{place}/agent.sock") is None,
    "move the socket": lambda: os.rename(f"{place}/agent.sock", f"{place}/gone") is None,
    "move the place": lambda: os.rename(place, f"{home}/run/gone") is None,
    "bind beside it": binds,
    "plant a link": links,
    "open the modes": lambda: os.chmod(place, 0o777) is None,
    "take it over": lambda: os.chown(place, os.getuid(), -1) is None,
    "terminate it": lambda: os.kill(pid, 15) is None,
    "kill it": lambda: os.kill(pid, 9) is None,
    "stop it": lambda: os.kill(pid, 19) is None,
    "make it slow": lambda: os.setpriority(os.PRIO_PROCESS, pid, 19) is None,
    "set its limits": lambda: libc.prlimit(pid, 4, ctypes.byref(ctypes.c_uint64()), None) == 0,
}
DEBUGGERS = {
    "read its memory": lambda: os.close(os.open(f"{proc}/mem", os.O_RDONLY)) is None,
    "read a thread's memory": lambda: os.close(os.open(f"{proc}/task/{pid}/mem", os.O_RDONLY)) is None,
    "write its memory": lambda: open(f"{proc}/mem", "r+b") is not None,
    "read its variables": lambda: reads(f"{proc}/environ"),
    "read its maps": lambda: reads(f"{proc}/maps"),
    "read its maps with sizes": lambda: reads(f"{proc}/smaps"),
    "read its page map": lambda: reads(f"{proc}/pagemap"),
    "read its auxiliary vector": lambda: reads(f"{proc}/auxv"),
    "read where it stands": lambda: reads(f"{proc}/syscall"),
    "read its stack": lambda: reads(f"{proc}/stack"),
    "list its files": lambda: os.listdir(f"{proc}/fd") is not None,
    "open its files": lambda: reads(f"{proc}/fd/0"),
    "enter its directory": lambda: os.chdir(f"{proc}/cwd") is None,
    "enter its root": lambda: os.listdir(f"{proc}/root") is not None,
    "attach to it": lambda: libc.ptrace(16, pid, 0, 0) == 0,
    "seize it": lambda: libc.ptrace(0x4206, pid, 0, 0) == 0,
    "copy from it": vm_read,
    "take its descriptors": takes_descriptor,
    "set its core limit": lambda: reads(f"{proc}/coredump_filter") and open(f"{proc}/coredump_filter", "w") is not None,
    "let it be killed first": lambda: open(f"{proc}/oom_score_adj", "w") is not None,
    "find the secret in its words": lambda: secret in open(f"{proc}/cmdline", "rb").read(),
}
kinds = {"others": {**OTHERS, **DEBUGGERS}, "debuggers": DEBUGGERS, "socket": {"ask the socket": connects}}[sys.argv[6]]
for _ in range(rounds):
    for name, attempt in kinds.items():
        try:
            if attempt():
                print(name)
        except (OSError, ValueError):
            pass
print(len(kinds) * rounds, "attempts")
"""


class Neighbours:
    """Bob, who has an agent, on one machine with Eve."""

    def __init__(self, root: Path, sandbox) -> None:
        self.root = root
        self.home = root / "home"
        self.packages = root / "packages"
        self.python = ["/usr/bin/python3", "-I"]
        for name in PACKAGES:
            self._copy(name)
        shutil.copytree(sandbox.home, self.home, ignore=lambda _, names: {each for each in names if "sock" in each})
        for directory, names, files in os.walk(self.home):
            for each in (directory, *(f"{directory}/{name}" for name in names + files)):
                os.chown(each, BOB, BOB)
        root.chmod(0o755)
        self.home.chmod(0o700)
        self.variables = {
            name: value.replace(str(sandbox.home), str(self.home)) for name, value in sandbox.variables.items()
        }
        self.agent = subprocess.Popen(
            [*identity(BOB), *self.python, "-c", AS_BOB, str(self.packages), "agent", "serve"],
            env=self.variables,
            cwd=self.home,
            stderr=subprocess.PIPE,
        )

    def _copy(self, name: str) -> None:
        found = [Path(each) / name for each in (*sys.path, str(Path(agent_client.__file__).parent.parent))]
        source = next(each for each in found if each.is_dir())
        shutil.copytree(source, self.packages / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        for directory, _, files in os.walk(self.packages):
            Path(directory).chmod(0o755)
            for each in files:
                Path(directory, each).chmod(0o644)

    def run(self, uid: int, script: str, *words: str) -> str:
        done = subprocess.run(
            [*identity(uid), *self.python, "-c", script, *words],
            env=self.variables, cwd="/", capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def attempts(self, uid: int, kind: str, rounds: int, pid: int = 0) -> tuple[list[str], int]:
        """Try it all, on the agent or another process; gives what succeeded, and how many attempts there were."""
        line = warm.request(b"get", [READER.encode()], Environment(self.variables).as_bytes())
        arguments = (str(self.home), str(pid or self.agent.pid), str(rounds), b"secret".hex(), line.hex(), kind)
        *succeeded, last = self.run(uid, ATTEMPTS, *arguments).splitlines()
        return sorted(set(succeeded)), int(last.split()[0])

    def document(self) -> str:
        return self.run(BOB, AS_BOB, str(self.packages), "credential-process", READER)


def identity(uid: int) -> list[str]:
    return ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"]


@pytest.fixture
def neighbours(signed_in) -> Iterator[Neighbours]:
    root = Path(tempfile.mkdtemp(prefix="awssso-", dir="/tmp"))
    there = Neighbours(root, signed_in)
    try:
        wait_until((there.home / "run" / "awssso" / "agent.sock").exists, "bob's agent did not start")
        assert "SecretAccessKey" in there.document()
        yield there
    finally:
        there.agent.kill()
        there.agent.communicate()
        shutil.rmtree(root)


def another_user_gets_nothing(neighbours: Neighbours, rounds: int) -> int:
    """Gives the number of attempts."""
    found, count = neighbours.attempts(EVE, "others", rounds)
    assert found == []
    mine, more = neighbours.attempts(BOB, "debuggers", rounds)
    assert mine == []
    # Into any other process of his own he may look, so this test would see it.
    with subprocess.Popen([*identity(BOB), "sleep", "300"]) as bystander:
        wait_until(lambda: b"sleep" in Path(f"/proc/{bystander.pid}/cmdline").read_bytes(), "it did not start")
        seen, _ = neighbours.attempts(BOB, "debuggers", 1, bystander.pid)
        bystander.kill()
    assert {"read its memory", "read its variables", "attach to it", "copy from it", "list its files"} <= set(seen)
    for each in (neighbours.home, neighbours.home / "run", neighbours.home / "run" / "awssso"):
        each.chmod(0o777)
    (neighbours.home / "run" / "awssso" / "agent.sock").chmod(0o777)
    opened, again = neighbours.attempts(EVE, "socket", rounds)
    assert opened == []
    assert neighbours.attempts(BOB, "socket", 1)[0] == ["ask the socket"]
    assert "SecretAccessKey" in neighbours.document()
    assert neighbours.agent.poll() is None
    return count + more + again


@needs_root
def test_e1_e2_e4_another_user_gets_nothing_and_bob_no_more_than_is_his(neighbours):
    assert another_user_gets_nothing(neighbours, 1) > 60


@needs_root
@pytest.mark.soak
def test_e1_e2_e4_soak_another_user_gets_nothing_a_hundred_times(neighbours, figures):
    figures(attempts=another_user_gets_nothing(neighbours, 100), successes=0)


@needs_root
def test_e4_g7_an_abort_leaves_no_core(signed_in, tmp_path):
    dumps = "ulimit -c unlimited; exec "
    bystander = subprocess.Popen(["/bin/sh", "-c", f"{dumps} sleep 60"], cwd=tmp_path)
    serving = f"{dumps} {AWSSSO} agent serve"
    agent = subprocess.Popen(["/bin/sh", "-c", serving], env=signed_in.variables, cwd=tmp_path)
    wait_until(lambda: asked(signed_in, "status") is not None, "it did not start")
    assert document(signed_in)
    assert pid_of(signed_in) == agent.pid
    for process in (bystander, agent):
        process.send_signal(signal.SIGABRT)
    left = [os.waitpid(process.pid, 0)[1] for process in (bystander, agent)]
    for process in (bystander, agent):
        process.returncode = -signal.SIGABRT
    assert os.WCOREDUMP(left[0]), "this machine dumps nothing, so this test shows nothing"
    assert not os.WCOREDUMP(left[1])


# Floods


def garbage(chance: random.Random) -> bytes:
    """Make something that may look like a request, or not."""
    line = bytearray(f"awssso {warm.VERSION} 00 00 get corp/210987654321/ReadOnlyAccess 4.5\n".encode())
    kind = chance.randrange(5)
    if kind == 0:
        return chance.randbytes(chance.randrange(5000)) + b"\n"
    if kind == 1:
        return (
            b" ".join(chance.randbytes(chance.randrange(40)).hex().encode() for _ in range(chance.randrange(20)))
            + b"\n"
        )
    if kind == 2:
        return bytes(line[: chance.randrange(len(line))])
    # A version that is not its own would end it, as it should.
    for _ in range(chance.randrange(1, 6)):
        line[chance.randrange(len(f"awssso {warm.VERSION} "), len(line) - 1)] = chance.randrange(256)
    return bytes(line)


def survives_garbage(user, count: int) -> None:
    first = document(user)
    pid = pid_of(user)
    chance = random.Random(7)
    for _ in range(count // 20):
        with contextlib.ExitStack() as opened:
            for _ in range(20):
                [connection] = opened.enter_context(connections(user, 1, garbage(chance)))
                if chance.random() < 0.3:
                    connection.setblocking(False)
                    with contextlib.suppress(OSError):
                        connection.recv(100)
    assert document(user) == first
    assert pid_of(user) == pid


def test_e3_garbage_neither_ends_it_nor_gets_anything(served):
    survives_garbage(served, 400)


@pytest.mark.soak
def test_e3_soak_ten_thousand_pieces_of_garbage(served, figures):
    survives_garbage(served, 10_000)
    figures(pieces_of_garbage=10_000, ends=0)


@pytest.mark.soak
def test_e3_soak_two_hundred_idle_clients_cost_a_get_nothing(served, figures):
    document(served)
    # An idle client is dropped after two seconds, so new ones come all the time.
    took: list[float] = []
    for _ in range(10):
        with connections(served, 200):
            for _ in range(100):
                began = time.perf_counter()
                document(served)
                took.append((time.perf_counter() - began) * 1000)
    took.sort()
    figures(
        idle_clients=200,
        gets=len(took),
        milliseconds_at_p50=f"{statistics.median(took):.2f}",
        milliseconds_at_p99=f"{took[int(len(took) * 0.99)]:.2f}",
    )


# Kills


def is_served_again(user) -> bool:
    # Threads of the killed one may hold its socket a moment longer than it lives, so a start may find it up.
    return agent_client.start(environment(user), is_insistent=True) and asked(user, "get", READER) is not None


def is_killed_under_load(user, times: int) -> int:
    """Kill it while many ask; what they hear is an answer or nothing, never a part. Gives how many got one."""
    first = document(user)
    answers: list[bytes | None] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            answers.append(asked(user, "get", READER))

    askers = [threading.Thread(target=ask) for _ in range(20)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(times):
            time.sleep(0.1)
            pid = pid_of(user)
            os.kill(pid, signal.SIGKILL)
            wait_for_end(pid)
            # The socket that it left is nobody's: the next one takes its place.
            wait_until(lambda: is_served_again(user), "no agent came after it")
    finally:
        is_over.set()
        for asker in askers:
            asker.join()
    got = {answer for answer in answers if answer is not None}
    assert all(answer[:1] == b"0" and answer.endswith(b"}\n") for answer in got), got
    assert document(user)["AccountId"] == first["AccountId"]
    assert len(answers) > times
    return sum(answer is not None for answer in answers)


def test_e5_killed_under_load_it_leaves_nobody_with_half_an_answer(served):
    is_killed_under_load(served, 2)


@pytest.mark.soak
def test_e5_soak_killed_thirty_times_under_load(served, figures):
    figures(kills=30, answers=is_killed_under_load(served, 30), halves=0)


def test_e5_what_is_left_in_the_sockets_place_keeps_no_agent_away(signed_in):
    place = signed_in.home / "run" / "awssso"
    for left in ("a stale socket", "a file", "a link to nothing", "a pipe"):
        leave(place, left)
        assert signed_in.document(READER), left
        assert (place / "agent.sock").is_socket(), left
        pid = pid_of(signed_in)
        signed_in.stop_agent()
        wait_for_end(pid)


def leave(place: Path, what: str) -> None:
    place.mkdir(mode=0o700, exist_ok=True)
    path = place / "agent.sock"
    if what == "a stale socket":
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(str(path))
    elif what == "a file":
        path.write_bytes(b"")
    elif what == "a link to nothing":
        path.symlink_to(place / "nothing")
    else:
        os.mkfifo(path)
