from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
import tree_sitter
import tree_sitter_powershell
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox import SECONDS

from awssso_helper import shell_functions, shells
from awssso_helper.environment import Environment
from awssso_helper.errors import UsageError

needs = {
    shell: pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed (apt-get install {shell})")
    for shell in ("bash", "zsh", "fish")
}
SHELLS = [pytest.param(shell, marks=needs[shell]) for shell in ("bash", "zsh", "fish")]

# Each of these is something to a shell; `touch pwned` would show that it was run.
SEEDS = [
    "",
    " ",
    "a b",
    " leading and trailing ",
    "'",
    "''",
    '"',
    "\\",
    "\\\\",
    "\\'",
    "'\\''",
    "$HOME",
    "${HOME}",
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "\\'; touch pwned; \\'",
    "a\ntouch pwned\nb",
    "a\rtouch pwned\rb",
    "\n",
    "trailing newline\n",
    "\t\x0b\x0c\x08\x07",
    "\x1b]52;c;cm0gLXJmIH4=\x07",
    "\x01\x02\x7f",
    "& touch pwned &",
    "| touch pwned",
    "> pwned",
    "a;b&&c||d",
    "!!",
    "!$",
    "^a^b",
    "# no comment",
    "~",
    "~root",
    "*",
    "?[a]{b,c}",
    "{a..z}",
    "=ls",
    "<(touch pwned)",
    "%1",
    "-n",
    "--",
    "\u00fc\u00e4\u00f6 Z\u00fcrich",
    "\u65e5\u672c\u8a9e",
    "\U0001f600",
    "\u2018; touch pwned; \u2019",
    "\u201c$(touch pwned)\u201d",
    "\u202e\u200b\ufeff",
    "\x85\u2028\u2029",
    "\udcff\udc80 not UTF-8",
    "(touch pwned)",
    "$'touch\\x20pwned'",
    "\\x41\\n\\u0041\\101",
    "\u00fc7",
    "\u00fcf\u00fc0",
    "end with \u00fc\\",
    "a" * 5000,
]
HOSTILE = list(dict.fromkeys([*SEEDS, *[a + b for a in SEEDS[:14] for b in SEEDS[14:28]]]))


def environment_of(shell: str, script: str, home) -> dict[bytes, bytes]:
    """Give the variables that a child of this shell has, after the script."""
    places = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}
    done = subprocess.run(
        [shell, *places[shell], "-c", f"{script}\nenv -0"],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C"},
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.stderr == b""
    assert done.returncode == 0
    return dict(line.split(b"=", 1) for line in done.stdout.split(b"\0") if b"=" in line)


def test_there_are_200_hostile_values():
    assert len(HOSTILE) >= 200


@pytest.mark.parametrize("shell", SHELLS)
def test_e10_a_value_arrives_whatever_it_holds(shell, home):
    script = "\n".join(shells.setting(f"V{number}", value, shell) for number, value in enumerate(HOSTILE))
    found = environment_of(shell, script, home)
    for number, value in enumerate(HOSTILE):
        assert found[f"V{number}".encode()] == os.fsencode(value), value
    assert not (home / "pwned").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_value_of_the_shell_itself_does_not_reach_its_children(shell, home):
    script = shells.keeping("kept", "a 'b' \n c", shell)
    found = environment_of(shell, f'{script}\n{shells.setting("X", "1", shell)}\ntest "$kept" = "" || true', home)
    assert b"kept" not in found
    assert found[b"X"] == b"1"


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_removed_is_gone_and_what_is_not_there_is_no_error(shell, home):
    begin = "set -gx A 1" if shell == "fish" else "set -eu; export A=1"
    found = environment_of(shell, f"{begin}\n{shells.removal(['A', 'NEVER_SET'], shell)}\ntrue", home)
    assert b"A" not in found


@pytest.mark.parametrize("shell", shells.NAMES)
def test_a_variable_with_a_hostile_name_is_not_written(shell):
    assert "pwned" not in shells.removal(["A", "AWS_CONTAINER_$(touch pwned)", "B;touch pwned"], shell)


@settings(max_examples=300)
@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=60))
def test_a_line_is_printable_ascii_without_a_break(value):
    for shell in shells.NAMES:
        for line in (shells.setting("X", value, shell), shells.keeping("x", value, shell)):
            assert line.isascii()
            assert line.isprintable()


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_what_no_variable_can_hold_is_refused(value):
    for shell in shells.NAMES:
        with pytest.raises(UsageError) as caught:
            shells.quoted(value, shell)
        assert caught.value.message.isprintable()


# PowerShell is not to be had here, so its grammar judges the text, and its two rules for strings are read back.

GRAMMAR = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))


def kinds_in(text: str) -> set[str]:
    """Give the kinds of node in a script; a part that is no PowerShell is an ERROR."""
    kinds, waiting = set(), [GRAMMAR.parse(text.encode()).root_node]
    while waiting:
        node = waiting.pop()
        kinds.add("ERROR" if node.is_error or node.is_missing else node.type)
        waiting += node.children
    return kinds


def read_as_powershell(word: str) -> str:
    if word.startswith("'"):
        return word[1:-1].replace("''", "'")
    units = re.findall(r"\$\(\[char\]([0-9]+)\)|([^\"`$])", word[1:-1])
    codes = [int(code) if code else ord(character) for code, character in units]
    return b"".join(code.to_bytes(2, "little") for code in codes).decode("utf-16-le", "surrogatepass")


@pytest.mark.parametrize("value", HOSTILE)
def test_powershell_would_read_a_value_as_it_was(value):
    line = shells.setting("X", value, "powershell")
    name, _, word = line.partition(" = ")
    assert name == "$Env:X"
    assert read_as_powershell(word) == value
    # Of what runs something, only the casts to [char].
    assert "command" not in kinds_in(line)
    assert "ERROR" not in kinds_in(line)


def test_the_grammar_finds_a_quote_that_ends_too_soon():
    assert kinds_in("$Env:X = 'a'; calc'") & {"command", "ERROR"}


def test_the_powershell_function_is_powershell():
    assert "ERROR" not in kinds_in(shell_functions.text("powershell"))
    assert "ERROR" not in kinds_in(shells.removal(["A", "B"], "powershell"))
    assert "ERROR" not in kinds_in(shell_functions.advice("powershell").partition(": ")[2])


# Which shell called


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_that_called_is_found(shell, sandbox):
    printed = sandbox.program(shell, "-c", "awssso env --unset; true", PATH=path_with_us(), SHELL="/bin/false")
    expected = {"fish": "set -eg", "bash": "unset -v", "zsh": "unset -v"}[shell]
    assert printed.stdout.startswith(expected)


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed (apt-get install fish)")
def test_a_program_between_the_shell_and_us_does_not_hide_it(sandbox):
    printed = sandbox.program("fish", "-c", "env nice awssso env --unset; true", PATH=path_with_us(), SHELL="/bin/bash")
    assert printed.stdout.startswith("set -eg")


def test_without_a_shell_above_us_the_variable_names_it(monkeypatch):
    monkeypatch.setattr(os, "getppid", lambda: 2**22 + 1)  # above the highest that Linux gives
    assert shells.calling(Environment({"SHELL": "/usr/bin/fish"})) == "fish"
    assert shells.calling(Environment({"SHELL": "/opt/nushell"})) == "bash"


def path_with_us() -> str:
    from sandbox import AWSSSO

    return f"{os.path.dirname(AWSSSO)}{os.pathsep}{os.environ['PATH']}"  # noqa: PTH120
