"""`awssso completions`: the completion script of a shell, printed, installed or taken away."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from awssso_helper import completions, files
from awssso_helper.commands.context import FILE_SECONDS
from awssso_helper.errors import RefusedError, UsageError
from awssso_helper.model import Deadline
from awssso_helper.parser import build_parser

if TYPE_CHECKING:
    from collections.abc import Callable

    from awssso_helper.commands.context import Context
    from awssso_helper.environment import Environment

_MARK = "# awssso completions"


def run(context: Context) -> int:
    """Print the script; or write it where the shell finds it, or remove it, and say each change."""
    options = context.options
    script = completions.script(options.shell, build_parser())
    if not (options.install or options.uninstall):
        context.terminal.data(script)
        return 0
    if sys.platform == "win32":
        raise UsageError(
            "on Windows the script is not installed from here",
            hint="add to $PROFILE: awssso completions powershell | Out-String | Invoke-Expression",
        )
    changes = _installed(context, script) if options.install else _uninstalled(context)
    for line in changes or ["nothing to change"]:
        context.terminal.tell(line)
    if changes and options.install:
        context.terminal.tell("next: open a new shell")
    return 0


def _start_file(environment: Environment, shell: str) -> Path | None:
    if shell == "bash":
        return environment.home / ".bashrc"
    if shell == "zsh":
        return Path(environment.variables.get("ZDOTDIR") or environment.home) / ".zshrc"
    return environment.config_home / "powershell" / "profile.ps1" if shell == "powershell" else None


def _start_line(script: Path, shell: str) -> bytes:
    if shell == "powershell":
        quoted = "'" + str(script).replace("'", "''") + "'"
        return os.fsencode(f"if (Test-Path {quoted}) {{ . {quoted} }} {_MARK}")
    quoted = shlex.quote(str(script))
    return os.fsencode(f"if [ -r {quoted} ]; then . {quoted}; fi {_MARK}")


def _installed(context: Context, script: str) -> list[str]:
    environment, shell = context.environment, context.options.shell
    path, start = completions.installed_file(environment, shell), _start_file(environment, shell)
    changes = []
    if files.read(path) != script.encode():
        files.replace(path, script.encode(), new_mode=0o644)
        changes.append(f"wrote {environment.shown(path)}")
    if start and _amended(context, start, lambda text: _with_line(text, _start_line(path, shell))):
        changes.append(f"added to {environment.shown(start)}: {os.fsdecode(_start_line(path, shell))}")
    return changes


def _uninstalled(context: Context) -> list[str]:
    environment, shell = context.environment, context.options.shell
    path, start = completions.installed_file(environment, shell), _start_file(environment, shell)
    changes = []
    is_there = start is not None and files.read(start) is not None
    if start and is_there and _amended(context, start, lambda text: _without_line(text, _start_line(path, shell))):
        changes.append(f"removed from {environment.shown(start)}: {os.fsdecode(_start_line(path, shell))}")
    if path.is_symlink() or path.exists():
        try:
            path.unlink()
        except OSError as error:
            raise RefusedError(f"cannot remove {path}: {error.strerror}", hint=f"ls -ld {path.parent}") from error
        changes.append(f"removed {environment.shown(path)}")
    return changes


def _amended(context: Context, path: Path, change: Callable[[bytes], bytes]) -> bool:
    return files.amend(path, change, lock_dir=context.environment.lock_dir, deadline=Deadline(FILE_SECONDS))


def _with_line(text: bytes, line: bytes) -> bytes:
    """Add the line at the end; a file without a final newline stays one, so that the way back is exact."""
    if line in text.splitlines():
        return text
    return text + line + b"\n" if text.endswith(b"\n") or not text else text + b"\n" + line


def _without_line(text: bytes, line: bytes) -> bytes:
    if text.endswith(b"\n" + line):
        text = text.removesuffix(b"\n" + line)
    return b"".join(each for each in text.splitlines(keepends=True) if each.rstrip(b"\r\n") != line)
