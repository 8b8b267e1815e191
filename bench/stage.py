"""A stage to measure on: a simulator, a throw-away home, a keyring, and a user who is signed in."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from awssso_helper.environment import Environment
from awssso_helper.identity_center import DEVICE_CODE, IdentityCenter
from awssso_helper.model import Deadline
from awssso_helper.simulator import person
from bench.stopwatch import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
SESSION = "corp"
REGION = "us-east-1"
READER = "corp/210987654321/ReadOnlyAccess"
KEYRING_PROGRAMS = ("dbus-daemon", "gnome-keyring-daemon")
_PATIENCE = 30.0
_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>
"""


class Stage:
    """One user with an installed awssso; `settings` are lines of the settings file."""

    def __init__(self, directory: Path, awssso: Path, simulator: subprocess.Popen[str]) -> None:
        self.home = directory / "home"
        self.awssso = awssso
        self._simulator = simulator
        said = self._heard()
        self.start_url: str = said["start_url"]
        runtime = self.home / "run"
        runtime.mkdir(mode=0o700, parents=True)
        self.variables = {
            "PATH": f"{awssso.parent}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(runtime),
            "AWS_EC2_METADATA_DISABLED": "true",
            "BROWSER": f"{shlex.quote(sys.executable)} -m awssso_helper.simulator.person %s",
            **said["variables"],
        }

    # awssso

    def settings(self, *lines: str) -> None:
        path = self.home / ".config" / "awssso" / "config"
        path.parent.mkdir(parents=True, exist_ok=True)
        if lines:
            path.write_text("".join(f"{line}\n" for line in lines))
        else:
            path.unlink(missing_ok=True)

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(self.awssso), *arguments],
            env=self.variables, cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"awssso {' '.join(arguments)}: {done.returncode} {done.stderr}")
        return done.stdout

    def sign_in(self, *, syncs: bool = True) -> None:
        config = self.home / ".aws" / "config"
        if not config.exists():
            self.run("configure", "-S", SESSION, "--start-url", self.start_url, "--region", REGION)
        self.run("login", "--force", *(("--wait",) if syncs else ("--no-sync",)))

    def stop_agent(self) -> None:
        with contextlib.suppress(RuntimeError):
            self.run("agent", "stop")

    def launcher(self) -> str:
        return str(self.home / ".local" / "share" / "awssso" / "bin" / "awssso")

    def interpreter(self) -> str:
        """Give the interpreter that the launcher starts."""
        lines = Path(self.launcher()).read_text().splitlines()
        return shlex.split(next(line for line in lines if line.startswith("python=")).partition("=")[2])[0]

    def warm_line(self, word: str = READER) -> Command:
        """Give the line of a profile, as it stands in the config file."""
        lines = (self.home / ".aws" / "config").read_text().splitlines()
        line = next(line for line in lines if line.startswith("credential_process") and line.endswith(f" {word}"))
        return Command(shlex.split(line.partition("=")[2]), self.variables, says=b"SecretAccessKey")

    def bare_python(self) -> Command:
        """Give what everything is measured against: the same interpreter, doing nothing."""
        return Command([self.interpreter(), "-I", "-S", "-c", "pass"], self.variables)

    def words(self) -> list[str]:
        """Give the role words of all generated profiles."""
        lines = (self.home / ".aws" / "config").read_text().splitlines()
        return [line.split()[-1] for line in lines if line.startswith("credential_process")]

    def profiles(self) -> list[str]:
        lines = (self.home / ".aws" / "config").read_text().splitlines()
        return [line[9:-1] for line in lines if line.startswith("[profile ") and "." in line]

    # The simulator

    def order(self, **orders: float) -> dict[str, Any]:
        """Order the simulator to do something; gives its counts of before."""
        assert self._simulator.stdin is not None
        self._simulator.stdin.write(json.dumps(orders) + "\n")
        self._simulator.stdin.flush()
        return self._heard()

    def _heard(self) -> dict[str, Any]:
        assert self._simulator.stdout is not None
        heard: dict[str, Any] = json.loads(self._simulator.stdout.readline())
        return heard

    # For the peers

    def token(self) -> str:
        """Sign in by device code, past awssso, and give the access token: what the peers have in their plain files."""
        environment = Environment({**os.environ, **self.variables})
        center = IdentityCenter(environment, environment.endpoints(REGION, self.start_url))
        registration = center.register_client(
            "bench", grant=DEVICE_CODE, scopes=("sso:account:access",), issuer_url=self.start_url, deadline=_soon()
        )
        device = center.start_device_authorization(registration, self.start_url, _soon())
        person.approve(device.verification_uri_complete)
        return center.poll_device(registration, device.device_code, _soon()).access_token.reveal()


def _soon() -> Deadline:
    return Deadline(30)


@contextlib.contextmanager
def staged(
    awssso: Path, *, accounts: int = 0, roles: int = 0, settings: tuple[str, ...] = (), with_keyring: bool = False
) -> Iterator[Stage]:
    """Set the stage: simulator, home and keyring; nobody is signed in yet."""
    with contextlib.ExitStack() as held:
        directory = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="awssso-bench-")))
        simulator = subprocess.Popen(
            [sys.executable, "-m", "bench.serve", str(accounts), str(roles)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        held.callback(_ended, simulator)
        stage = Stage(directory, awssso, simulator)
        stage.settings(*settings)
        if with_keyring:
            stage.variables |= held.enter_context(keyring(directory))
        held.callback(stage.stop_agent)
        yield stage


def has_keyring() -> bool:
    """Say whether a Secret Service can be started here."""
    return all(shutil.which(program) for program in KEYRING_PROGRAMS)


@contextlib.contextmanager
def keyring(directory: Path) -> Iterator[dict[str, str]]:
    """Run gnome-keyring, unlocked, on a bus of its own; gives the variables that lead to it."""
    socket, configuration = directory / "bus", directory / "bus.conf"
    configuration.write_text(_BUS.format(socket=socket))
    variables = {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={socket}"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with contextlib.ExitStack() as held:
        bus = subprocess.Popen(["dbus-daemon", f"--config-file={configuration}", "--nofork", "--nopidfile"], **quiet)
        held.callback(_ended, bus)
        _wait(socket.exists)
        daemon = subprocess.Popen(
            ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
            env={"PATH": os.defpath, "HOME": str(directory), "XDG_RUNTIME_DIR": str(directory), **variables},
            stdin=subprocess.PIPE,
            **quiet,
        )
        held.callback(_ended, daemon)
        assert daemon.stdin is not None
        with daemon.stdin as stdin:
            stdin.write(b"bench")
        _wait((directory / ".local" / "share" / "keyrings" / "login.keyring").exists)
        yield variables


def _wait(is_so: Any) -> None:
    end = time.monotonic() + _PATIENCE
    while not is_so():
        if time.monotonic() > end:
            raise RuntimeError("the keyring did not start")
        time.sleep(0.02)


def _ended(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    process.wait()
