"""A real terminal that a test types into and looks at: tmux on a socket of its own."""

from __future__ import annotations

import shlex
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 60


class Tmux:
    """One terminal, in which a shell with the given variables runs."""

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "tmux"
        self._directory = directory

    def open(self, command: str, variables: dict[str, str], *, width: int = 80, height: int = 24) -> None:
        """Start a shell command in it, as its only program."""
        settings = [f"{name}={value}" for name, value in variables.items() if name != "TERM"]
        words = ["new-session", "-d", "-x", str(width), "-y", str(height), "env", "-i", "TERM=screen-256color"]
        self._run("-f", "/dev/null", *words, *settings, "sh", "-c", command)
        self._run("set-option", "-g", "status", "off")
        self._run("set-option", "-g", "set-clipboard", "on")

    def resize(self, width: int, height: int) -> None:
        self._run("resize-window", "-x", str(width), "-y", str(height))

    def type(self, text: str) -> None:
        """Type letters."""
        self._run("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by their tmux names."""
        self._run("send-keys", *keys)

    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    def shows(self, text: str) -> str:
        """Wait until a text is on the screen; gives the screen."""
        return self._awaited(lambda screen: text in screen, f"{text!r} never came")

    def shows_line(self, *parts: str) -> str:
        """Wait until one line has all these parts, and ends with the last."""

        def is_there(screen: str) -> bool:
            lines = [line.rstrip() for line in screen.splitlines()]
            return any(all(part in line for part in parts) and line.endswith(parts[-1]) for line in lines)

        return self._awaited(is_there, f"no line with {parts} ever came")

    def no_longer_shows(self, text: str) -> str:
        return self._awaited(lambda screen: text not in screen, f"{text!r} never went")

    def _awaited(self, is_there, complaint: str) -> str:
        end = time.monotonic() + SECONDS
        while not is_there(screen := self.screen()):
            assert time.monotonic() < end, f"{complaint}:\n{screen}"
            time.sleep(0.05)
        return screen

    def modes(self) -> str:
        """What a program left the terminal in."""
        asked = "alternate=#{alternate_on} mouse=#{mouse_any_flag} cursor=#{cursor_flag}"
        return self._run("display-message", "-p", asked).strip()

    def clipboard(self) -> str:
        """What a program put on the clipboard by OSC 52."""
        return self._run("show-buffer", check=False)

    def _run(self, *words: str, check: bool = True) -> str:
        command = ["tmux", "-S", str(self._socket), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert not check or done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
        return done.stdout

    def close(self) -> None:
        self._run("kill-server", check=False)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    terminal = Tmux(tmp_path)
    yield terminal
    terminal.close()
