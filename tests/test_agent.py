"""The agent as a process: who starts it, whom it answers, what it forgets, and what it survives."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import platformdirs
import pytest
from sandbox import AWSSSO, START_URL
from secret_service import wait_until

from awssso_helper import agent_client, warm
from awssso_helper.commands.agent import agent_line
from awssso_helper.environment import Environment
from awssso_helper.model import epoch_of

READER = "corp/210987654321/ReadOnlyAccess"
ADMIN = "corp/210987654321/AdministratorAccess"
POWER = "corp/210987654321/PowerUserAccess"
OPTIONS = ("keyring = plaintext-file",)
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


@pytest.fixture
def signed_in(sandbox):
    """Signed in, without an agent yet."""
    sandbox.settings(*OPTIONS, "agent = off")
    configure(sandbox)
    sandbox.ok("login", "--no-sync")
    sandbox.settings(*OPTIONS)
    sandbox.simulator.clear_log()
    return sandbox


@pytest.fixture
def served(signed_in):
    """Signed in, with an agent that holds nothing yet."""
    assert agent_client.start(environment(signed_in))
    return signed_in


def configure(sandbox) -> None:
    """Write what `awssso configure` writes, which has tests of its own."""
    sandbox.config.parent.mkdir()
    sandbox.config.write_text(f"[sso-session corp]\nsso_start_url = {START_URL}\nsso_region = us-east-1\n")


def environment(sandbox) -> Environment:
    return Environment(sandbox.variables)


def asked(sandbox, verb: str, *words: str, patience: float = 20.0) -> bytes | None:
    return agent_client.asked(environment(sandbox), verb, *words, patience=patience)


def document(sandbox, word: str = READER) -> dict[str, str]:
    answer = asked(sandbox, "get", word)
    assert answer is not None
    assert answer[:1] == b"0", answer
    return json.loads(answer[1:])


def held(sandbox) -> list[str]:
    answer = asked(sandbox, "status")
    assert answer is not None
    return [each["role"] for each in json.loads(answer[1:])["roles"]]


def pid_of(sandbox) -> int:
    answer = asked(sandbox, "status")
    assert answer is not None
    return json.loads(answer[1:])["pid"]


def agents(sandbox) -> list[int]:
    """Find the agents of this user, by the home in their environment; they themselves are not asked."""
    found = []
    for each in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            is_agent = each.name.isdigit() and (each / "cmdline").read_bytes().endswith(b"agent\0serve\0")
            if is_agent and f"HOME={sandbox.home}\0".encode() in (each / "environ").read_bytes():
                found.append(int(each.name))
    return found


def wait_for_end(pid: int) -> None:
    def is_gone() -> bool:
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (OSError, ProcessLookupError):
            return True
        return text.rpartition(")")[2].split()[0] == "Z"

    wait_until(is_gone, "the agent did not end")


def place(sandbox) -> Path:
    return sandbox.home / "run" / "awssso"


@contextlib.contextmanager
def connections(sandbox, count: int, said: bytes = b""):
    with contextlib.ExitStack() as opened:
        made = []
        for _ in range(count):
            connection = opened.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX)))
            warm.at_address(os.fsencode(place(sandbox)), connection.connect)
            with contextlib.suppress(OSError):
                connection.sendall(said)
            made.append(connection)
        yield made


def in_background(call, *arguments):
    """Begin a call in a thread; the function that is given waits for it and gives what it gave."""
    results = []
    thread = threading.Thread(target=lambda: results.append(call(*arguments)))
    thread.start()

    def result():
        thread.join(60)
        return results[0]

    return result


def many(sandbox, count: int, word: str = READER) -> list[tuple[int, str, str]]:
    running = [sandbox.start("credential-process", word) for _ in range(count)]
    return [(process.wait(), *process.communicate()) for process in running]


# Its start


@needs_root
def test_e5_b10_sixty_at_once_on_nothing_start_one_agent_and_make_one_call_and_one_refresh(sandbox):
    # The deadline is for one call on a machine that is not busy with sixty Python starts at once.
    sandbox.settings(*OPTIONS, "deadline_seconds = 50")
    configure(sandbox)
    sandbox.simulator.organization.access_token_life = 0
    sandbox.ok("login", "--no-sync")
    sandbox.simulator.organization.access_token_life = 3600
    sandbox.stop_agent()
    wait_until(lambda: agents(sandbox) == [], "the agent did not end")
    found = many(sandbox, 60)
    assert {(status, error) for status, _, error in found} == {(0, "")}
    assert len({document for _, document, _ in found}) == 1
    assert sandbox.simulator.count("GetRoleCredentials") == 1
    assert sandbox.simulator.count("CreateToken", grantType="refresh_token") == 1
    assert len(agents(sandbox)) == 1


@needs_root
def test_e5_after_a_kill_twenty_at_once_start_one_agent(sandbox):
    sandbox.settings(*OPTIONS, "deadline_seconds = 50")
    configure(sandbox)
    sandbox.ok("login", "--no-sync")
    os.kill(pid_of(sandbox), signal.SIGKILL)
    found = many(sandbox, 20)
    assert {(status, error) for status, _, error in found} == {(0, "")}
    assert len(agents(sandbox)) == 1
    assert sandbox.simulator.count("GetRoleCredentials") == 1


def test_a_second_agent_ends_and_leaves_the_first_its_socket(served):
    pid = pid_of(served)
    assert served.run("agent", "serve").returncode == 0
    assert pid_of(served) == pid


def test_a_start_that_fails_is_not_paid_by_every_call(signed_in):
    place(signed_in).symlink_to(signed_in.home)
    blocked = signed_in.home / ".local" / "state" / "awssso" / "agent.sock"
    (blocked / "full").mkdir(parents=True)
    first = signed_in.document(READER)
    failure = blocked.with_name("agent-failed")
    seen = failure.stat().st_mtime_ns
    assert signed_in.document(READER) == first
    assert failure.stat().st_mtime_ns == seen
    done = signed_in.run("agent", "start")
    assert done.returncode == 1
    assert failure.stat().st_mtime_ns != seen


def test_e4_what_a_process_inherited_is_not_held_by_the_agent_that_it_starts(signed_in):
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [AWSSSO, "credential-process", READER],
        env=signed_in.variables,
        pass_fds=[writing],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    out, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (0, b"")
    assert json.loads(out)
    # The pipe ends when nobody holds its other end.
    os.set_blocking(reading, False)
    wait_until(lambda: is_at_end(reading), "the agent holds a pipe of its starter")
    os.close(reading)
    assert held(signed_in) == [READER]


def is_at_end(descriptor: int) -> bool:
    try:
        return os.read(descriptor, 1) == b""
    except BlockingIOError:
        return False


@needs_root
def test_e4_it_has_no_files_no_keys_and_no_directory_of_its_starter(signed_in):
    signed_in.document(READER, AWS_SECRET_ACCESS_KEY="of-the-starter", AWS_PROFILE="x", PYTHONPATH="/x")
    pid = pid_of(signed_in)
    files = {int(each.name): str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    assert {files[number] for number in (0, 1, 2)} == {"/dev/null"}
    others = {name for number, name in files.items() if number > 2}
    assert all(name.startswith(("socket:", "anon_inode:")) or name.endswith("agent.lock") for name in others), others
    variables = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"of-the-starter" not in variables
    assert b"AWS_PROFILE" not in variables
    assert b"PYTHONPATH" not in variables
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    assert os.getsid(pid) == pid


def test_a_blocked_and_ignored_signal_of_its_starter_still_ends_it(signed_in):
    script = (
        "import signal, sys, os; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]);"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    done = signed_in.program(sys.executable, "-c", script, AWSSSO, "credential-process", READER)
    assert json.loads(done.stdout)["Version"] == 1
    pid = pid_of(signed_in)
    os.kill(pid, signal.SIGTERM)
    wait_for_end(pid)


def test_e4_it_holds_no_lock_but_its_own(served):
    document(served)
    for lock in (served.home / ".local" / "state" / "awssso" / "locks").iterdir():
        with lock.open() as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                assert lock.name == "agent.lock"


def test_switched_off_there_is_none_and_all_works(signed_in):
    signed_in.settings(*OPTIONS, "agent = off")
    assert signed_in.document(READER)
    assert signed_in.run("agent", "start").returncode == 1
    assert not place(signed_in).exists()
    assert signed_in.run("agent", "stop").returncode == 0


# Its socket


def test_e1_the_socket_is_for_its_user_alone(served):
    assert (place(served) / "agent.sock").stat().st_mode & 0o777 == 0o600
    assert place(served).stat().st_mode & 0o777 == 0o700


def test_e1_a_directory_that_is_not_ours_alone_is_refused_and_the_next_is_taken(signed_in):
    faults = ["link", "open", "file", "socket is a directory", "missing", "relative"]
    state = signed_in.home / ".local" / "state" / "awssso"
    if os.getuid() == 0:
        faults.insert(0, "foreign")
    for fault in faults:
        spoil(signed_in, fault)
        signed_in.document(READER)
        assert held(signed_in) == [READER], fault
        assert (state / "agent.sock").is_socket(), fault
        signed_in.stop_agent()
        wait_until(lambda: not (state / "agent.sock").exists(), "it did not end")


def spoil(sandbox, fault: str) -> None:
    """Make the runtime directory's place for the socket one that may not be used."""
    path = place(sandbox)
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    if fault == "link":
        (sandbox.home / "elsewhere").mkdir(mode=0o700)
        path.symlink_to(sandbox.home / "elsewhere")
    elif fault == "file":
        path.touch()
    elif fault == "missing":
        path.parent.rmdir()
    elif fault == "relative":
        sandbox.variables["XDG_RUNTIME_DIR"] = "run"
    else:
        path.mkdir(mode=0o700)
    if fault == "open":
        path.chmod(0o755)
    elif fault == "foreign":
        os.chown(path, 65534, 65534)
    elif fault == "socket is a directory":
        (path / "agent.sock" / "x").mkdir(parents=True)


def test_a_path_too_long_for_a_socket_is_reached_all_the_same(signed_in):
    runtime = signed_in.home / ("long" * 30)
    runtime.mkdir(mode=0o700)
    signed_in.variables["XDG_RUNTIME_DIR"] = str(runtime)
    first = signed_in.document(READER)
    assert (runtime / "awssso" / "agent.sock").is_socket()
    assert document(signed_in) == first


@needs_root
def test_e2_another_user_gets_nothing_although_all_modes_were_opened_by_hand(signed_in):
    runtime = Path(tempfile.mkdtemp(prefix="awssso-", dir="/tmp"))
    try:
        signed_in.variables["XDG_RUNTIME_DIR"] = str(runtime)
        signed_in.document(READER)
        for each in (runtime, runtime / "awssso", runtime / "awssso" / "agent.sock"):
            each.chmod(0o777)
        line = warm.request(b"get", [READER.encode()], environment(signed_in).as_bytes())
        script = (
            "import socket, sys; c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[1]);"
            "c.settimeout(20)\ntry:\n c.sendall(bytes.fromhex(sys.argv[2])); print(c.recv(9999))\n"
            "except OSError as error: print('refused')"
        )
        address = str(runtime / "awssso" / "agent.sock")
        stranger = signed_in.program(*NOBODY, "/usr/bin/python3", "-I", "-c", script, address, line.hex())
        assert stranger.stdout in ("b''\n", "refused\n")
        assert document(signed_in)
    finally:
        signed_in.stop_agent()
        shutil.rmtree(runtime)


def test_an_agent_of_another_home_is_not_asked_and_keeps_its_socket(served, tmp_path):
    document(served)
    pid = pid_of(served)
    other = tmp_path / "other"
    moved = {
        name: value.replace(str(served.home), str(other))
        for name, value in served.variables.items()
        if name.startswith(("HOME", "XDG_")) and name != "XDG_RUNTIME_DIR"
    }
    done = served.run("credential-process", READER, **moved)
    assert (done.returncode, done.stdout) == (4, "")
    # With a lock of its own, it takes its own place.
    process = served.start("agent", "serve", **moved)
    wait_until((other / ".local" / "state" / "awssso" / "agent.sock").is_socket, "it did not start")
    process.terminate()
    process.communicate()
    assert pid_of(served) == pid


# Whom it answers


def test_e3_idle_slow_and_hostile_clients_do_not_keep_a_good_one_waiting(served):
    line = warm.request(b"get", [READER.encode()], environment(served).as_bytes())
    with (
        connections(served, 200),
        connections(served, 30, line[:-1]),
        connections(served, 30, b"\x00\xff garbage\n"),
        connections(served, 30, b"x" * 100_000),
        connections(served, 10, b"awssso\n"),
        connections(served, 10, b"awssso 1 2 3\n"),
    ):
        assert document(served)
        assert document(served, ADMIN)
    assert len(held(served)) == 2


def test_e3_beyond_the_limit_the_oldest_idle_one_goes(served):
    with connections(served, 520) as made:
        assert document(served)
        made[0].settimeout(20)
        assert made[0].recv(1) == b""


def test_beyond_the_limit_of_those_who_wait_it_lives_on(served):
    served.simulator.misbehave("GetRoleCredentials", delay=2)
    line = warm.request(b"get", [READER.encode()], environment(served).as_bytes())
    with connections(served, 530, line) as made:
        answers = [answer_of(connection) for connection in made]
    assert sum(answer.startswith(b"0{") for answer in answers) >= 512
    assert document(served)
    assert served.simulator.count("GetRoleCredentials") == 1


def answer_of(connection: socket.socket) -> bytes:
    connection.settimeout(20)
    answer = b""
    with contextlib.suppress(OSError):
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_with_few_files_allowed_it_lives_on(signed_in):
    done = signed_in.program("/bin/sh", "-c", f"ulimit -n 80; exec {AWSSSO} credential-process {READER}")
    assert done.returncode == 0, done.stderr
    with connections(signed_in, 150):
        assert document(signed_in)
        assert document(signed_in, ADMIN)


def test_more_than_it_can_fetch_at_once_hear_so_in_time(served):
    served.simulator.misbehave("GetRoleCredentials", times=math.inf, delay=50)
    organization = served.simulator.organization
    reached = organization.reachable(organization.users[0]).items()
    words = [f"corp/{account.id}/{role}" for account, roles in reached for role in roles][:24]
    assert len(words) == 24
    answers = [in_background(asked, served, "get", word) for word in words]
    assert {answer()[:1] for answer in answers} == {b"5"}


def test_who_goes_away_while_it_waits_harms_nobody(served):
    served.simulator.misbehave("GetRoleCredentials", delay=1)
    line = warm.request(b"get", [READER.encode()], environment(served).as_bytes())
    with connections(served, 20, line):
        wait_until(lambda: served.simulator.count("GetRoleCredentials") == 1, "it did not fetch")
    assert document(served)
    assert served.simulator.count("GetRoleCredentials") == 1


def test_requests_without_sense_are_no_harm(served):
    variables = environment(served).as_bytes()
    for verb in (b"get", b"forget", b"nonsense", b""):
        for words in ([], [b""], [b"\xff\xfe"], [b"a/b/c"], [b"//"], [b"x", b"nan"], [b"x", b"-1", b"y"]):
            warm.asked(warm.request(verb, words, variables), variables)
    assert document(served)


def test_a_refusal_says_what_the_full_command_says(served):
    told = asked(served, "get", "nobody/210987654321/X")
    assert told is not None
    served.settings(*OPTIONS, "agent = off")
    done = served.run("credential-process", "nobody/210987654321/X")
    assert told == f"{done.returncode}{done.stderr}".encode()


def test_e5_a_request_of_another_version_ends_it(served):
    document(served)
    pid = pid_of(served)
    variables = environment(served).as_bytes()
    line = warm.request(b"get", [READER.encode()], variables).replace(warm.VERSION.encode(), b"9.9", 1)
    assert warm.asked(line, variables) is None
    wait_for_end(pid)
    assert served.document(READER)
    assert pid_of(served) != pid


def test_who_only_looks_at_it_from_another_installation_ends_nothing(served):
    document(served)
    pid = pid_of(served)
    variables = environment(served).as_bytes()
    line = warm.request(b"status", [], variables).replace(warm.VERSION.encode(), b"9.9", 1)
    answer = warm.asked(line, variables)
    assert answer is not None
    facts = json.loads(answer[1:])
    assert (facts["pid"], facts["version"]) == (pid, warm.VERSION)
    assert document(served)
    assert pid_of(served) == pid
    assert "version" not in agent_line(facts)
    assert "of version 9.9, and the next call of an SDK replaces it" in agent_line({**facts, "version": "9.9"})


def test_stop_ends_it_also_when_the_settings_want_none_any_more(served):
    document(served)
    pid = pid_of(served)
    served.settings(*OPTIONS, "agent = off")
    assert "the agent is stopped" in served.ok("agent", "stop").stderr
    wait_for_end(pid)
    assert "no agent is running" in served.ok("agent", "stop").stderr


def test_other_settings_end_it_at_the_next_request(served):
    document(served)
    pid = pid_of(served)
    served.settings(*OPTIONS, "agent_audit = on")
    assert served.document(READER)
    wait_for_end(pid)
    assert pid_of(served) != pid
    served.settings(*OPTIONS, "agent = off")
    assert served.document(READER)
    assert agent_client.asked(environment(served), "status") is None


def test_where_the_settings_allow_more_time_the_warm_lane_waits_for_it(signed_in):
    signed_in.settings(*OPTIONS, "deadline_seconds = 20")
    assert agent_client.start(environment(signed_in))
    signed_in.simulator.misbehave("GetRoleCredentials", delay=warm.PATIENCE + 1)
    variables = environment(signed_in).as_bytes()
    answer = warm.asked(warm.request(b"get", [READER.encode()], variables), variables)
    assert answer is not None
    assert answer[:2] == b"0{"


# What it forgets


@pytest.mark.parametrize("how", ["logout", "login"])
def test_d10_a_sign_out_or_another_sign_in_is_forgotten_at_once(served, how):
    of_ada = document(served)
    if how == "logout":
        served.ok("logout")
    else:
        served.ok("login", "--force", "--no-sync", AWSSSO_PERSON_USER=served.simulator.organization.users[1])
    assert held(served) == []
    answer = asked(served, "get", READER)
    assert answer is not None
    assert of_ada["AccessKeyId"].encode() not in answer


def test_what_was_on_its_way_at_the_logout_is_not_given_after_it(served):
    served.simulator.misbehave("GetRoleCredentials", delay=1.5)
    answer = in_background(asked, served, "get", READER)
    wait_until(lambda: served.simulator.count("GetRoleCredentials") == 1, "it did not fetch")
    served.ok("logout")
    assert answer()[:1] == b"3"
    assert held(served) == []
    assert asked(served, "get", READER)[:1] == b"3"


def test_a_new_person_does_not_get_what_was_on_its_way_for_the_former(served):
    users = served.simulator.organization.users
    common = next(
        f"corp/{account.id}/{role}"
        for account, roles in served.simulator.organization.reachable(users[1]).items()
        for role in roles
        if role in served.simulator.organization.reachable(users[0]).get(account, ())
    )
    served.simulator.misbehave("GetRoleCredentials", delay=3)
    answer = in_background(asked, served, "get", common)
    wait_until(lambda: served.simulator.count("GetRoleCredentials") == 1, "it did not fetch")
    served.ok("login", "--force", "--no-sync", AWSSSO_PERSON_USER=users[1])
    given = json.loads(answer()[1:])
    organization = served.simulator.organization
    minted = organization.credentials_behind(given["AccessKeyId"], given["SessionToken"], served.simulator.now())
    assert minted.user == users[1]
    assert document(served, common) == given


def test_e5_it_ends_and_takes_its_socket_along(served):
    for how in ("stop", "SIGTERM", "SIGINT", "SIGHUP", "socket gone", "directory gone"):
        assert agent_client.start(environment(served)), how
        document(served)
        pid = pid_of(served)
        if how == "stop":
            assert served.ok("agent", "stop").stderr == "the agent is stopped; what it held is gone\n"
        elif how == "socket gone":
            (place(served) / "agent.sock").unlink()
        elif how == "directory gone":
            shutil.rmtree(place(served).parent)
        else:
            os.kill(pid, getattr(signal, how))
        wait_for_end(pid)
        assert not (place(served) / "agent.sock").exists(), how


def test_it_does_not_take_away_the_socket_of_somebody_else(served):
    pid = pid_of(served)
    address = place(served) / "agent.sock"
    address.unlink()
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as other:
        warm.at_address(os.fsencode(place(served)), other.bind)
        os.kill(pid, signal.SIGTERM)
        wait_for_end(pid)
        assert address.is_socket()


def test_a_refresh_on_its_way_at_the_end_is_stored(signed_in):
    # The service counts the old refresh token as used, so an end in the middle would cost the session.
    signed_in.simulator.organization.access_token_life = 0
    signed_in.settings(*OPTIONS, "agent = off")
    signed_in.ok("login", "--force", "--no-sync")
    signed_in.settings(*OPTIONS)
    signed_in.simulator.organization.access_token_life = 3600
    assert agent_client.start(environment(signed_in))
    pid = pid_of(signed_in)
    signed_in.simulator.clear_log()
    signed_in.simulator.misbehave("CreateToken", delay=1.5)
    answer = in_background(asked, signed_in, "get", READER)
    wait_until(lambda: signed_in.simulator.count("CreateToken") == 1, "it did not refresh")
    os.kill(pid, signal.SIGTERM)
    # Who waited is sent away at once, and gets it from the next agent.
    assert answer() is None
    assert signed_in.document(READER)
    assert signed_in.simulator.count("CreateToken") == 1


# What it does by itself

CLOCKED = """
import sys, time
wall, steady, file = time.time, time.monotonic, sys.argv.pop(1)
def offset(index):
    return float(open(file).read().split()[index])
time.time = lambda: wall() + offset(0)
time.monotonic = lambda: steady() + offset(1)
from awssso_helper.__main__ import main
main()
"""


class Clock:
    """The clocks of an agent: what the wall shows, and what only ever goes on."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set(0, 0)

    def set(self, wall: float, steady: float = 0) -> None:
        temporary = self.file.with_suffix(".new")
        temporary.write_text(f"{wall} {steady}")
        temporary.replace(self.file)


@pytest.fixture
def clock(signed_in):
    """An agent whose clocks the test sets."""
    clock = Clock(signed_in.home / "clock")
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", CLOCKED, str(clock.file), "agent", "serve"],
        env=signed_in.variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    wait_until((place(signed_in) / "agent.sock").exists, "the agent did not start")
    yield clock
    process.kill()
    process.wait()


def test_what_is_in_use_is_renewed_before_anybody_has_to_wait(signed_in, clock):
    first = document(signed_in, ADMIN)
    document(signed_in, READER)
    signed_in.simulator.clear_log()
    # 23 minutes are left: an asker would still be given the old ones.
    clock.set(3600 - 23 * 60)
    wait_until(lambda: signed_in.simulator.count("GetRoleCredentials") == 1, "it did not renew")
    wait_until(lambda: document(signed_in, ADMIN) != first, "what it renewed is not given")
    # Those of the reader last longer.
    assert signed_in.simulator.count("GetRoleCredentials") == 1


def test_the_access_token_is_renewed_too(signed_in, clock):
    document(signed_in, READER)
    clock.set(3600 - 8 * 60)
    wait_until(lambda: signed_in.simulator.count("CreateToken", grantType="refresh_token") == 1, "it did not refresh")


def test_what_nobody_uses_any_more_is_not_renewed(signed_in, clock):
    document(signed_in, ADMIN)
    signed_in.simulator.clear_log()
    clock.set(3600 - 23 * 60, 3700)
    # This one goes through the same rounds.
    document(signed_in, POWER)
    clock.set(3600 - 8 * 60, 3710)
    wait_until(lambda: signed_in.simulator.count("CreateToken") == 1, "it made no round")
    assert signed_in.simulator.count("GetRoleCredentials") == 1


def test_a_network_that_is_gone_leaves_valid_credentials_in_use(signed_in, clock):
    first = document(signed_in, ADMIN)
    signed_in.simulator.stop()
    for left in (23 * 60, 10 * 60, 90):
        clock.set(3600 - left)
        assert document(signed_in, ADMIN) == first
    clock.set(3600 - 30)
    assert asked(signed_in, "get", ADMIN)[:1] == b"5"


def test_a_network_that_comes_back_is_used_at_once(signed_in, clock):
    first = document(signed_in, ADMIN)
    signed_in.simulator.stop()
    clock.set(3600 - 30)
    assert asked(signed_in, "get", ADMIN)[:1] == b"5"
    signed_in.simulator.advance(3600 - 30)
    signed_in.simulator.start()
    assert document(signed_in, ADMIN) != first


def test_after_a_nights_sleep_the_first_asker_gets_what_is_valid_now(signed_in, clock):
    # The monotonic clock does not count the time of a suspended machine, the wall clock does.
    first = document(signed_in, ADMIN)
    pid, night = pid_of(signed_in), 7 * 3600
    signed_in.simulator.advance(night)
    signed_in.simulator.clear_log()
    clock.set(night)
    second = document(signed_in, ADMIN)
    assert second["AccessKeyId"] != first["AccessKeyId"]
    assert epoch_of(second["Expiration"]) > time.time() + night
    assert signed_in.simulator.count("CreateToken", grantType="refresh_token") == 1
    assert pid_of(signed_in) == pid


def test_a_session_that_ended_in_the_night_is_said_and_asked_for_once(signed_in, clock):
    document(signed_in, ADMIN)
    night = 13 * 3600
    signed_in.simulator.advance(night)
    clock.set(night)
    signed_in.simulator.clear_log()
    for _ in range(3):
        answer = asked(signed_in, "get", ADMIN)
        assert answer[:1] == b"3"
        assert b"awssso login -S corp" in answer
    assert signed_in.simulator.count("CreateToken") == 1
    assert signed_in.simulator.count("GetRoleCredentials") == 0


def test_a_renewal_that_hangs_keeps_nobody_waiting(signed_in, clock):
    first = document(signed_in, ADMIN)
    signed_in.simulator.misbehave("GetRoleCredentials", times=math.inf, delay=50)
    signed_in.simulator.clear_log()
    clock.set(3600 - 23 * 60)
    wait_until(lambda: signed_in.simulator.count("GetRoleCredentials") == 1, "it did not renew")
    assert document(signed_in, ADMIN) == first
    clock.set(3600 - 10 * 60)
    assert document(signed_in, ADMIN) == first


def test_c9_a_wall_clock_that_jumps_back_and_forth_is_survived(signed_in, clock):
    first = document(signed_in, ADMIN)
    clock.set(-86400)
    assert document(signed_in, ADMIN) == first
    clock.set(0)
    assert document(signed_in, ADMIN) == first
    clock.set(86400)
    answer = asked(signed_in, "get", ADMIN)
    assert answer is not None
    assert b"clock" in answer
    clock.set(0)
    assert document(signed_in, ADMIN)


@pytest.mark.parametrize(("what", "hours"), [("credentials", 9), ("nothing", 0.2)])
def test_e5_when_nobody_asks_it_ends(signed_in, clock, what, hours):
    if what == "credentials":
        # Of the kind that outlasts the eight hours.
        signed_in.simulator.organization.add_permission_set("Long", 12 * 3600)
        signed_in.simulator.organization.assign(signed_in.simulator.organization.users[0], "210987654321", "Long")
        document(signed_in, "corp/210987654321/Long")
        clock.set(0, 7.5 * 3600)
        assert held(signed_in)
        clock.set(0, (7.5 + hours) * 3600)
    else:
        clock.set(0, hours * 3600)
    wait_until(lambda: not (place(signed_in) / "agent.sock").exists(), "it did not end")


# The keyring behind it


@pytest.fixture
def on_desktop(desktop):
    desktop.configure()
    desktop.ok("login", "--no-sync")
    return desktop


def test_a_keyring_that_is_locked_keeps_no_warm_answer_away(on_desktop, secret_service):
    first = document(on_desktop)
    secret_service.lock()
    assert document(on_desktop) == first
    # The access token is in hand, so another role needs no keyring either; a new agent has nothing.
    assert document(on_desktop, ADMIN)
    on_desktop.stop_agent()
    done = on_desktop.run("credential-process", READER)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.count("\n") == 1
    assert "locked" in done.stderr


def test_a_keyring_that_hangs_is_said_in_time_and_no_harm_for_later(on_desktop, secret_service):
    on_desktop.stop_agent()
    secret_service.stop()
    done = on_desktop.run("credential-process", READER)
    assert (done.returncode, done.stdout) == (4, "")
    pid = pid_of(on_desktop)
    answers = [in_background(asked, on_desktop, "get", word) for word in (READER, ADMIN, POWER)]
    assert {answer()[:1] for answer in answers} == {b"4"}
    assert held(on_desktop) == []
    secret_service.cont()
    wait_until(lambda: asked(on_desktop, "get", READER)[:1] == b"0", "it did not recover")
    assert pid_of(on_desktop) == pid


def test_a_keyring_that_hung_and_died_is_no_harm_for_later(on_desktop, secret_service):
    on_desktop.stop_agent()
    assert agent_client.start(environment(on_desktop))
    secret_service.stop()
    assert asked(on_desktop, "get", READER)[:1] == b"4"
    secret_service.kill()
    secret_service.start()
    wait_until(lambda: asked(on_desktop, "get", READER)[:1] == b"0", "it did not recover")


def test_an_agent_started_where_no_keyring_is_makes_place_for_one_that_has_it(on_desktop):
    on_desktop.stop_agent()
    bus = on_desktop.variables.pop("DBUS_SESSION_BUS_ADDRESS")
    assert agent_client.start(environment(on_desktop))
    pid = pid_of(on_desktop)
    assert asked(on_desktop, "get", READER)[:1] == b"4"
    on_desktop.variables["DBUS_SESSION_BUS_ADDRESS"] = bus
    assert on_desktop.document(READER)
    wait_for_end(pid)
    assert held(on_desktop) == [READER]


# What it survives, and what it shows


def test_an_agent_that_is_suspended_is_one_line_and_can_be_stopped(served):
    document(served)
    pid = pid_of(served)
    os.kill(pid, signal.SIGSTOP)
    done = served.run("credential-process", READER)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == "awssso: the agent does not answer; run: awssso agent stop\n"
    served.ok("agent", "stop")
    wait_for_end(pid)
    assert served.document(READER)


@needs_root
def test_e4_g7_nobody_looks_into_it(served):
    document(served)
    pid = pid_of(served)
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert [line.split()[-3:] for line in limits.splitlines() if "core file" in line] == [["0", "0", "bytes"]]
    # What belongs to a process that is not dumpable belongs to root; see the next test for who may read it.
    os.kill(pid, signal.SIGABRT)
    wait_for_end(pid)
    assert [each for each in served.home.rglob("core*") if each.is_file() and "profiles" not in each.name] == []


LOOKER = """
import ctypes, os, sys
pid = int(sys.argv[1])
found = []
try:
    open(f"/proc/{pid}/mem", "rb").close()
    found.append("mem")
except OSError:
    pass
try:
    open(f"/proc/{pid}/environ", "rb").read()
    found.append("environ")
except OSError:
    pass
if ctypes.CDLL(None).ptrace(16, pid, 0, 0) == 0:
    found.append("ptrace")
print(found)
"""
AGENT = """
import os, sys, time
sys.path[:0] = sys.argv[1].split(":")
if os.fork():
    os._exit(0)
if sys.argv[2] == "agent":
    from awssso_helper import detached
    detached.settle()
print(os.getpid(), flush=True)
os.close(1)
os.close(2)
time.sleep(60)
"""


@needs_root
@pytest.mark.parametrize("kind", ["bystander", "agent"])
def test_e4_not_even_its_own_user_reads_its_memory(kind):
    """The bystander shows that this test would see it."""
    packages = Path(tempfile.mkdtemp(prefix="awssso-", dir="/tmp"))
    try:
        # For a user who may not look into the directories of the one who runs the tests.
        for package in (warm, platformdirs):
            folder = Path(package.__file__).parent
            shutil.copytree(folder, packages / folder.name)
        for directory, _, names in os.walk(packages):
            Path(directory).chmod(0o755)
            for name in names:
                Path(directory, name).chmod(0o644)
        python = [*NOBODY, "/usr/bin/python3", "-I"]
        pid = subprocess.check_output([*python, "-c", AGENT, str(packages), kind], text=True).strip()
        found = subprocess.check_output([*python, "-c", LOOKER, pid], text=True).strip()
        os.kill(int(pid), signal.SIGKILL)
    finally:
        shutil.rmtree(packages)
    assert found == ("[]" if kind == "agent" else "['mem', 'environ', 'ptrace']")


def test_the_audit_trail_says_who_asked_for_what(signed_in):
    signed_in.settings(*OPTIONS, "agent_audit = on")
    process = signed_in.start("credential-process", READER)
    out, _ = process.communicate()
    trail = signed_in.home / ".local" / "state" / "awssso" / "audit.jsonl"
    lines = [json.loads(line) for line in trail.read_text().splitlines()]
    assert [(line["role"], line["pid"]) for line in lines] == [(READER, process.pid)]
    assert lines[0]["executable"] == os.path.realpath(sys.executable)
    assert lines[0]["parent_pid"] == os.getpid()
    assert abs(time.time() - time.mktime(time.strptime(lines[0]["time"], "%Y-%m-%dT%H:%M:%SZ")) + time.timezone) < 3600
    assert trail.stat().st_mode & 0o777 == 0o600
    assert json.loads(out)["SecretAccessKey"] not in trail.read_text()


def test_a_trap_in_the_place_of_the_audit_trail_stops_nobody(signed_in):
    signed_in.settings(*OPTIONS, "agent_audit = on")
    trail = signed_in.home / ".local" / "state" / "awssso" / "audit.jsonl"
    victim = signed_in.home / "victim"
    victim.touch()
    assert agent_client.start(environment(signed_in))
    os.mkfifo(trail)
    assert document(signed_in)
    trail.unlink()
    trail.symlink_to(victim)
    assert document(signed_in)
    trail.unlink()
    trail.mkdir()
    assert document(signed_in)
    assert victim.read_bytes() == b""


def test_status_shows_it_and_what_it_holds(served):
    document(served)
    facts = served.json("agent", "status")
    assert facts["running"] is True
    assert facts["pid"] == pid_of(served)
    assert facts["keyring"] == "plaintext-file"
    assert [role["role"] for role in facts["roles"]] == [READER]
    assert served.json("status")["agent"]["roles"] == facts["roles"]
    assert f"  {READER}: " in served.ok("status").stderr
    shown = served.ok("agent", "status")
    assert READER in shown.stdout
    assert f"pid {facts['pid']}" in shown.stderr
    served.stop_agent()
    wait_for_end(facts["pid"])
    assert served.json("agent", "status") == {"running": False, "roles": []}
    assert served.run("agent", "status").returncode == 1
