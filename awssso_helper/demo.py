"""An organisation to play with: the local IAM Identity Center and a throw-away home in which every command is real.

Nothing of the user's own home, keyring and AWS accounts is reached: HOME, the XDG directories and all AWS variables
are the sandbox's, and its settings name a plain file for the made-up tokens.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from awssso_helper import agent_client
from awssso_helper.environment import Environment
from awssso_helper.errors import AwsssoError
from awssso_helper.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from awssso_helper.terminal import Terminal

_REGION = "us-east-1"
_HOST = "127.0.0.1"
_PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_PROMPT = "(awssso demo) $ "
_PROFILE = "production.ReadOnlyAccess"
_WHO_AM_I = 'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])'
_WELCOME = """\
A shell inside a sandbox organisation. Everything here is real but the organisation: try

  awssso configure --start-url {start_url} --region us-east-1 --default-region eu-west-1
  awssso login
  awssso list production
  {proof}

Leave with `exit`; the sandbox goes with it."""


def play(terminal: Terminal) -> int:
    """Start a shell in a sandbox; ends when the shell does."""
    if not terminal.is_interactive():
        raise AwsssoError("the demo is a shell and needs a terminal", hint="awssso demo --run")
    with _sandbox() as sandbox:
        terminal.tell(_WELCOME.format(start_url=sandbox.start_url, proof=_proof(sandbox.variables["PATH"])))
        if sandbox.approves_by_itself:
            terminal.tell("There is no browser here, so sign-ins are approved by themselves.")
        shell = os.environ.get("SHELL") or "/bin/sh"
        return subprocess.run([shell], env=sandbox.variables, cwd=sandbox.home, check=False).returncode


def _proof(path: str) -> str:
    """Give a command that calls AWS through a profile, with a program that is here."""
    if shutil.which("aws", path=path):
        return f"aws sts get-caller-identity --profile {_PROFILE}"
    return f"AWS_PROFILE={_PROFILE} {shlex.join(['python', '-c', _WHO_AM_I])}"


def run_through(terminal: Terminal) -> int:
    """Do the main job from end to end without a person, showing each command and what it prints."""
    with _sandbox(approves_by_itself=True) as sandbox:
        terminal.data(f"A sandbox organisation answers at {sandbox.url}; nothing of your own is touched.")
        for command, more in _steps(sandbox.start_url):
            assignments = [f"{name}={value}" for name, value in more.items()]
            terminal.data(f"\n$ {' '.join([*assignments, shlex.join(command)])}")
            status = sandbox.run(command, more)
            if status:
                raise AwsssoError(f"the demo stopped: {command[0]} exited with {status}", hint="awssso demo")
        terminal.data("\nDone. That was the whole job; now with your own portal: awssso configure")
    return 0


def _steps(start_url: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    yield ["awssso", "configure", "--start-url", start_url, "--region", _REGION, "--default-region", "eu-west-1"], {}
    yield ["awssso", "login"], {}
    yield ["awssso", "status"], {}
    yield ["awssso", "list", "production"], {}
    # A fresh process that has never heard of us: boto3 reads the profile and calls credential_process.
    yield ["python", "-c", _WHO_AM_I], {"AWS_PROFILE": _PROFILE}
    yield ["awssso", "logout"], {}


def serve(terminal: Terminal, port: int) -> int:
    """Run only the server, until Ctrl-C; stdout has the variables to export."""
    with _started(port) as simulator:
        variables = {**simulator.variables(), **_way_around_proxies()}
        lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
        terminal.data("\n".join(lines))
        sys.stdout.flush()
        terminal.tell(f"Start URL: {simulator.organization.start_url} (region {_REGION}). Ctrl-C ends the server.")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


def _way_around_proxies() -> dict[str, str]:
    """Keep clients off a proxy that variables name: botocore would look for this machine's loopback behind it."""
    if not any(os.environ.get(name) for name in _PROXIES):
        return {}
    names = ("NO_PROXY", "no_proxy")
    hosts = next((os.environ[name] for name in reversed(names) if os.environ.get(name)), "")
    return dict.fromkeys(names, ",".join(filter(None, [hosts, _HOST])))


@contextlib.contextmanager
def _started(port: int) -> Iterator[Simulator]:
    simulator = Simulator(port=port)
    simulator.start()
    try:
        yield simulator
    finally:
        simulator.stop()


class _Sandbox:
    """A home and the variables that keep every child inside it."""

    def __init__(self, home: Path, simulator: Simulator, *, approves_by_itself: bool) -> None:
        self.home = home
        self.url = simulator.url
        self.start_url = simulator.organization.start_url
        self.approves_by_itself = approves_by_itself
        self.variables = _sandbox_variables(home, simulator.variables())
        if approves_by_itself:
            python = shlex.quote(sys.executable)
            self.variables["BROWSER"] = f"{python} -I -m awssso_helper.simulator.person %s"
        self._write_settings()
        self._write_start_files()
        self._put_programs_on_path()

    def run(self, command: Sequence[str], more: Mapping[str, str]) -> int:
        variables = {**self.variables, **more}
        program = shutil.which(command[0], path=variables["PATH"])
        if program is None:
            return 127
        sys.stdout.flush()
        # One stream, so that a saved transcript reads as the terminal did.
        child = [program, *command[1:]]
        return subprocess.run(child, env=variables, cwd=self.home, stderr=subprocess.STDOUT, check=False).returncode

    def _write_settings(self) -> None:
        directory = self.home / ".config" / "awssso"
        directory.mkdir(parents=True)
        self.variables["AWSSSO_CONFIG"] = str(directory / "config")
        (directory / "config").write_text(
            "# The sandbox's tokens are made up; a plain file will do, wherever temporary files are.\n"
            "keyring = plaintext-file\nothers_may_write = True\n"
        )

    def _write_start_files(self) -> None:
        """Have shells show where they are, whatever the system's start files say; zsh asks no newcomer's questions."""
        for name in (".bashrc", ".zshrc"):
            (self.home / name).write_text(f"PS1={shlex.quote(_PROMPT)}\n")

    def _put_programs_on_path(self) -> None:
        """Make `awssso` and `python` mean this installation, whatever else is on the PATH."""
        programs = Path(sys.executable).parent if sys.platform == "win32" else self._scripts()
        self.variables["PATH"] = f"{programs}{os.pathsep}{self.variables.get('PATH', os.defpath)}"

    def _scripts(self) -> Path:
        programs = self.home / "bin"
        programs.mkdir()
        for name, arguments in (("awssso", "-I -m awssso_helper"), ("python", "")):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n')
            program.chmod(0o755)
        return programs


def _sandbox_variables(home: Path, simulated: Mapping[str, str]) -> dict[str, str]:
    foreign = ("AWS_", "AWSSSO_", "XDG_", "SSH_", "PYTHON", "KEYRING_")
    kept = {name: value for name, value in os.environ.items() if not (name.startswith(foreign) or name in _PROXIES)}
    runtime = home / "run"
    runtime.mkdir(mode=0o700)
    return {
        **kept,
        **simulated,
        "HOME": str(home),
        "USERPROFILE": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_RUNTIME_DIR": str(runtime),
        "AWS_EC2_METADATA_DISABLED": "true",
        "PS1": _PROMPT,
        "NO_PROXY": _HOST,
        "no_proxy": _HOST,
    }


@contextlib.contextmanager
def _sandbox(*, approves_by_itself: bool | None = None) -> Iterator[_Sandbox]:
    if approves_by_itself is None:
        approves_by_itself = not _has_browser()
    with tempfile.TemporaryDirectory(prefix="awssso-demo-") as directory, _started(0) as simulator:
        sandbox = _Sandbox(Path(directory), simulator, approves_by_itself=approves_by_itself)
        try:
            yield sandbox
        finally:
            agent_client.stop(Environment(sandbox.variables))


def _has_browser() -> bool:
    if sys.platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))
