"""The sandbox organisation as a newcomer meets it: by itself, as a shell, as a server for any client."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import sealed_environment
from keyboard import Keyboard
from sandbox import AWSSSO, START_URL

SECONDS = 120
PROXIES = {"HTTP_PROXY": "http://192.0.2.1:3128", "https_proxy": "http://192.0.2.1:3128"}


def run(home, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [AWSSSO, "demo", *arguments],
        env={**sealed_environment(home), **more},
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def all_of(home) -> list[str]:
    return sorted(str(path) for path in home.rglob("*"))


def test_the_demo_does_the_main_job_and_touches_nothing_of_the_user(home):
    sealed_environment(home)
    before = all_of(home)
    done = run(home, "--run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "assumed-role/AWSReservedSSO_ReadOnlyAccess" in done.stdout
    assert done.stderr == ""
    assert all_of(home) == before
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    transcript = readme.split("<!-- demo")[1].split("-->\n", maxsplit=1)[1].split("<!-- /demo")[0]
    assert lasting(textwrap.dedent(transcript)) == lasting(done.stdout)


def lasting(transcript: str) -> str:
    """What is the same in every run: no port, process, client or time of day."""
    text = re.sub(r"client_id=.*", "client_id=...", transcript)
    text = re.sub(r"(?<=127\.0\.0\.1:)\d+|(?<=pid )\d+", "N", text)
    return re.sub(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d(?=,)", "TIME", text).strip()


@pytest.mark.parametrize(
    "variables",
    [{"HOME": "/nonexistent/home"}, PROXIES, {"BROWSER": "none", "AWS_PROFILE": "mine", "AWS_CA_BUNDLE": "/none"}],
    ids=["no home", "behind a proxy", "variables of the user"],
)
def test_the_demo_works_whatever_surrounds_it(home, variables):
    done = run(home, "--run", **variables)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_sandbox_leaves_no_process_and_no_directory_behind(home, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert run(home, "--run", TMPDIR=str(scratch)).returncode == 0
    assert all_of(scratch) == []
    assert b"TMPDIR=" + bytes(scratch) not in every_environment()


def every_environment() -> bytes:
    found = b""
    for each in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            found += each.read_bytes()
    return found


@pytest.mark.parametrize("shell", ["bash", "zsh", "sh"])
def test_the_demo_is_a_shell_in_which_every_command_is_real(home, shell):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    before = all_of(home)
    variables = {**sealed_environment(home), "SHELL": program, "BROWSER": ""}
    with Keyboard([AWSSSO, "demo"], variables, home) as keyboard:
        keyboard.types(f"awssso configure --start-url {START_URL} --region us-east-1\n", after="(awssso demo) $ ")
        keyboard.types("awssso login\n", after="next: awssso login")
        keyboard.types("echo counted $(awssso list --names | grep -c .) at $HOME/\n", after="34 profiles (34 added)")
        keyboard.types("exit 7\n", after="counted 34 at /")
        assert keyboard.end() == 7
    assert "approved by themselves" in keyboard.shown
    assert not Path(re.search(r"counted 34 at (\S+)", keyboard.shown)[1]).exists()
    assert all_of(home) == before


def test_the_shell_suggests_only_programs_that_are_there(home, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    variables = {**sealed_environment(home), "SHELL": "/bin/sh", "PATH": str(empty)}
    with Keyboard([AWSSSO, "demo"], variables, home) as keyboard:
        keyboard.types("exit\n", after="(awssso demo) $ ")
        assert keyboard.end() == 0
    suggested = re.findall(r"^  (.*)$", keyboard.shown, re.MULTILINE)
    assert suggested[-1].startswith("AWS_PROFILE=production.ReadOnlyAccess python -c ")
    assert not [line for line in suggested if line.startswith("aws ")]


def test_the_demo_shell_wants_a_terminal(home):
    done = run(home)
    assert (done.returncode, done.stdout) == (1, "")
    assert "hint: awssso demo --run" in done.stderr


def test_the_port_belongs_to_the_server(home):
    assert run(home, "--run", "--port", "8080").returncode == 2


@contextlib.contextmanager
def served(home, *arguments: str, **more: str):
    """The server in a process of its own, and the variables that it prints."""
    server = subprocess.Popen(
        [AWSSSO, "demo", "--serve", *arguments],
        env={**sealed_environment(home), **more},
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        # The last line on stderr is said when all is there.
        said = server.stderr.readline()
        assert said.startswith("Start URL: "), said
        os.set_blocking(server.stdout.fileno(), False)
        lines = (server.stdout.read() or "").splitlines()
        yield server, dict(shlex.split(line.removeprefix("export "))[0].split("=", 1) for line in lines)
    finally:
        server.kill()
        server.communicate()


def test_the_server_alone_prints_variables_that_make_it_the_identity_center_of_any_client(home, free_port):
    with served(home, "--port", str(free_port)) as (server, exported):
        assert set(exported) >= {"AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SSO_OIDC", "AWS_ENDPOINT_URL_STS"}
        assert set(exported.values()) == {f"http://127.0.0.1:{free_port}"}
        script = (
            "import botocore.session as b; c = b.Session().create_client('sso-oidc', region_name='us-east-1');"
            "print(c.register_client(clientName='any', clientType='public')['clientId'])"
        )
        variables = {**sealed_environment(home), **exported}
        asked = subprocess.run(
            [sys.executable, "-c", script], env=variables, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert asked.stdout.strip(), asked.stderr
        taken = run(home, "--serve", "--port", str(free_port))
        assert taken.returncode == 2
        assert f"port {free_port}" in taken.stderr
        assert "hint: " in taken.stderr
        server.send_signal(signal.SIGINT)
        assert server.wait(SECONDS) == 0


def test_behind_a_proxy_the_server_prints_the_way_around_it(home):
    with served(home, **PROXIES, NO_PROXY="intern.example") as (_, exported):
        assert exported["NO_PROXY"] == exported["no_proxy"] == "intern.example,127.0.0.1"


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
