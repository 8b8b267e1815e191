"""The launcher: the program that profiles call. A few lines of sh that start Python on the warm lane, written by us.

`-I -S` keeps the working directory, PYTHON* variables and .pth files out, and starts fastest. The sh around it is
what survives: when Python or the package moved, it finds the full command, and any awssso command repairs it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from awssso_helper import files
from awssso_helper.errors import AwsssoError, RefusedError

if TYPE_CHECKING:
    from awssso_helper.environment import Environment
    from awssso_helper.settings import Settings

_FORM = 1
_TEMPLATE = """\
#!/bin/sh
# awssso launcher {form}: written by `awssso sync`; any awssso command repairs it.
python={python}
warm={warm}
full={full}
if [ -x "$full" ]; then
  if [ "$1" = credential-process ] && [ -x "$python" ] && [ -r "$warm" ]; then
    exec "$python" -I -S "$warm" "$full" "$@"
  fi
  exec "$full" "$@"
fi
for full in "$HOME/.local/bin/awssso" /opt/homebrew/bin/awssso /usr/local/bin/awssso /usr/bin/awssso; do
  if [ -x "$full" ]; then exec "$full" "$@"; fi
done
echo "awssso: the program that this profile calls has moved; run: awssso sync" >&2
exit 1
"""
_PATHS = re.compile(r"^(python|warm|full)=(.*)$", re.MULTILINE)


def program(environment: Environment, settings: Settings) -> str:
    """Give the path that profiles call, its launcher written or brought up to date.

    Raises:
        RefusedError: the path of awssso itself cannot be found, or the launcher cannot be written.
    """
    full = settings.launcher or full_command()
    if settings.launcher or sys.platform == "win32":
        return full
    path = _path(environment)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(path, _text(full))
    return str(path)


def repair(environment: Environment) -> None:
    """Bring a launcher up to date whose paths are gone, quietly; profiles that call it work again."""
    path = _path(environment)
    try:
        text = (files.read(path) or b"").decode("utf-8", "replace")
        if text and _is_stale(text):
            _write(path, _text(full_command()))
    except AwsssoError:
        # Nothing to repair it with, or not writable: `doctor` says so, this command has work of its own.
        return


def is_stale(environment: Environment) -> bool:
    """Say whether a launcher is there that would not start what it names."""
    text = (files.read(_path(environment)) or b"").decode("utf-8", "replace")
    return bool(text) and _is_stale(text)


def full_command() -> str:
    """Give the absolute path of awssso as this command was started, symbolic links kept.

    `~/.local/bin/awssso` outlives an upgrade of what it points to (PAINS 34).

    Raises:
        RefusedError: there is none.
    """
    for candidate in (_started_by(), _beside_python(), shutil.which("awssso")):
        if candidate and Path(candidate).is_absolute() and os.access(candidate, os.X_OK):
            return candidate
    raise RefusedError(
        "cannot find the path of awssso for the profiles",
        hint="set launcher in the settings to the absolute path of awssso",
    )


def _path(environment: Environment) -> Path:
    return environment.data_dir / "bin" / "awssso"


def _text(full: str) -> str:
    return _TEMPLATE.format(
        form=_FORM,
        python=shlex.quote(sys.executable),
        warm=shlex.quote(str(Path(__file__).parent / "warm_main.py")),
        full=shlex.quote(full),
    )


def _is_stale(text: str) -> bool:
    paths = {name: (shlex.split(value) or [""])[0] for name, value in _PATHS.findall(text)}
    return f"launcher {_FORM}:" not in text or not all(
        os.access(paths.get(name, ""), mode)
        for name, mode in (("python", os.X_OK), ("warm", os.R_OK), ("full", os.X_OK))
    )


def _write(path: Path, text: str) -> None:
    if files.read(path) != text.encode():
        files.replace(path, text.encode(), new_mode=0o700)


def _started_by() -> str | None:
    name = Path(sys.argv[0]).name
    if name.lower() not in ("awssso", "awssso.exe", "awssso-script.py"):
        return None
    found = sys.argv[0] if os.sep in sys.argv[0] else shutil.which(name)
    return str(Path(found).absolute()) if found else None


def _beside_python() -> str:
    return str(Path(sys.executable).parent / ("awssso.exe" if sys.platform == "win32" else "awssso"))
