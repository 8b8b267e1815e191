"""The way to the agent: is one wanted, ask it, start it. What a short-lived process needs, and no more."""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import TYPE_CHECKING

from awssso_helper import files, warm
from awssso_helper.errors import BusyError
from awssso_helper.model import Deadline

if TYPE_CHECKING:
    from awssso_helper.environment import Environment
    from awssso_helper.settings import Settings

_START_SECONDS = 3.0
# What an SDK's process has that the agent should not: its keys, its profile, its Python.
_FOREIGN = ("AWS_", "PYTHON")
_KEPT = (
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_USE_",
    "PYTHON_KEYRING_BACKEND",
)


def is_wanted(settings: Settings) -> bool:
    """Say whether an agent can run here and the settings do not forbid it."""
    return settings.agent and hasattr(socket, "AF_UNIX") and hasattr(os, "posix_spawn")


def asked(environment: Environment, verb: str, *words: str, patience: float = warm.PATIENCE) -> bytes | None:
    """Ask the running agent: a status digit, text and a newline. None when none of our version and place answers."""
    variables = as_bytes(environment)
    return warm.asked(warm.request(verb.encode(), [word.encode() for word in words], variables), variables, patience)


def start(environment: Environment) -> bool:
    """Start an agent and wait until it listens; of many at once, one starts it and all wait. Says whether it does."""
    try:
        with files.locked(environment.lock_dir / "agent-start.lock", Deadline(0)):
            if not _is_up(environment):
                spawn(environment, ["agent", "serve"])
            return _came_up(environment)
    except BusyError:
        return _came_up(environment)


def spawn(environment: Environment, arguments: list[str]) -> None:
    """Start awssso in a process of its own, with nothing of ours open in it, and do not wait."""
    variables = {
        name: value
        for name, value in environment.variables.items()
        if not name.startswith(_FOREIGN) or name.startswith(_KEPT)
    }
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    command = [sys.executable, "-I", "-m", "awssso_helper", *arguments]
    os.posix_spawn(sys.executable, command, variables, file_actions=actions)


def _came_up(environment: Environment) -> bool:
    end = Deadline(_START_SECONDS)
    pause = 0.01
    while not end.passed():
        if _is_up(environment):
            return True
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return False


def _is_up(environment: Environment) -> bool:
    connection = warm.connected(as_bytes(environment), 0.5)
    if connection is None:
        return False
    connection.close()
    return True


def as_bytes(environment: Environment) -> dict[bytes, bytes]:
    """Give the variables as the kernel has them, which is how the warm lane reads them."""
    return {os.fsencode(name): os.fsencode(value) for name, value in environment.variables.items()}
