"""A person at a real terminal: a program on a pseudo-terminal, what it shows, what is typed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from pseudo_terminal import is_readable

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 60
# Without a controlling terminal Ctrl-C is only a character.
_AT_A_TERMINAL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Keyboard:
    """One program and its terminal; a context manager that ends both."""

    def __init__(self, command: list[str], variables: dict[str, str], cwd: Path) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _AT_A_TERMINAL, *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=variables,
            cwd=cwd,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""
        self._heeded = 0

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def types(self, text: str, after: str) -> None:
        """Wait until the program shows `after` once more, then type."""
        end = time.monotonic() + SECONDS
        while after not in self.shown[self._heeded :]:
            assert time.monotonic() < end, f"{after!r} did not come: {self.shown!r}"
            assert self._looks(), f"{after!r} did not come: {self.shown!r}"
        self._heeded = self.shown.index(after, self._heeded) + len(after)
        os.write(self._ours, text.encode())

    def signal(self, number: int) -> None:
        """Send the program a signal."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Read all that comes and give the exit status."""
        end = time.monotonic() + SECONDS
        while self._looks():
            assert time.monotonic() < end, f"it does not end: {self.shown!r}"
        return self._process.wait(SECONDS)

    def _looks(self) -> bool:
        """Read what is there; False when the program let go of its terminal."""
        if not is_readable(self._ours, 1):
            return True
        try:
            piece = os.read(self._ours, 65536)
        except OSError:  # Linux tells the end so
            return False
        self.shown += piece.decode(errors="replace").replace("\r", "")
        return bool(piece)
