"""The launcher: the program that profiles call. A few lines of sh that start Python on the warm lane, written by us.

`-I -S` keeps the working directory, PYTHON* variables and .pth files out, and starts fastest. The sh around it is
what survives: when Python or the package moved, it finds the full command, and any awssso command repairs it.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from awssso_helper import files
from awssso_helper.errors import AwsssoError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awssso_helper.environment import Environment
    from awssso_helper.settings import Settings

# The Python side, given as -c: a file would be opened twice and compiled all the same. Under -I -S the path is the
# standard library, last its folder of compiled modules: `_socket` may be there.
GO = """\
import sys
sys.path[:] = [sys.argv[1], sys.path[-1]]
try:
    from warm import main
except ImportError:
    # Another version is being put in place at this moment.
    from posix import execv
    execv(sys.argv[2], sys.argv[2:])
main(sys.argv[2], sys.argv[3:])"""

# The full command is started without the variables by which a directory (.envrc) or a debugging session runs code in
# it or has it print; the warm lane's -I ignores them all. A program whose interpreter is gone is passed by, since
# `exec` could only fail.
_TEMPLATE = """\
#!/bin/sh
# awssso launcher 3: written by `awssso sync`; any awssso command repairs it.
python={python}
warm={warm}
full={full}
unset PYTHONPATH PYTHONHOME PYTHONUSERBASE PYTHONPYCACHEPREFIX PYTHONPLATLIBDIR PYTHONSTARTUP PYTHONINSPECT \\
  PYTHONWARNINGS PYTHONBREAKPOINT PYTHONVERBOSE PYTHONDEBUG PYTHONDEVMODE PYTHONPROFILEIMPORTTIME PYTHONDUMPREFS \\
  PYTHONMALLOCSTATS PYTHONCASEOK PYTHONEXECUTABLE
if [ -x "$python" ] && [ -x "$full" ]; then
  if [ "$1" = credential-process ] && [ -r "$warm" ]; then
    exec "$python" -I -S -c '{go}' "${{warm%/*}}" "$full" "$@"
  fi
  exec "$full" "$@"
fi
for each in "$full" "$HOME/.local/bin/awssso" /opt/homebrew/bin/awssso /usr/local/bin/awssso /usr/bin/awssso; do
  if [ ! -x "$each" ] || [ "$each" -ef "$0" ]; then continue; fi
  IFS= read -r first <"$each"
  case $first in
  "#!"*)
    first=${{first#"#!"}}
    if [ ! -x "${{first%% *}}" ]; then continue; fi
    ;;
  esac
  exec "$each" "$@"
done
echo "awssso: the program that this profile calls has moved; install awssso-helper anew, then run: awssso sync" >&2
exit 1
"""


def program(environment: Environment, settings: Settings) -> str:
    """Give the path that profiles call, its launcher written or brought up to date.

    Raises:
        RefusedError: the path of awssso itself cannot be found, or the launcher cannot be written.
    """
    path = expected(environment, settings)
    if not settings.launcher and sys.platform != "win32":
        _write(Path(path), _text(full_command(environment)))
    return path


def expected(environment: Environment, settings: Settings) -> str:
    """Give the path that profiles should call; nothing is written.

    Raises:
        RefusedError: the path of awssso itself cannot be found.
    """
    if settings.launcher or sys.platform == "win32":
        return settings.launcher or full_command(environment)
    return str(_path(environment))


def repair(environment: Environment) -> None:
    """Bring a launcher up to date that would not start what it names, quietly; profiles that call it work again."""
    try:
        if is_stale(environment):
            _write(_path(environment), _text(full_command(environment)))
    except AwsssoError:
        # Nothing to repair it with, or not writable: `doctor` says so, this command has work of its own.
        return


def is_stale(environment: Environment) -> bool:
    """Say whether profiles may call a launcher that is gone, or damaged, or would not start what it names.

    Raises:
        RefusedError: it cannot be read.
    """
    path = _path(environment)
    content = files.read(path)
    if content is None:
        return sys.platform != "win32" and environment.ledger_file.exists()
    paths = _paths(content)
    return (
        content != _filled(*paths)
        or not os.access(path, os.X_OK)
        or not all(os.access(each, mode) for each, mode in zip(paths, (os.X_OK, os.R_OK, os.X_OK), strict=True))
    )


def full_command(environment: Environment) -> str:
    """Give the absolute path of awssso as this command was started, symbolic links kept.

    `~/.local/bin/awssso` outlives an upgrade of what it points to (PAINS 34).

    Raises:
        RefusedError: there is none.
    """
    for candidate in _candidates():
        # A launcher that called itself would never end.
        if Path(candidate).is_absolute() and os.access(candidate, os.X_OK) and not _is_launcher(candidate, environment):
            return candidate
    raise RefusedError(
        "cannot find the path of awssso for the profiles",
        hint="set launcher in the settings to the absolute path of awssso",
    )


def _is_launcher(candidate: str, environment: Environment) -> bool:
    return os.path.realpath(candidate) == os.path.realpath(_path(environment))


def _path(environment: Environment) -> Path:
    return environment.data_dir / "bin" / "awssso"


def _text(full: str) -> bytes:
    # The interpreter itself, not the link of a virtual environment: it starts a little faster, and -S needs no more.
    try:
        python = os.path.realpath(sys.executable, strict=True)
    except OSError as error:
        # Taken for the end of the links, the place where an error met us would stay in the launcher.
        raise RefusedError(f"cannot follow {sys.executable}: {error.strerror}", hint="try again") from error
    return _filled(python, str(Path(__file__).with_name("warm.py")), full)


def _filled(python: str, warm: str, full: str) -> bytes:
    text = _TEMPLATE.format(python=shlex.quote(python), warm=shlex.quote(warm), full=shlex.quote(full), go=GO)
    return os.fsencode(text)


def _paths(content: bytes) -> tuple[str, str, str]:
    """Give what a launcher names as python, warm and full; the empty string for what cannot be read."""
    found = {"python": "", "warm": "", "full": ""}
    for line in os.fsdecode(content).splitlines():
        name, _, value = line.partition("=")
        if name in found and not found[name]:
            try:
                found[name] = "".join(shlex.split(value)[:1])
            except ValueError:
                continue
    return found["python"], found["warm"], found["full"]


def _write(path: Path, text: bytes) -> None:
    if files.read(path) != text:
        files.replace(path, text, new_mode=0o700)
    if not os.access(path, os.X_OK):
        try:
            path.chmod(0o700)
        except OSError as error:
            raise RefusedError(f"cannot make {path} executable: {error.strerror}", hint=f"ls -ld {path}") from error


def _candidates() -> Iterator[str]:
    import shutil  # noqa: PLC0415 - 5 ms that no command needs to pay while the launcher is good

    name = Path(sys.argv[0]).name
    if name.lower() in ("awssso", "awssso.exe", "awssso-script.py"):
        found = sys.argv[0] if os.sep in sys.argv[0] else shutil.which(name)
        if found:
            yield str(Path(found).absolute())
    yield str(Path(sys.executable).parent / ("awssso.exe" if sys.platform == "win32" else "awssso"))
    on_path = shutil.which("awssso")
    if on_path:
        yield on_path
