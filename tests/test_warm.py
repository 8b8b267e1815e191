"""The warm lane as profiles call it: what it loads, whom it trusts, what it does when something is not right."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from itertools import product
from pathlib import Path

import pytest
from sandbox import AWSSSO
from secret_service import wait_until
from test_agent import configure

from awssso_helper import __version__, credential_process, launcher, warm
from awssso_helper.environment import Environment

READER = "corp/210987654321/ReadOnlyAccess"
WARM = ("-c", launcher.GO, str(Path(warm.__file__).parent))
LAW = {
    "keyring", "textual", "argparse", "dataclasses", "http", "ssl", "logging", "pathlib", "subprocess", "typing",
    "inspect", "urllib", "json", "re", "os", "socket", "selectors", "ctypes", "concurrent.futures",
}  # fmt: skip
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")


@pytest.fixture
def served(sandbox):
    """Signed in, with an agent that holds the reader's credentials."""
    configure(sandbox)
    sandbox.ok("login", "--no-sync")
    sandbox.document(READER)
    return sandbox


def launch(sandbox, *options, full="/bin/false", **more):
    """Run the warm lane alone; where it misses it becomes `full`."""
    python = [sys.executable, "-I", "-S", *options]
    return sandbox.program(*python, *WARM, full, "credential-process", READER, **more)


def imported(stderr: str) -> set[str]:
    lines = [line for line in stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def test_its_version_is_the_packages():
    assert __version__ == warm.VERSION


def test_it_loads_built_in_modules_only(served):
    answered = launch(served, "-X", "importtime")
    bare = served.program(sys.executable, "-I", "-S", "-X", "importtime", "-c", "pass")
    assert json.loads(answered.stdout)["Version"] == 1
    loaded = imported(answered.stderr) - imported(bare.stderr)
    assert loaded <= {"warm", "_socket", "posix"}
    assert "warm" in loaded
    assert imported(answered.stderr) & LAW == set()


def test_the_command_itself_asks_the_agent_before_it_loads_anything(served):
    script = "from awssso_helper.__main__ import main; main()"
    python = [sys.executable, "-I", "-X", "importtime"]
    answered = served.program(*python, "-c", script, "credential-process", READER)
    bare = served.program(*python, "-c", "pass")
    assert json.loads(answered.stdout)["Version"] == 1
    ours = {"awssso_helper", "awssso_helper.__main__", "awssso_helper.warm"}
    assert imported(answered.stderr) - imported(bare.stderr) <= {*ours, "__future__", "_socket"}


def test_to_start_an_agent_nothing_of_the_agent_is_loaded(sandbox):
    configure(sandbox)
    sandbox.ok("login", "--no-sync")
    sandbox.stop_agent()
    script = "from awssso_helper.__main__ import main; main()"
    python = [sys.executable, "-I", "-X", "importtime"]
    answered = sandbox.program(*python, "-c", script, "credential-process", READER)
    bare = sandbox.program(*python, "-c", "pass")
    assert json.loads(answered.stdout)["Version"] == 1
    loaded = imported(answered.stderr) - imported(bare.stderr)
    heavy = {"argparse", "ssl", "keyring", "urllib3", "logging", "subprocess", "json", "configobj.validate"}
    unneeded = {"selectors", "socket", "concurrent.futures", "ctypes", "awssso_helper.store", "awssso_helper.agent"}
    # The settings file of the sandbox brings configobj and what that needs.
    assert loaded & (unneeded | heavy) <= {"configobj.validate"}


def test_g6_the_answer_is_one_write(served):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace = served.home / "trace"
    python = [sys.executable, "-I", "-S", *WARM, "/bin/false", "credential-process", READER]
    done = served.program("strace", "-f", "-e", "trace=write", "-s", "4", "-o", str(trace), *python)
    assert json.loads(done.stdout)["Version"] == 1
    assert trace.read_text().count("write(1,") == 1
    assert done.stdout.endswith("}\n")


def test_a8_closed_standard_files_do_no_harm(served):
    line = f"{sys.executable} -I -S {shlex.join(WARM)} /bin/false credential-process {READER}"
    for closed in ("0<&-", "2>&-", "0<&- 2>&-"):
        done = served.program("/bin/sh", "-c", f"{line} {closed}")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["Version"] == 1
    for closed in ("1>&-", "0<&- 1>&- 2>&-"):
        done = served.program("/bin/sh", "-c", f"{line} {closed}")
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.fixture
def far_away(sandbox):
    """Signed in, without an agent, which has been there; the path of its socket is too long for one."""
    sandbox.settings("keyring = plaintext-file", "agent = off")
    configure(sandbox)
    sandbox.ok("login", "--no-sync")
    runtime = sandbox.home / ("long" * 30)
    (runtime / "awssso").mkdir(mode=0o700, parents=True)
    sandbox.variables["XDG_RUNTIME_DIR"] = str(runtime)
    return sandbox


@pytest.mark.parametrize("closed", [" ".join(each) for each in product(("", "0<&-"), ("", "1>&-"), ("", "2>&-"))])
def test_a8_closed_standard_files_do_no_harm_where_the_sockets_path_is_long(far_away, closed):
    done = far_away.program("/bin/sh", "-c", f"{AWSSSO} credential-process {READER} {closed}")
    assert (done.returncode, done.stderr) == (0, "")
    assert (done.stdout == "") == ("1>" in closed)


@pytest.mark.parametrize("agent", ["an agent", "no agent"])
def test_asking_leaves_nothing_open(far_away, agent):
    if agent == "an agent":
        far_away.settings("keyring = plaintext-file")
        far_away.document(READER)
    environ = Environment(far_away.variables).as_bytes()
    before = {each.name for each in Path("/dev/fd").iterdir()}
    for _ in range(20):
        found = warm.asked(warm.request(b"get", [READER.encode()], environ), environ)
        assert (found is not None) == (agent == "an agent")
    assert {each.name for each in Path("/dev/fd").iterdir()} == before


def test_a_refusal_is_the_agents_line_and_its_status(served):
    done = served.program(sys.executable, "-I", "-S", *WARM, "/bin/false", "credential-process", "corp/1/x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_strange_words_are_refused_in_one_line(served):
    command = [sys.executable, "-I", "-S", *WARM, AWSSSO, "credential-process"]
    for word in ("a b", "x\ny", "\udcff/1/2", "corp/210987654321/Read\u00e9", "x" * 5000, ""):
        done = served.program(*command, os.fsencode(word))
        assert done.returncode in (1, 2), word
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr


def test_a_full_command_that_does_not_start_is_one_line(sandbox):
    done = launch(sandbox, full="/nonexistent/awssso")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("awssso: ")
    assert done.stderr.count("\n") == 1


# Of many, one goes ahead

# As much time as a busy machine needs.
PATIENT_SETTINGS = ("keyring = plaintext-file", "deadline_seconds = 50")
PATIENT = """
import sys
sys.path[:] = [sys.argv[1], *sys.path]
import warm
warm.QUEUE_STEPS = {}
warm.main(sys.argv[2], sys.argv[3:])
"""


def start_warm(sandbox, full, steps=6000):
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        PATIENT.format(steps),
        WARM[2],
        str(full),
        "credential-process",
        READER,
    ]
    return subprocess.Popen(command, env=sandbox.variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def counting(sandbox) -> tuple[Path, Path]:
    """A full command that leaves a mark each time it is started."""
    command, marks = sandbox.home / "counting", sandbox.home / "marks"
    command.write_text(f'#!/bin/sh\necho >> {shlex.quote(str(marks))}\nexec {shlex.quote(AWSSSO)} "$@"\n')
    command.chmod(0o755)
    return command, marks


def test_of_thirty_who_find_no_agent_one_becomes_the_full_command(served):
    served.stop_agent()
    served.settings(*PATIENT_SETTINGS)
    command, marks = counting(served)
    running = [start_warm(served, command) for _ in range(30)]
    answers = [each.communicate(timeout=60) for each in running]
    assert {json.loads(said)["Version"] for said, _ in answers} == {1}
    assert {errors for _, errors in answers} == {""}
    assert marks.read_text() == "\n"


def test_who_waited_in_vain_goes_on_alone(served):
    served.stop_agent()
    served.settings(*PATIENT_SETTINGS)
    gate = os.open(served.home / "run" / "awssso" / "gate", os.O_RDWR | os.O_CREAT)
    fcntl.flock(gate, fcntl.LOCK_EX)
    said, errors = start_warm(served, AWSSSO, steps=3).communicate(timeout=60)
    os.close(gate)
    assert errors == ""
    assert json.loads(said)["Version"] == 1


def test_where_no_agent_can_be_all_go_on(served):
    served.stop_agent()
    served.settings(*PATIENT_SETTINGS, "agent = off")
    command, marks = counting(served)
    running = [start_warm(served, command) for _ in range(10)]
    assert {json.loads(each.communicate(timeout=60)[0])["Version"] for each in running} == {1}
    assert len(marks.read_text()) == 10


def test_a_trap_in_the_place_of_the_gate_stops_nobody(served):
    served.stop_agent()
    served.settings(*PATIENT_SETTINGS)
    gate = served.home / "run" / "awssso" / "gate"
    gate.unlink(missing_ok=True)
    gate.symlink_to(served.home / "planted")
    said, errors = start_warm(served, AWSSSO).communicate(timeout=60)
    assert (json.loads(said)["Version"], errors) == (1, "")
    assert not (served.home / "planted").exists()


def test_who_has_its_agent_lets_the_others_go_on_before_the_answer_comes(served):
    served.stop_agent()
    served.settings(*PATIENT_SETTINGS)
    served.simulator.misbehave("GetRoleCredentials", delay=3)
    first = start_warm(served, AWSSSO)
    wait_until((served.home / "run" / "awssso" / "agent.sock").exists, "no agent was started")
    gate = os.open(served.home / "run" / "awssso" / "gate", os.O_RDWR)

    def is_open() -> bool:
        with contextlib.suppress(OSError):
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    wait_until(is_open, "the gate stayed shut")
    os.close(gate)
    assert first.poll() is None
    assert json.loads(first.communicate(timeout=60)[0])["Version"] == 1


def test_the_time_that_the_launcher_waited_counts(monkeypatch):
    now = time.monotonic()
    for value in ("", "x", "nan", "-5", "inf", "1e9", ":", "1:x", f"{now - 60}:-1"):
        monkeypatch.setenv("AWSSSO_BEGAN", value)
        began, gate = credential_process._waited()
        assert began >= now, value
        assert gate == -1
    monkeypatch.setenv("AWSSSO_BEGAN", f"{now - 1}:7")
    assert credential_process._waited() == (now - 1, 7)
    assert "AWSSSO_BEGAN" not in os.environ


# Whom it trusts


@contextlib.contextmanager
def pretender(directory: Path, answer: bytes):
    """Answer in the agent's place, as the same user."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.chdir(directory) if hasattr(contextlib, "chdir") else contextlib.nullcontext():
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("agent.sock")
    listener.listen(50)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with contextlib.suppress(OSError), connection:
                    connection.recv(5000)
                    connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield
    finally:
        listener.close()


@pytest.mark.parametrize(
    "answer",
    [b"", b"-\n", b"0", b"0{", b'0{"half": ', b"garbage\n", b"\xff\xfe\n", b"   \n", b"x" * (5 << 20)],
    ids=["nothing", "miss", "digit", "brace", "half", "garbage", "bytes", "blanks", "endless"],
)
def test_what_is_no_answer_is_a_miss_and_the_full_command_answers(sandbox, answer):
    with pretender(sandbox.home / "run" / "awssso", answer):
        done = launch(sandbox, full="/bin/echo")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"credential-process {READER}\n"


def test_blanks_before_the_answer_are_the_agents_patience(sandbox):
    with pretender(sandbox.home / "run" / "awssso", b"   0{}\n"):
        assert launch(sandbox).stdout == "{}\n"


SERVER = """
import os, socket
os.umask(0)
listener = socket.socket(socket.AF_UNIX)
listener.bind("agent.sock")
listener.listen(10)
while True:
    connection, _ = listener.accept()
    try:
        connection.recv(5000)
        connection.sendall(b'0{"EVIL": 1}\\n')
    except OSError:
        pass
    connection.close()
"""


@needs_root
def test_e6_a_server_of_another_user_is_not_believed(sandbox):
    open_place = Path(tempfile.mkdtemp(prefix="awssso-", dir="/tmp"))
    place = open_place / "awssso"
    place.mkdir()
    for each in (open_place, place):
        each.chmod(0o777)
    identity = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    server = subprocess.Popen([*identity, "/usr/bin/python3", "-I", "-c", SERVER], cwd=place)
    try:
        wait_until((place / "agent.sock").exists, "the server did not start")
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            wait_until(lambda: probe.connect_ex(str(place / "agent.sock")) == 0, "it does not listen")
        done = launch(sandbox, full="/bin/echo", XDG_RUNTIME_DIR=str(open_place))
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(open_place)
    assert done.stdout == f"credential-process {READER}\n"


def test_without_a_home_nothing_is_looked_for_at_the_root():
    assert warm.directories({b"XDG_RUNTIME_DIR": b"relative"}) == []
    assert warm.directories({b"XDG_RUNTIME_DIR": b"/run/me"}) == [b"/run/me/awssso"]
