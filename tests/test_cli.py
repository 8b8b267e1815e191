from __future__ import annotations

import pytest

from awssso_helper import cli, parser


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("logn", "awssso login"),
        ("stauts", "awssso status"),
        ("populate", "awssso sync"),
        ("config-profiles", "awssso sync"),
        ("ls", "awssso list"),
        ("process", "awssso credential-process"),
        ("check", "awssso doctor"),
        ("SETUP", "awssso configure"),
        ("help", "awssso --help"),
        ("version", "awssso --version"),
        ("xyzzy", "awssso --help"),
    ],
)
def test_a_word_that_is_no_command_leads_to_the_one_that_was_meant(sandbox, typed, hint):
    done = sandbox.run(typed)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.endswith(f"hint: {hint}\n")


def test_help_about_a_command_is_where_the_hint_says(sandbox):
    assert sandbox.run("help", "login").stderr.endswith("hint: awssso login --help\n")
    assert "usage: awssso login" in sandbox.ok("login", "--help").stdout


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (("login", "--no-brower"), "awssso login --no-browser"),
        (("login", "--session", "corp"), "awssso login --sso-session"),
        (("login", "--device-code"), "awssso login --use-device-code"),
        (("sync", "--dryrun"), "awssso sync --dry-run"),
        (("status", "--jsno=1"), "awssso status --json"),
        (("status", "--qwertyuiop"), "awssso status --help"),
        (("--verison",), "awssso --version"),
        (("use", "--bogus"), "awssso use --help"),
    ],
)
def test_an_option_that_is_none_leads_to_the_one_that_was_meant(sandbox, typed, hint):
    done = sandbox.run(*typed)
    assert done.returncode == 2
    assert "has no option" in done.stderr
    assert done.stderr.endswith(f"hint: {hint}\n")


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (("login", "--profile", "prod"), "awssso login; one sign-in serves every profile of the session"),
        (("console", "--service=s3"), "awssso console --destination"),
        (("list", "--profiles"), "awssso list --names"),
        (("use", "--unset"), "awssso use --clear"),
        (("login", "prod"), "awssso login, or with -S and a session; the console of a role: awssso console prod"),
    ],
)
def test_an_option_of_another_tool_leads_to_ours(sandbox, typed, hint):
    done = sandbox.run(*typed)
    assert done.returncode == 2
    assert done.stderr.endswith(f"\nhint: {hint}\n")


def test_what_another_tools_option_leads_to_is_there():
    parsers = parser.command_parsers(parser.build_parser())
    for (command, option), hint in cli._OPTIONS_ELSEWHERE.items():
        assert option not in parser.option_strings(parsers[command])
        _, meant, *rest = hint.partition(";")[0].split()
        assert set(rest) <= set(parser.option_strings(parsers[meant]))


def test_a_word_too_many_is_named(sandbox):
    done = sandbox.run("status", "corp")
    assert done.returncode == 2
    assert done.stderr == "awssso: awssso status has no use for 'corp'\nhint: awssso status --help\n"


def test_what_is_suggested_is_never_an_option_that_help_hides():
    sync = parser.command_parsers(parser.build_parser())["sync"]
    assert "--dry-run" in parser.option_strings(sync)
    assert "--behind" not in parser.option_strings(sync)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("agent", "stat"), "'stat' is none of start, stop, status\nhint: awssso agent start\n"),
        (("completions",), "SHELL is missing\nhint: awssso completions --help\n"),
        (("login", "-S"), "-S/--sso-session needs a value\nhint: awssso login --help\n"),
        (("login", "-S", "x", "--all"), "--all and -S/--sso-session do not go together\nhint: awssso login --help\n"),
        (("login", "--port", "0"), "--port: a port is a number from 1 to 65535\nhint: awssso login --help\n"),
        (("login", "--force=yes"), "--force takes no value\nhint: awssso login --help\n"),
    ],
)
def test_what_is_wrong_with_a_command_line_is_said_in_our_words(sandbox, typed, said):
    done = sandbox.run(*typed)
    assert done.returncode == 2
    assert done.stderr == f"awssso: {said}"


def test_how_much_is_said_can_be_asked_for_before_and_behind_the_command(sandbox):
    sandbox.configure()
    for words in (("-v", "status"), ("status", "-v"), ("--debug", "status")):
        assert "keyring: plaintext-file" in sandbox.run(*words).stderr
    assert "keyring: plaintext-file" not in sandbox.run("status").stderr


def test_a_session_that_is_not_there_is_told_with_those_that_are(sandbox):
    sandbox.configure("corp")
    assert sandbox.run("login", "-S", "crop").stderr.endswith("hint: -S corp\n")
    assert sandbox.run("login", "-S", "x").stderr.endswith("hint: awssso configure -S x; there are: corp\n")


def test_help_fits_the_terminal(sandbox):
    for columns in (40, 80, 200):
        said = sandbox.ok("login", "--help", COLUMNS=str(columns)).stdout
        assert max(map(len, said.splitlines())) <= min(columns, 102)
    assert "  awssso login          sign in, find" in sandbox.ok("--help", COLUMNS="60").stdout
    assert "\n  aws s3 ls --profile" in sandbox.ok("pick", "--help", COLUMNS="60").stdout
