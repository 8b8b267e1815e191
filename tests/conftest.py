"""Every test is sealed: no real home, no real keyring, no network but loopback."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

import hypothesis
import pytest

from awssso_helper.endpoints import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# No test is about time: a machine that is busy elsewhere is no failure. In CI, whose verdict is about a commit, the
# same examples are tried each time; everywhere else the search goes on.
hypothesis.settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    print_blob=True,
    derandomize="CI" in os.environ,
)
hypothesis.settings.load_profile("house")

pytest_plugins = ("simulator_fixtures", "secret_service", "sandbox", "cloud", "migrant")

KEPT_VARIABLES = (
    "AWSSSO_TESTS_MAY_NOT_SKIP",
    "AWSSSO_SOAK_SEED",
    "AWSSSO_SOAK_TESTS",
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "COVERAGE_PROCESS_START",
    "OPENBLAS_CORETYPE",
)


def sealed_environment(home: Path) -> dict[str, str]:
    """The variables of a user who just unpacked the machine: a home, nothing of AWS, no keyring."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    runtime = home / "run"
    runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        **kept,
        "HOME": str(home),
        "USERPROFILE": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_RUNTIME_DIR": str(runtime),
        "TERM": "xterm-256color",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "BROWSER": "/bin/false",
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture(autouse=True)
def sealed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process the sealed variables and keep its sockets on loopback."""
    variables = sealed_environment(home)
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(home)
    monkeypatch.setattr(socket.socket, "connect", _guarded(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", _guarded(socket.socket.connect_ex))


def _guarded(connect):
    def guarded(self: socket.socket, address):
        if self.family != socket.AF_UNIX and not is_loopback(str(address[0])):
            raise AssertionError(f"a test reached out to {address}")
        return connect(self, address)

    return guarded


@pytest.fixture
def python() -> str:
    """The interpreter that the product's processes run on."""
    return sys.executable


FIGURES: list[str] = []


@pytest.fixture
def figures(request) -> Callable[..., None]:
    """Take what a long test has counted or measured; printed at the end of the run."""
    began = time.monotonic()

    def take(*words: str, **values: object) -> None:
        seconds = time.monotonic() - began
        said = ", ".join([*words, *(f"{value} {name.replace('_', ' ')}" for name, value in values.items())])
        FIGURES.append(f"{request.node.name}: {said} ({seconds:.0f} s)")

    return take


def pytest_configure() -> None:
    # A shell starts what runs behind it with SIGINT ignored, and so would run every program that a test starts.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter) -> None:
    if FIGURES:
        terminalreporter.section("figures")
        for line in FIGURES:
            terminalreporter.line(line)


# `.ci/run` installs all that the tests need, so there nothing may skip.
MAY_NOT_SKIP = bool(os.environ.get("AWSSSO_TESTS_MAY_NOT_SKIP"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and MAY_NOT_SKIP and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may skip: {report.longrepr}"
    return report
