"""A user: a home, a keyring, a browser, and `awssso` as a program; with the scan for leaked secrets."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import sealed_environment
from keyboard import Keyboard

from awssso_helper import agent_client
from awssso_helper.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awssso_helper.simulator import Simulator

AWSSSO = str(Path(sys.executable).parent / "awssso")
AWS_V1 = str(Path(sys.executable).parent / "aws")
AWS_V2 = "/usr/bin/aws"
START_URL = "https://d-1234567890.awsapps.com/start"
SECONDS = 60
# For our own processes only: Debian's AWS CLI has warnings of its own.
OURS = {"PYTHONWARNINGS": "error"}


class Sandbox:
    """One user of the simulator's organisation, who has `awssso` and nothing else."""

    def __init__(self, home: Path, simulator: Simulator) -> None:
        self.home = home
        self.simulator = simulator
        self.said: list[str] = []
        self.keyring_files = home / ".local" / "share" / "awssso" / "secrets"
        self.config = home / ".aws" / "config"
        self.variables = {
            **sealed_environment(home),
            **simulator.variables(),
            "BROWSER": f"{shlex.quote(sys.executable)} -m awssso_helper.simulator.person %s",
        }
        self.settings("keyring = plaintext-file")

    def settings(self, *lines: str) -> None:
        self.settings_lines = lines
        path = self.home / ".config" / "awssso" / "config"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))

    def use_secret_service(self, variables: dict[str, str]) -> None:
        """Keep the secrets in a real gnome-keyring instead of a plain file."""
        self.settings("# the keyring of the desktop session")
        self.variables.pop("PYTHON_KEYRING_BACKEND")
        self.variables |= variables

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [AWSSSO, *arguments],
            env={**self.variables, **OURS, **more},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, typed: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `awssso` and remember what it printed, for the scan."""
        done = subprocess.run(
            [AWSSSO, *arguments],
            env={**self.variables, **OURS, **more},
            cwd=self.home,
            input=typed,
            stdin=None if typed is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        self.said.append(done.stderr)
        if arguments[0] != "credential-process":
            self.said.append(done.stdout)
        return done

    def at_terminal(self, *arguments: str, **more: str) -> Keyboard:
        """Start it on a terminal of its own."""
        return Keyboard([AWSSSO, *arguments], {**self.variables, **OURS, **more}, self.home)

    def ok(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run it where it must succeed."""
        done = self.run(*arguments, **more)
        assert done.returncode == 0, f"awssso {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def json(self, *arguments: str, **more: str):
        return json.loads(self.run(*arguments, "--json", **more).stdout)

    def configure(self, name: str = "corp") -> None:
        self.ok("configure", "-S", name, "--start-url", START_URL, "--region", "us-east-1")

    def first_day(self) -> None:
        self.configure()
        self.ok("login")

    def program(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run another program as this user."""
        return subprocess.run(
            command,
            env={**self.variables, **more},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def boto3(self, script: str, **more: str) -> subprocess.CompletedProcess[str]:
        return self.program(sys.executable, "-c", script, AWS_DEFAULT_REGION="us-east-1", **more)

    def document(self, word: str, **more: str) -> dict[str, str]:
        done = self.run("credential-process", word, **more)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return json.loads(done.stdout)

    def stop_agent(self) -> None:
        agent_client.stop(Environment(self.variables))

    def leaks(self) -> list[str]:
        """Where a secret that the simulator ever handed out shows: in a file outside the keyring, or in words."""
        secrets = [secret for secret in self.simulator.organization.issued_secrets() if len(secret) > 8]
        places = [(str(path), _content(path)) for path in self._files()]
        places += [(f"what awssso said: {text[:80]}", text.encode()) for text in self.said]
        return [place for place, content in places if any(secret.encode() in content for secret in secrets)]

    def _files(self) -> Iterator[Path]:
        for directory, names, files in os.walk(self.home):
            if Path(directory) == self.keyring_files:
                names.clear()
                continue
            yield from (Path(directory) / name for name in files)


def _content(path: Path) -> bytes:
    return path.read_bytes() if stat.S_ISREG(path.lstat().st_mode) else b""


@pytest.fixture
def sandbox(home: Path, simulator: Simulator) -> Iterator[Sandbox]:
    """A user with a plain-file keyring; whatever the test did, no secret may be anywhere else."""
    user = Sandbox(home, simulator)
    yield user
    user.stop_agent()
    assert user.leaks() == []


@pytest.fixture
def desktop(home: Path, simulator: Simulator, secret_service) -> Iterator[Sandbox]:
    """A user with a real gnome-keyring; no secret may be in any file."""
    user = Sandbox(home, simulator)
    user.use_secret_service(secret_service.variables)
    yield user
    user.stop_agent()
    assert user.leaks() == []
