"""The shells that people type in: how each quotes a value, sets and removes a variable, and which one called us.

Every line made here is printable ASCII without a line break, whatever the value holds: it means the same in any locale
and survives a shell that joins the lines of a command substitution (SECURITY E10).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from awssso_helper.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from awssso_helper.environment import Environment

NAMES = ("bash", "zsh", "fish", "powershell")

# Programs that speak the language of one of these. `$'...'` is not in every sh, but only odd values need it.
_LANGUAGE = {
    "bash": "bash",
    "sh": "bash",
    "dash": "bash",
    "ash": "bash",
    "busybox": "bash",
    "ksh": "bash",
    "mksh": "bash",
    "zsh": "zsh",
    "fish": "fish",
    "pwsh": "powershell",
    "powershell": "powershell",
}
_PLAIN = re.compile(r"[ -~]*", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_MOST_ANCESTORS = 6


def quoted(value: str, shell: str) -> str:
    """Write a value as one word of a shell, printable ASCII only.

    Raises:
        UsageError: it has a NUL or half a character, which no variable can hold.
    """
    if "\0" in value or not _is_encodable(value):
        raise UsageError(f"{value[:64]!a} cannot be the value of a variable", hint="awssso env --shell json")
    if shell == "powershell":
        return _quoted_for_powershell(value)
    return _quoted_for_fish(value) if shell == "fish" else _quoted_for_sh(value)


def _is_encodable(value: str) -> bool:
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def _quoted_for_sh(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return "'" + value.replace("'", "'\\''") + "'"
    # bash and zsh read \xHH as a byte, so the locale of whoever reads it does not matter.
    return "$'" + "".join(_sh_byte(byte) for byte in os.fsencode(value)) + "'"


def _sh_byte(byte: int) -> str:
    # Three octal digits and no more are read: a hexadecimal one could take in the digit that follows.
    character = chr(byte)
    return character if " " <= character <= "~" and character not in "'\\" else f"\\{byte:03o}"


def _quoted_for_fish(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    # Outside quotes \XHH is a byte.
    return "".join(_fish_byte(byte) for byte in os.fsencode(value))


def _fish_byte(byte: int) -> str:
    character = chr(byte)
    return character if character.isalnum() and character.isascii() else f"\\X{byte:02x}"


def _quoted_for_powershell(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return "'" + value.replace("'", "''") + "'"
    # Windows PowerShell 5 has no escape for a code point, and takes typographic quotes for quotes.
    units = value.encode("utf-16-le", "surrogatepass")
    pairs = (int.from_bytes(units[at : at + 2], "little") for at in range(0, len(units), 2))
    return '"' + "".join(_powershell_unit(unit) for unit in pairs) + '"'


def _powershell_unit(unit: int) -> str:
    character = chr(unit)
    is_plain = " " <= character <= "~" and character not in '"`$'
    return character if is_plain else f"$([char]{unit})"


def setting(name: str, value: str, shell: str) -> str:
    """Give the line that sets and exports a variable."""
    word = quoted(value, shell)
    if shell == "powershell":
        return f"$Env:{name} = {word}"
    return f"set -gx {name} {word}" if shell == "fish" else f"export {name}={word}"


def keeping(name: str, value: str, shell: str) -> str:
    """Give the line that sets a variable of the shell itself, which its children do not get."""
    word = quoted(value, shell)
    lines = {
        "powershell": f"$Global:{name} = {word}",
        "fish": f"set -g {name} {word}",
        # Else zsh may warn that a function made a global (warn_create_global).
        "zsh": f"typeset -g {name}={word}",
    }
    return lines.get(shell, f"{name}={word}")


def removal(names: Iterable[str], shell: str) -> str:
    """Give the line that removes variables, there or not; names that no shell can have are left out."""
    listed = [name for name in names if _VARIABLE.fullmatch(name)]
    if shell == "powershell":
        paths = ", ".join(f"'Env:{name}'" for name in listed)
        return f"Remove-Item -ErrorAction SilentlyContinue -LiteralPath {paths}"
    # A universal variable of fish is the user's own and lasts for ever, so it stays. What is not there sets $status,
    # and the next `set` would leave it so.
    return f"set -eg {' '.join(listed)}; or true" if shell == "fish" else f"unset -v {' '.join(listed)}"


def calling(environment: Environment) -> str:
    """Find the shell that called us: the nearest ancestor that is one, else what `$SHELL` names, else bash."""
    if sys.platform == "win32":
        return "powershell"
    pid = os.getppid()
    for _ in range(_MOST_ANCESTORS):
        name, parent = _process(pid)
        if name in _LANGUAGE:
            return _LANGUAGE[name]
        if parent <= 1:
            break
        pid = parent
    return _LANGUAGE.get(Path(environment.variables.get("SHELL", "")).name, "bash")


def _process(pid: int) -> tuple[str, int]:
    """Give a process's name and its parent; empty and 0 where the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # "PID (NAME) STATE PARENT ...", and a name may hold blanks and parentheses.
        name, _, rest = text.partition("(")[2].rpartition(")")
        return name, int(rest.split()[1])
    except (OSError, ValueError, IndexError):
        return _process_by_ps(pid)


def _process_by_ps(pid: int) -> tuple[str, int]:
    """Ask ps, where there is no /proc (macOS)."""
    try:
        done = subprocess.run(
            ["/bin/ps", "-o", "ppid=,comm=", "-p", str(pid)], capture_output=True, text=True, timeout=2, check=False
        )
        parent, _, name = done.stdout.strip().partition(" ")
        # A login shell's name begins with a dash.
        return Path(name.strip().removeprefix("-")).name, int(parent)
    except (OSError, ValueError, subprocess.SubprocessError):
        return "", 0
