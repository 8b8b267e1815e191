"""`awssso pick` as a program: what it decides by itself, and the screen in a real terminal (tmux)."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from sandbox import AWSSSO, SECONDS

pytest_plugins = ("tmux",)
needs_tmux = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")


def alone(sandbox, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it without any terminal, whatever the tests run in."""
    return subprocess.run(
        [AWSSSO, "pick", *arguments],
        env=sandbox.variables,
        cwd=sandbox.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        start_new_session=True,
    )


@pytest.fixture
def user(sandbox):
    sandbox.first_day()
    return sandbox


def last_used(sandbox) -> dict[str, int]:
    return json.loads((sandbox.home / ".local" / "state" / "awssso" / "recent.json").read_text())["used"]


# Without a terminal


def test_words_that_leave_one_role_pick_it_without_a_terminal(user):
    done = alone(user, "--print", "staging", "power")
    assert (done.returncode, done.stdout, done.stderr) == (0, "staging.PowerUserAccess\n", "")
    assert list(last_used(user)) == ["staging.PowerUserAccess"]


def test_several_roles_without_a_terminal_are_an_error_that_names_them(user):
    done = alone(user, "--print", "production")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no terminal" in done.stderr
    assert "production.AdministratorAccess" in done.stderr
    assert "hint: give more words" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_what_is_only_nearly_right_is_not_picked_by_itself(user):
    done = alone(user, "--print", "stagign", "power")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "awssso: no role matches 'stagign power'\nhint: did you mean staging.PowerUserAccess?\n"


def test_words_that_nothing_holds_are_an_error(user):
    done = alone(user, "--print", "xyzzy")
    assert done.returncode == 2
    assert "no role matches 'xyzzy'" in done.stderr


def test_first_takes_the_best_and_favours_what_was_used(user):
    assert alone(user, "--first", "prod").stdout == "production.AdministratorAccess\n"
    alone(user, "--print", "production.ReadOnlyAccess")
    assert alone(user, "--first", "prod").stdout == "production.ReadOnlyAccess\n"
    assert alone(user, "--first", "xyzzy").returncode == 2


def test_without_a_session_or_roles_it_says_what_to_type(sandbox):
    done = alone(sandbox)
    assert (done.returncode, "hint: awssso configure" in done.stderr) == (2, True)
    sandbox.configure()
    done = alone(sandbox)
    assert (done.returncode, "hint: awssso login" in done.stderr) == (2, True)


def test_production_that_wants_a_yes_is_not_picked_where_nobody_can_say_it(user):
    user.settings("keyring = plaintext-file", "[picker]", "confirm_production = yes")
    done = alone(user, "--print", "production.ReadOnlyAccess")
    assert (done.returncode, done.stdout) == (6, "")
    assert alone(user, "--print", "staging.PowerUserAccess").returncode == 0


def test_tags_of_the_settings_find_roles(user):
    user.settings("keyring = plaintext-file", "[picker]", "[[tags]]", "treasure = staging, nothing-*")
    done = alone(user, "--print", "treasure", "power")
    assert done.stdout == "staging.PowerUserAccess\n"


# In a terminal


def opened(tmux, user, command: str, **size: int) -> None:
    path = AWSSSO.rpartition("/")[0]
    variables = {**user.variables, "PATH": f"{path}:{user.variables['PATH']}", "LANG": "C.UTF-8"}
    tmux.open(command, variables, **size)


SHELLS = {
    "bash": "bash --norc -c 'x=$(awssso pick --print); echo \"picked=$x status=$?\"; sleep 60'",
    "zsh": "zsh -f -c 'x=$(awssso pick --print); echo \"picked=$x status=$?\"; sleep 60'",
    "fish": "fish --no-config -c 'set x (awssso pick --print); echo \"picked=$x status=$status\"; sleep 60'",
}


@needs_tmux
@pytest.mark.parametrize("shell", SHELLS)
def test_the_answer_goes_to_the_command_substitution_of_every_shell(user, tmux, shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    opened(tmux, user, SHELLS[shell])
    screen = tmux.shows("34 roles")
    assert all(len(line) <= 80 for line in screen.splitlines())
    tmux.type("stag power")
    tmux.shows("1 of 34 roles")
    tmux.press("Enter")
    assert "status=0" in tmux.shows("picked=staging.PowerUserAccess")


@needs_tmux
def test_esc_leaves_quietly_with_130_and_the_terminal_as_it_was(user, tmux):
    opened(
        tmux, user, "stty -a > before; awssso pick; echo status=$?; stty -a > after; cmp before after && echo same; cat"
    )
    tmux.shows("34 roles")
    tmux.press("Escape")
    tmux.shows("same")
    assert [line for line in tmux.screen().splitlines() if line] == ["status=130", "same"]


@needs_tmux
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_told_to_end_it_leaves_the_terminal_as_it_was(user, tmux, number):
    begin, pick = "stty -a > before; seq 3", "sh -c 'echo $$ > pid; exec awssso pick'"
    opened(tmux, user, f"{begin}; {pick}; echo status=$?; stty -a > after; cmp before after && echo same; cat")
    tmux.shows("34 roles")
    for width, height in ((10, 3), (1, 1), (200, 50), (10, 3), (80, 24)):
        tmux.resize(width, height)
    tmux.type("prod")
    tmux.shows(" of 34 roles")
    os.kill(int((user.home / "pid").read_text()), number)
    tmux.shows("same")
    lines = [line for line in tmux.screen().splitlines() if line and not line.startswith(("Terminated", "Hangup"))]
    assert lines == ["1", "2", "3", f"status={128 + number}", "same"]
    assert tmux.modes() == "alternate=0 mouse=0 cursor=1"


def test_told_to_end_while_it_opens_it_leaves_the_terminal_as_it_was(user):
    begins, ends = "\x1b[?1049h", "\x1b[?1049l"
    with user.at_terminal("pick") as keyboard:
        keyboard.types("", after=begins)
        keyboard.signal(signal.SIGTERM)
        assert keyboard.end() == -signal.SIGTERM
    assert ends in keyboard.shown


@needs_tmux
@pytest.mark.parametrize("size", [(10, 3), (80, 24)], ids=["10x3", "80x24"])
@pytest.mark.parametrize("key", ["Escape", "C-c", "Enter"])
def test_whatever_its_size_was_nothing_of_it_stays_behind(user, tmux, key, size):
    opened(tmux, user, "seq 3; awssso pick --print > answer; echo status=$?; cat")
    tmux.shows("34 roles")
    for width, height in ((10, 3), (200, 50), (30, 8), (1, 1), size):
        tmux.resize(width, height)
    tmux.press(key)
    tmux.shows("status=")
    tmux.resize(80, 24)
    assert [line for line in tmux.screen().splitlines() if line] == [
        "1",
        "2",
        "3",
        f"status={0 if key == 'Enter' else 130}",
    ]


@needs_tmux
def test_stdin_may_be_a_pipe_and_the_screen_may_change_its_size(user, tmux):
    opened(tmux, user, "echo nothing | awssso pick > answer; cat answer; cat", width=120, height=40)
    tmux.shows("34 roles")
    tmux.resize(60, 15)
    tmux.type("log sec")
    tmux.shows("1 of 34 roles")
    tmux.resize(100, 30)
    tmux.press("Enter")
    tmux.shows("log-archive.SecurityAudit")


@needs_tmux
def test_new_roles_are_found_behind_the_screen(user, tmux):
    organization = user.simulator.organization
    organization.add_account("900000000001", "newcomer")
    organization.assign("ada@example.com", "900000000001", "ReadOnlyAccess")
    opened(tmux, user, "awssso pick; cat")
    assert "34 roles" in tmux.shows("roles")
    tmux.shows("35 roles")
    tmux.shows("1 new")
    tmux.type("newcomer")
    tmux.shows("1 of 35 roles")
    tmux.shows_line("900000000001", "new")


@needs_tmux
def test_a_session_that_ended_is_signed_in_to_without_leaving(user, tmux):
    user.ok("logout")
    opened(tmux, user, "awssso pick > answer; cat answer; cat")
    tmux.shows("corp signed out: ctrl+l signs in")
    tmux.press("C-l")
    tmux.no_longer_shows("signed out")
    tmux.shows("● corp")
    tmux.press("Enter")
    tmux.shows("audit.")
    assert user.json("status")["sessions"][0]["usable"]


@needs_tmux
def test_a_favourite_is_on_top_the_next_time(user, tmux):
    opened(tmux, user, "awssso pick; awssso pick; cat")
    tmux.shows("34 roles")
    tmux.type("log sec")
    tmux.shows("1 of 34 roles")
    tmux.press("C-f")
    tmux.shows("★")
    tmux.press("Escape")
    tmux.shows("favourites")
    assert "★  log-archive" in tmux.screen()


@needs_tmux
def test_the_name_goes_to_the_clipboard_by_the_terminal(user, tmux):
    opened(tmux, user, "awssso pick; cat")
    tmux.shows("34 roles")
    tmux.type("log sec")
    tmux.shows("1 of 34 roles")
    tmux.press("C-y")
    tmux.shows("copied log-archive.SecurityAudit (by the terminal, OSC 52)")
    assert tmux.clipboard() == "log-archive.SecurityAudit"


@needs_tmux
def test_what_is_typed_before_the_screen_is_there_is_not_lost(user, tmux):
    opened(tmux, user, "echo ready; sleep 1; awssso pick --print > answer; cat answer; cat")
    tmux.shows("ready")
    tmux.type("log sec")
    tmux.shows("1 of 34 roles")


@needs_tmux
def test_enter_may_be_typed_ahead_too(user, tmux):
    opened(tmux, user, "echo ready; sleep 1; awssso pick --print > answer; cat answer; cat")
    tmux.shows("ready")
    tmux.type("log sec")
    tmux.press("Enter")
    tmux.shows("log-archive.SecurityAudit\n")


@needs_tmux
def test_a_key_that_comes_right_behind_letters_means_the_role_that_they_find(user, tmux):
    opened(tmux, user, "awssso pick --print > answer; cat answer; cat")
    tmux.shows("34 roles")
    tmux.press(*"log", "Space", *"sec", "C-j")
    tmux.shows("log-archive.SecurityAudit\n")


@needs_tmux
def test_without_the_shell_function_it_says_what_to_add_and_starts_a_shell(user, tmux):
    opened(tmux, user, "SHELL=/bin/sh awssso pick; echo back; cat")
    tmux.shows("34 roles")
    tmux.type("log sec")
    tmux.shows("1 of 34 roles")
    tmux.press("Enter")
    tmux.shows("shell-init")
    tmux.type("echo as=$AWS_ACCESS_KEY_ID.")
    tmux.press("Enter")
    assert re.search(r"as=ASIA\w+\.", tmux.shows("as=ASIA"))
    tmux.type("exit")
    tmux.press("Enter")
    tmux.shows("back")


@needs_tmux
def test_the_numbered_list_takes_words_and_a_number(user, tmux):
    opened(tmux, user, "awssso pick --no-tui --print > answer; cat answer; cat")
    tmux.shows("number, or words to filter by")
    tmux.type("log sec")
    tmux.press("Enter")
    tmux.shows("1  log-archive.SecurityAudit")
    tmux.type("1")
    tmux.press("Enter")
    tmux.shows("\nlog-archive.SecurityAudit\n")


def test_the_numbered_list_says_what_is_production_and_asks_before_it(user):
    user.settings("keyring = plaintext-file", "[picker]", "confirm_production = yes")
    with user.at_terminal("pick", "--no-tui", "--print", "administrator") as keyboard:
        keyboard.types("prod\n", after="number, or words to filter by")
        keyboard.types("1\n", after="number, or words to filter by")
        keyboard.types("n\n", after="production.AdministratorAccess is production. Pick it? [y/N]")
        assert keyboard.end() == 130
    rows = [line for line in keyboard.shown.splitlines() if ".AdministratorAccess  " in line]
    loud = {line for line in rows if "production" in line.split(".")[0]}
    assert loud
    assert all(line.startswith("\x1b[31m") and line.endswith("  production\x1b[0m") for line in loud)
    assert set(rows) - loud
    assert not any("\x1b" in line or line.endswith("production") for line in set(rows) - loud)


def test_the_numbered_list_marks_production_without_colour_too(user):
    with user.at_terminal("pick", "--no-tui", "--print", "prod", "read", NO_COLOR="1") as keyboard:
        keyboard.types("1\n", after="number, or words to filter by")
        assert keyboard.end() == 0
    assert "\x1b" not in keyboard.shown
    assert re.search(r"1  production\.ReadOnlyAccess .* production\r?\n", keyboard.shown)


@needs_tmux
def test_without_colour_no_colour_is_sent(user, tmux):
    opened(tmux, user, "script -qec 'NO_COLOR=1 awssso pick' typescript; cat")
    tmux.shows("34 roles")
    tmux.type("prod")
    tmux.shows("7 of 34 roles")
    tmux.press("Escape")
    tmux.no_longer_shows("7 of 34 roles")
    sent = (user.home / "typescript").read_bytes()
    codes = {code for group in re.findall(rb"\x1b\[([0-9;]*)m", sent) for code in group.split(b";")}
    colours = {str(n).encode() for n in (*range(30, 39), *range(40, 49), *range(90, 108))}
    assert codes & colours == set()
    assert b"7" in codes


@needs_tmux
def test_a_crash_is_one_line_without_variables(user, tmux):
    script = (
        "import sys; from awssso_helper import cli; from awssso_helper.picker import role_list\n"
        "def crash(self, y): token = 'canary-secret'; raise ValueError(token)\n"
        "role_list.RoleList.render_line = crash\n"
        "sys.exit(cli.run(['pick']))"
    )
    (user.home / "crash.py").write_text(script)
    opened(tmux, user, f"{sys.executable} crash.py > said 2>&1; echo status=$?; cat said; cat")
    screen = tmux.shows("awssso: unexpected ValueError")
    assert "status=1" in screen
    assert "canary" not in screen
    assert "Traceback" not in screen
