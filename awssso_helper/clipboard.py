"""The clipboard of the desktop: which program puts text on it here, and doing so.

The text goes in by stdin, never as an argument; the program gets nothing of our terminal.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awssso_helper.environment import Environment

_SECONDS = 5


def copied(text: str, environment: Environment) -> str:
    """Put text on the clipboard and name the program that did; empty where there is none, as over SSH.

    A terminal can do it too (OSC 52), and alone can over SSH: that is the picker's business.
    """
    for words in _programs(environment):
        path = shutil.which(words[0], path=environment.variables.get("PATH"))
        if path and _fed([path, *words[1:]], text, environment):
            return words[0]
    return ""


def _programs(environment: Environment) -> Iterator[list[str]]:
    variables = environment.variables
    if environment.no_browser_because == "over SSH":
        return
    if sys.platform == "darwin":
        yield ["pbcopy"]
    elif sys.platform == "win32" or variables.get("WSL_DISTRO_NAME"):
        yield ["clip.exe"]
    if variables.get("WAYLAND_DISPLAY"):
        yield ["wl-copy"]
    if variables.get("DISPLAY"):
        yield ["xclip", "-selection", "clipboard"]
        yield ["xsel", "--clipboard", "--input"]


def _fed(command: list[str], text: str, environment: Environment) -> bool:
    try:
        done = subprocess.run(
            command,
            input=text.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment.variables,
            start_new_session=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
