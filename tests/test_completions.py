from __future__ import annotations

import argparse
import os
import pty
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from pseudo_terminal import is_readable
from sandbox import AWSSSO, SECONDS

from awssso_helper import candidates, completions, environment, parser
from awssso_helper.discovery import Memory
from awssso_helper.model import Account, AccountRoles, Deadline, Inventory

ROOT = Path(__file__).parent.parent
ODD = 'Payments (EU) & Co; it\'s "50%" $HOME `id` \\ *'
CONFIG = """\
[sso-session corp]
sso_start_url = https://d-1234567890.awsapps.com/start
sso_region = us-east-1

# BEGIN awssso
[profile production.ReadOnlyAccess]
credential_process = /x/awssso credential-process corp/210987654321/ReadOnlyAccess
region = eu-west-1
[profile team@prod.Admin]
credential_process = /x/awssso credential-process corp/123456789012/Admin
# END awssso

[profile chained]
role_arn = arn:aws:iam::123456789012:role/deploy
source_profile = team@prod.Admin

[profile by-hand]
region = us-east-2
"""
needs = {
    shell: pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed (apt-get install {shell})")
    for shell in ("zsh", "fish")
}


@pytest.fixture
def known(home: Path) -> Path:
    """A home where a sync remembered an organisation with names that shells take apart."""
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(CONFIG)
    accounts = (
        AccountRoles(Account("123456789012", ODD), ("Admin", "cdk+deploy@ci=2")),
        AccountRoles(Account("210987654321", "production"), ("ReadOnlyAccess",)),
        AccountRoles(Account("333333333333", "twin"), ("ReadOnlyAccess",)),
        AccountRoles(Account("444444444444", "twin"), ()),
        AccountRoles(Account("555555555555", "two\nlines\x1b[2J"), ()),
    )
    place = environment.Environment()
    Memory(place.cache_dir, place.lock_dir).remember(Inventory("corp", 1, accounts), Deadline(SECONDS))
    return home


def a_parser() -> argparse.ArgumentParser:
    """A command line with every kind of place, whatever the real one has by now."""
    top = argparse.ArgumentParser(prog="awssso")
    every = top.add_subparsers()
    run = every.add_parser("run", help="run: it's [fast]")
    run.add_argument("-A", "--account", metavar="ID_OR_NAME", help="an account: its [id] or name, 100%%")
    run.add_argument("-R", "--role", metavar="ROLE")
    run.add_argument("--shell", choices=("bash", "zsh"))
    run.add_argument("--hidden", help=argparse.SUPPRESS)
    run.add_argument("--port", metavar="N")
    run.add_argument("--keys", action="store_true")
    run.add_argument("words", nargs="*", metavar="PROFILE")
    parser.completes(run.add_argument("program", nargs="*", metavar="COMMAND"), "command")
    tell = every.add_parser("tell", help="tell")
    tell.add_argument("what", nargs="*", metavar="PROFILE")
    every.add_parser("secret")
    return top


# What is remembered


def offered(kind: str) -> list[str]:
    return [value for value, _what in candidates.known(kind, dict(os.environ))]


def test_profiles_are_the_generated_ones_and_those_that_build_on_another(known):
    assert offered("profile") == ["chained", "production.ReadOnlyAccess", "team@prod.Admin"]


def test_accounts_are_offered_by_id_and_by_a_name_that_is_one_accounts_only(known):
    numbers = ["123456789012", "210987654321", "333333333333", "444444444444", "555555555555"]
    assert offered("account") == [*numbers, ODD, "production"]


def test_roles_sessions_regions_words_and_services_are_offered(known):
    assert offered("role") == ["Admin", "ReadOnlyAccess", "cdk+deploy@ci=2"]
    assert offered("session") == ["corp"]
    assert offered("region") == ["eu-west-1", "us-east-1", "us-east-2"]
    assert offered("word") == ["corp/123456789012/Admin", "corp/210987654321/ReadOnlyAccess"]
    assert "s3" in offered("service")


def test_what_the_quick_path_names_is_where_everything_else_keeps_it(known, monkeypatch):
    for name in ("", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        if name:
            monkeypatch.delenv(name)
        place = environment.Environment()
        assert candidates.cache_dir(dict(os.environ)) == str(place.cache_dir)
    monkeypatch.setenv("AWS_CONFIG_FILE", "$HOME/other")
    assert candidates.config_file(dict(os.environ)) == str(environment.Environment().aws_config_file)


def complete(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [AWSSSO, "complete", *words],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, **more},
    )


def test_a_candidate_is_a_line_with_what_it_is_behind_a_tab(known):
    done = complete("profile")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1] == "production.ReadOnlyAccess\t210987654321"


def test_a_start_leaves_only_the_candidates_that_begin_with_it(known):
    assert complete("profile", "prod").stdout == "production.ReadOnlyAccess\t210987654321\n"
    assert complete("profile", "zzz").stdout == ""


def test_the_quick_path_is_silent_whatever_is_wrong(known):
    (known / ".cache" / "awssso" / "inventory" / "broken.json").write_text('{"accounts": [')
    os.mkfifo(known / "pipe")
    for words, more in (
        ((), {}),
        (("nonsense",), {}),
        (("account",), {}),
        (("role",), {"XDG_CACHE_HOME": "/nowhere"}),
        (("profile",), {"AWS_CONFIG_FILE": "/proc/self/mem"}),
        (("profile",), {"AWS_CONFIG_FILE": str(known / "pipe")}),
    ):
        done = complete(*words, **more)
        assert (done.stdout, done.stderr) == ("", ""), words


@pytest.mark.parametrize(
    ("kind", "shown", "more"),
    [("account", "production\t210987654321", set()), ("profile", "production.ReadOnlyAccess", {"re", "json"})],
)
def test_the_quick_path_loads_nothing_heavy(known, kind, shown, more):
    script = (
        "import sys; sys.path.insert(0, sys.argv[2]); from awssso_helper.candidates import main; main(sys.argv[1:2]);"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    command = [Path(AWSSSO).parent / "python", "-I", "-S", "-c", script, kind, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown in done.stdout
    heavy = {"argparse", "keyring", "ssl", "urllib3", "configparser", "dataclasses", "platformdirs", *more}
    assert heavy & set(done.stderr.split()) == set()


# The scripts


def test_the_scripts_that_are_shipped_are_made_from_the_parser():
    built = parser.build_parser()
    assert sorted(completions.FILES) == sorted(parser.SHELLS)
    for shell, name in completions.FILES.items():
        assert (ROOT / "completions" / name).read_text() == completions.script(shell, built), (
            f"completions/{name} is out of date; run: make completions"
        )


def test_every_command_and_option_that_help_shows_is_in_every_script():
    built = parser.build_parser()
    shown = completions.commands(built)
    assert {each.name for each in shown[1:]} == set(parser.command_parsers(built))
    for shell in ("bash", "zsh", "powershell"):
        text = completions.script(shell, built)
        for command in shown:
            for option in command.options:
                assert all(spelling in text for spelling in option.spellings), (shell, command.name)


def test_every_kind_that_the_parser_marks_can_be_offered():
    for command in completions.commands(parser.build_parser()):
        slots = [*command.slots, *(option.slot for option in command.options if option.slot)]
        for slot in slots:
            assert slot.kind in ("", "command", "file", *candidates.KINDS), (command.name, slot)


def test_the_print_is_the_shipped_script(sandbox):
    for shell, name in completions.FILES.items():
        assert sandbox.ok("completions", shell).stdout == (ROOT / "completions" / name).read_text()


# The shells themselves


@pytest.fixture
def path(known: Path, monkeypatch) -> Path:
    monkeypatch.setenv("PATH", f"{Path(AWSSSO).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return known


def in_bash(home: Path, line: str, built: argparse.ArgumentParser | None = None) -> list[str]:
    """What bash offers at the end of a line, as words that it would put there."""
    script = home / "awssso.bash"
    script.write_text(completions.script("bash", built or a_parser()))
    program = (
        "COMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:@'; source \"$1\"; COMP_LINE=$2; COMP_POINT=${#2}; "
        "COMP_WORDS=($2); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _awssso; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", program, "bash", script, line],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_bash_completes_every_place(path):
    assert in_bash(path, "awssso ") == ["run", "tell"]
    assert in_bash(path, "awssso t") == ["tell"]
    assert in_bash(path, "awssso --") == ["--help"]
    assert in_bash(path, "awssso run --")[:3] == ["--help", "--account", "--role"]
    assert "--hidden" not in in_bash(path, "awssso run --")
    assert in_bash(path, "awssso run ") == ["chained", "production.ReadOnlyAccess", "team@prod.Admin"]
    assert in_bash(path, "awssso run --keys --port 1 p") == ["production.ReadOnlyAccess"]
    assert in_bash(path, "awssso run --shell ") == ["bash", "zsh"]
    assert in_bash(path, "awssso run --shell=z") == ["zsh"]
    assert in_bash(path, "awssso run --port ") == [""]
    assert in_bash(path, "awssso tell chained p") == ["production.ReadOnlyAccess"]
    assert set(in_bash(path, "awssso run chained -- xar")) == {"xargs"}
    assert set(in_bash(path, "awssso run chained prod -- xar")) == {"xargs"}
    assert set(in_bash(path, "awssso run chained xar")) == {"xargs"}
    assert "--keys" in in_bash(path, "awssso run chained -")
    assert in_bash(path, "awssso run chained -- ls -") == [""]
    (path / "a file").touch()
    assert in_bash(path, "awssso run chained -- cat a\\ f") == ["a\\ file"]


def test_bash_replaces_only_what_readline_would(path):
    # @, = and : break words: readline replaces from there on.
    assert in_bash(path, "awssso run team@pr") == ["@prod.Admin"]
    assert in_bash(path, "awssso run -R cdk+deploy@ci=") == ["2"]
    assert in_bash(path, "awssso run --role=Ad") == ["Admin"]


class Typist:
    """A person at an interactive shell, with a terminal between them."""

    def __init__(self, *command: str) -> None:
        self.process, self.terminal = self._started(command)
        self.seen = ""

    def _started(self, command):
        ours, theirs = pty.openpty()
        # fish wants the terminal to be its own.
        process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "PS1": "", "TERM": "dumb", "HISTFILE": "/dev/null"},
        )
        os.close(theirs)
        return process, ours

    def types(self, text: str, until: str) -> str:
        """Type, wait for what must come, and give all that was shown."""
        os.write(self.terminal, text.encode())
        self.seen = ""
        end = time.monotonic() + SECONDS
        while not re.search(until, self.seen):
            left = end - time.monotonic()
            assert left > 0, f"{until} did not come: {self.seen!r}"
            if is_readable(self.terminal, left):
                self.seen += os.read(self.terminal, 65536).decode(errors="replace")
        return self.seen

    def leaves(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


def words_typed(typist: Typist, line: str) -> list[str]:
    """The words that awssso would get for a line with Tabs in it. In this shell `awssso` shows its words."""
    shown = typist.types(f"{line}\r", r"LAST>")
    return re.findall(r"<(.*?)>(?=\r?\n)", shown)[:-1] if "FIRST" not in shown else _between(shown)


def _between(shown: str) -> list[str]:
    return shown.rsplit("FIRST>", maxsplit=1)[-1].split("<LAST>", maxsplit=1)[0].split("\x1f")[1:-1]


SHOWS_ITS_WORDS = "awssso() { printf 'FIR''ST>\\037'; printf '%s\\037' \"$@\"; printf '<LA''ST>\\n'; }"


def test_bash_at_a_terminal_puts_odd_names_into_the_line_as_one_word(path):
    script = path / "awssso.bash"
    script.write_text(completions.script("bash", a_parser()))
    typist = Typist("bash", "--norc", "--noprofile", "-i")
    try:
        typist.types(f"source {script}; {SHOWS_ITS_WORDS}; echo REA''DY\r", "READY")
        assert words_typed(typist, "awssso run -A Pay\t") == ["run", "-A", ODD]
        assert words_typed(typist, "awssso run -A 'Pay\t") == ["run", "-A", ODD]
        assert words_typed(typist, 'awssso run -A "Pay\t') == ["run", "-A", ODD]
        assert words_typed(typist, "awssso run -A Payments\\ \\(E\t") == ["run", "-A", ODD]
        assert words_typed(typist, "awssso run --account=Pay\t") == ["run", f"--account={ODD}"]
        assert words_typed(typist, "awssso run team@\t") == ["run", "team@prod.Admin"]
        assert words_typed(typist, "awssso run -R cdk\t -A 2109\t pro\t") == [
            "run", "-R", "cdk+deploy@ci=2", "-A", "210987654321", "production.ReadOnlyAccess",
        ]  # fmt: skip
    finally:
        typist.leaves()


@needs["zsh"]
def test_zsh_at_a_terminal_puts_odd_names_into_the_line_as_one_word(path):
    script = path / "_awssso"
    script.write_text(completions.script("zsh", a_parser()))
    typist = Typist("zsh", "-f", "-i")
    try:
        typist.types(f"source {script}; unsetopt zle_bracketed_paste; {SHOWS_ITS_WORDS}; echo REA''DY\r", "READY")
        assert words_typed(typist, "awssso ru\t --ke\t chai\t") == ["run", "--keys", "chained"]
        assert words_typed(typist, "awssso run -A Pay\t") == ["run", "-A", ODD]
        assert words_typed(typist, "awssso run -A 'Pay\t") == ["run", "-A", ODD]
        assert words_typed(typist, "awssso run --account=Pay\t") == ["run", f"--account={ODD}"]
        assert words_typed(typist, "awssso run --shell z\t team\t") == ["run", "--shell", "zsh", "team@prod.Admin"]
        assert words_typed(typist, "awssso tell chai\t prod\t") == ["tell", "chained", "production.ReadOnlyAccess"]
        assert words_typed(typist, "awssso run -R cdk\t chained -- xarg\t b") == [
            "run", "-R", "cdk+deploy@ci=2", "chained", "--", "xargs", "b",
        ]  # fmt: skip
        assert words_typed(typist, "awssso run chai\t two words -- xarg\t b")[-2:] == ["xargs", "b"]
    finally:
        typist.leaves()


def in_fish(home: Path, line: str, built: argparse.ArgumentParser | None = None) -> list[str]:
    script = home / "awssso.fish"
    script.write_text(completions.script("fish", built or a_parser()))
    done = subprocess.run(
        ["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", script, line],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.stderr == ""
    return sorted(each.partition("\t")[0] for each in done.stdout.splitlines())


@needs["fish"]
def test_fish_completes_every_place(path):
    assert in_fish(path, "awssso ") == ["run", "tell"]
    assert in_fish(path, "awssso run --ke") == ["--keys"]
    assert "--hidden" not in in_fish(path, "awssso run --")
    assert in_fish(path, "awssso run ") == ["chained", "production.ReadOnlyAccess", "team@prod.Admin"]
    assert in_fish(path, "awssso run --keys --port 1 prod") == ["production.ReadOnlyAccess"]
    assert in_fish(path, "awssso run --shell ") == ["bash", "zsh"]
    assert in_fish(path, "awssso run --shell=z") == ["--shell=zsh"]
    assert in_fish(path, "awssso run --port ") == []
    assert in_fish(path, "awssso run -R cd") == ["cdk+deploy@ci=2"]
    assert ODD in in_fish(path, "awssso run -A Pay")
    assert in_fish(path, "awssso tell chained prod") == ["production.ReadOnlyAccess"]
    assert in_fish(path, "awssso run chained -- xarg") == ["xargs"]
    assert "production.ReadOnlyAccess" in in_fish(path, "awssso run chained ")
    assert "production.ReadOnlyAccess" not in in_fish(path, "awssso run chained -- p")
    assert "--keys" not in in_fish(path, "awssso run chained -- xargs -")


@needs["fish"]
@pytest.mark.parametrize("word", ["-d", "-p", "-z", "!", "(", "-a", "'='", "''"])
def test_fish_takes_no_word_of_the_line_for_an_operator_of_test(path, word):
    # Its `test` complains on the terminal, in the middle of the command line.
    script = path / "awssso.fish"
    script.write_text(completions.script("fish", a_parser()))
    line = f"awssso run {word} -- prod"
    done = subprocess.run(
        ["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]; complete -C $argv[3]", script, line,
         f"awssso run {word} "],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.stderr == ""


@needs["fish"]
def test_fish_at_a_terminal_puts_odd_names_into_the_line_as_one_word(path):
    script = path / "awssso.fish"
    script.write_text(completions.script("fish", a_parser()))
    typist = Typist("fish", "--no-config", "-i")
    shows_its_words = "function awssso; printf 'FIR''ST>\\037'; printf '%s\\037' $argv; printf '<LA''ST>\\n'; end"
    try:
        typist.types(f"source {script}; {shows_its_words}; echo REA''DY\r", "READY")
        assert words_typed(typist, "awssso run -A Pay\t") == ["run", "-A", ODD]
        assert words_typed(typist, "awssso run -A 'Pay\t") == ["run", "-A", ODD]
        assert words_typed(typist, "awssso ru\t --ke\t team\t") == ["run", "--keys", "team@prod.Admin"]
    finally:
        typist.leaves()


def test_powershell_gets_every_place_in_a_table_whose_lines_it_reads(path):
    # PowerShell itself cannot be had here: the text is checked.
    text = completions.script("powershell", a_parser())
    rows = re.findall(r"^    '((?:[^']|'')*)'$", text, re.MULTILINE)
    assert "run|run: it''s [fast]" in rows
    assert "run|-A|account|an account: its [id] or name, 100%" in rows
    assert "run|--shell|=bash zsh|" in rows
    assert "run|--keys||" in rows
    assert "run|1|profile|PROFILE" in rows
    assert "tell|+|profile|PROFILE" in rows
    assert text.count("{") == text.count("}")
    assert text.count("(") == text.count(")")
    assert "Register-ArgumentCompleter -Native -CommandName awssso" in text


# Installing


@pytest.mark.parametrize(
    ("shell", "start"),
    [("bash", ".bashrc"), ("zsh", ".zshrc"), ("powershell", ".config/powershell/profile.ps1"), ("fish", None)],
)
def test_what_is_installed_is_said_and_taken_back_exactly(sandbox, shell, start):
    before = b"alias ll='ls -l'\n# no line break at the end"
    if start:
        (sandbox.home / start).parent.mkdir(parents=True, exist_ok=True)
        (sandbox.home / start).write_bytes(before)
    told = sandbox.ok("completions", shell, "--install").stderr
    written = [line.removeprefix("wrote ~") for line in told.splitlines() if line.startswith("wrote ")]
    assert len(written) == 1
    script = sandbox.home / written[0][1:]
    assert script.read_text() == completions.script(shell, parser.build_parser())
    if start:
        after = (sandbox.home / start).read_bytes()
        line = after.removeprefix(before + b"\n").decode()
        assert f"added to ~/{start}: {line}\n" in told
        assert str(script) in line
    again = sandbox.ok("completions", shell, "--install")
    assert again.stderr == "nothing to change\n"
    sandbox.ok("completions", shell, "--uninstall")
    assert not script.exists()
    if start:
        assert (sandbox.home / start).read_bytes() == before
    assert sandbox.ok("completions", shell, "--uninstall").stderr == "nothing to change\n"


def test_an_installed_bash_completes_in_its_next_session(sandbox):
    sandbox.ok("completions", "bash", "--install")
    done = sandbox.program("bash", "--norc", "-c", ". ~/.bashrc; complete -p awssso")
    assert done.stdout == "complete -F _awssso awssso\n"
