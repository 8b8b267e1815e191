from __future__ import annotations

import copy
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from sandbox import AWSSSO, Sandbox
from test_handover import STALE

from awssso_helper import parser, shell_functions
from awssso_helper.simulator import Simulator

A, B = "production.ReadOnlyAccess", "staging.PowerUserAccess"
INIT = {
    "bash": 'eval "$(awssso shell-init bash)"',
    "zsh": 'eval "$(awssso shell-init zsh)"',
    "fish": "awssso shell-init fish | source",
}
# A shell as a person has it, without the person's own files.
START = {"bash": ["bash", "--norc", "--noprofile"], "zsh": ["zsh", "-f"], "fish": ["fish", "--no-config"]}
SHELLS = [
    pytest.param(
        shell,
        marks=pytest.mark.skipif(
            shutil.which(shell) is None, reason=f"{shell} is not installed (apt-get install {shell})"
        ),
    )
    for shell in INIT
]
# What a child of the shell sees.
SHOW = "import json, os; print(json.dumps({n: v for n, v in os.environ.items() if n.startswith('AWS')}))"


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """A user who signed in once for all of these tests: what they change is their shells, which end."""
    home = tmp_path_factory.mktemp("home")
    with Simulator() as simulator:
        sandbox = Sandbox(home, simulator)
        regions = ("[profiles]", "[[regions]]", "production = eu-west-1", "staging = us-east-2")
        sandbox.settings(*sandbox.settings_lines, *regions)
        sandbox.first_day()
        sandbox.variables["PATH"] = f"{Path(AWSSSO).parent}{os.pathsep}{sandbox.variables['PATH']}"
        yield sandbox
        sandbox.stop_agent()
        assert sandbox.leaks() == []


def session(user, shell: str, *lines: str, begin: str = "", **more: str):
    """Run lines in a shell that has the function."""
    script = "\n".join([begin, INIT[shell], *lines])
    return user.program(*START[shell], "-c", script, PYTHONWARNINGS="error", **more)


def shown(python: str) -> str:
    return f'{python} -c "{SHOW}"'


def variables_after(user, python, shell: str, *lines: str, begin: str = "", **more: str) -> dict[str, str]:
    done = session(user, shell, *lines, shown(python), begin=begin, **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("shell", SHELLS)
def test_use_changes_the_shell(user, python, shell):
    seen = variables_after(user, python, shell, f"awssso use {A}", **STALE)
    assert seen["AWS_PROFILE"] == A
    assert (seen["AWS_REGION"], seen["AWS_DEFAULT_REGION"]) == ("eu-west-1", "eu-west-1")
    assert not set(STALE) - {"AWS_PROFILE"} & set(seen)


@pytest.mark.parametrize("shell", SHELLS)
def test_use_says_what_is_in_force_now(user, shell):
    done = session(user, shell, "awssso use production read")
    assert done.stderr == f"AWS_PROFILE={A} production (210987654321) ReadOnlyAccess, eu-west-1\n"
    assert done.stdout == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_use_succeeds_where_it_did_what_it_should(user, shell):
    status = "echo $status" if shell == "fish" else "echo $?"
    done = session(user, shell, f"awssso use {A}", status, "awssso use --clear", status, "awssso use -", status)
    assert done.stdout == "0\n0\n0\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_dash_goes_back_and_again_forth(user, python, shell):
    there = [f"awssso use {A}", f"awssso use {B}", "awssso use -"]
    assert variables_after(user, python, shell, *there)["AWS_PROFILE"] == A
    assert variables_after(user, python, shell, *there, "awssso use -")["AWS_PROFILE"] == B


@pytest.mark.parametrize("shell", SHELLS)
def test_a_dash_goes_back_to_what_was_set_by_hand(user, python, shell):
    seen = variables_after(user, python, shell, f"awssso use {B}", "awssso use -", AWS_PROFILE=A)
    assert (seen["AWS_PROFILE"], seen["AWS_REGION"]) == (A, "eu-west-1")


@pytest.mark.parametrize("shell", SHELLS)
def test_with_nothing_to_go_back_to_nothing_changes(user, shell):
    done = session(user, shell, "awssso use -")
    assert done.returncode == 2
    assert done.stderr.startswith("awssso: there is no profile to go back to\nhint: ")


@pytest.mark.parametrize("shell", SHELLS)
def test_clear_leaves_no_credentials_behind(user, python, shell):
    seen = variables_after(user, python, shell, f"awssso use {A}", "awssso use --clear", **STALE)
    assert not {"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWSSSO_PROFILE", *STALE} & set(seen)


@pytest.mark.parametrize("shell", SHELLS)
def test_clear_brings_back_the_regions_that_were_there_before(user, python, shell):
    own = {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "sa-east-1"}
    seen = variables_after(user, python, shell, f"awssso use {A}", f"awssso use {B}", **own)
    assert (seen["AWS_REGION"], seen["AWS_DEFAULT_REGION"]) == ("us-east-2", "us-east-2")
    seen = variables_after(user, python, shell, f"awssso use {A}", f"awssso use {B}", "awssso use --clear", **own)
    assert own.items() <= seen.items()
    # What the machine of the tests sets for them is no trace of ours.
    ours = {"AWSSSO_PROFILE", "AWSSSO_OWN_REGION", "AWSSSO_OWN_DEFAULT_REGION", "AWS_PROFILE"}
    assert not ours & set(seen)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_choice_that_fails_changes_nothing_and_has_its_status(user, python, shell):
    keep = "set -l kept $status" if shell == "fish" else "kept=$?"
    done = session(user, shell, f"awssso use {A}", "awssso use no-such-profile", keep, shown(python), "exit $kept")
    assert done.returncode == 2
    assert json.loads(done.stdout.splitlines()[-1])["AWS_PROFILE"] == A


@pytest.mark.parametrize("shell", SHELLS)
def test_other_commands_pass_through_with_status_input_and_output(user, shell):
    assert session(user, shell, "awssso list --names production read").stdout.splitlines()[-1] == A
    assert session(user, shell, f"awssso exec {A} -- sh -c 'exit 7'").returncode == 7
    assert session(user, shell, f"echo in | awssso exec {A} -- cat").stdout == "in\n"
    assert session(user, shell, "awssso no-such-command").returncode == 2


@pytest.mark.parametrize("shell", SHELLS)
def test_help_is_shown_and_not_run(user, shell):
    for line in ("awssso use --help", "awssso --help", "awssso --version"):
        done = session(user, shell, line)
        assert (done.returncode, done.stderr) == (0, "")
        assert "awssso" in done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_a_role_may_be_named_by_account_and_role(user, python, shell):
    assert variables_after(user, python, shell, "awssso use -A staging -R PowerUserAccess")["AWS_PROFILE"] == B


@pytest.mark.parametrize("shell", ["bash", pytest.param("zsh", marks=SHELLS[1].marks)])
@pytest.mark.parametrize("options", ["set -u", "set -e", "set -eu", "set -euo pipefail"])
def test_the_function_works_under_strict_options(user, python, shell, options):
    lines = [
        f"awssso use {A}",
        f"awssso use {B}",
        "awssso use -",
        "awssso list --names >/dev/null",
        "awssso use --clear",
    ]
    seen = variables_after(user, python, shell, *lines, f"awssso use {B}", begin=options)
    assert seen["AWS_PROFILE"] == B


@pytest.mark.parametrize("shell", ["bash", pytest.param("zsh", marks=SHELLS[1].marks)])
def test_under_set_e_a_failure_ends_the_script_and_a_condition_catches_it(user, shell):
    assert session(user, shell, "awssso use nonsense", "echo went on", begin="set -e").stdout == ""
    assert (
        session(user, shell, "if awssso use nonsense; then :; fi", "echo went on", begin="set -e").stdout == "went on\n"
    )


@pytest.mark.parametrize("shell", ["bash", pytest.param("zsh", marks=SHELLS[1].marks)])
def test_aliases_do_not_come_between(user, python, shell):
    begin = "\n".join(
        [
            "shopt -s expand_aliases" if shell == "bash" else "setopt aliases",
            *(
                f"alias {name}='echo an alias of {name} ran; false'"
                for name in ("command", "eval", "return", "local", "set", "shift", "unalias", "true")
            ),
            # One that a person may have, and that would pass the function by.
            "alias awssso='\\command awssso'",
        ]
    )
    lines = [f"\\eval 'awssso use {A}'"]
    script = "\n".join([begin, "\\" + INIT[shell], *lines, shown(python)])
    done = user.program(*START[shell], "-c", script)
    assert "an alias" not in done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["AWS_PROFILE"] == A


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed (apt-get install zsh)")
def test_zsh_with_unusual_options_is_quiet(user, python):
    begin = "setopt warn_create_global warn_nested_var sh_word_split ksh_arrays no_nomatch extended_glob null_glob"
    done = session(user, "zsh", f"awssso use {A}", f"awssso use {B}", shown(python), begin=begin)
    assert [line for line in done.stderr.splitlines() if not line.startswith("AWS_PROFILE=")] == []
    assert json.loads(done.stdout)["AWS_PROFILE"] == B


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed (apt-get install fish)")
def test_a_universal_variable_of_fish_stays_the_users_own(user, python):
    begin = "set -Ux AWS_PROFILE mine"
    names = "set -U --names | string match AWS_PROFILE; set -eU AWS_PROFILE"
    script = [begin, INIT["fish"], f"awssso use {A}", shown(python), "awssso use --clear", "awssso use --clear", names]
    # Not by `session`: without its configuration fish has no universal variables.
    done = user.program("fish", "-c", "\n".join(script))
    assert json.loads(done.stdout.splitlines()[0])["AWS_PROFILE"] == A
    assert done.stdout.splitlines()[1] == "AWS_PROFILE"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_functions_completion_is_the_programs(user, shell):
    asked = {
        "bash": "source <(command awssso completions bash); complete -p awssso",
        "zsh": "autoload -Uz compinit; compinit -D -u; source <(command awssso completions zsh); print $_comps[awssso]",
        "fish": "command awssso completions fish | source; complete -C 'awssso use stag'",
    }
    done = session(user, shell, asked[shell])
    assert {"bash": "complete -F _awssso awssso", "zsh": "_awssso", "fish": B}[shell] in done.stdout, done.stderr


# Picking


@pytest.mark.parametrize("shell", SHELLS)
def test_a_pick_that_needs_no_screen_changes_the_shell(user, python, shell):
    done = at_a_terminal(user, shell, "awssso pick staging power", shown(python))
    assert json.loads(done.stdout.splitlines()[-1])["AWS_PROFILE"] == B


# The picker's screen has tests of its own; here a program stands for it, and says what a person picked there.


@pytest.fixture
def picking(user, tmp_path):
    """A user whose picker is a program that says which profile was picked, as `awssso pick --print` does."""
    programs = tmp_path / "programs"
    programs.mkdir()
    stand_in = programs / "awssso"
    stand_in.write_text(
        "#!/bin/sh\n"
        'if [ "$1" != pick ]; then exec "$REAL" "$@"; fi\n'
        'echo "asked: $*" >&2\n'
        'printf "%s\\n" "$PICKED"\n'
        'exit "${PICK_STATUS:-0}"\n'
    )
    stand_in.chmod(0o755)
    here = copy.copy(user)
    here.variables = {**user.variables, "PATH": f"{programs}{os.pathsep}{user.variables['PATH']}", "REAL": AWSSSO}
    return here


def at_a_terminal(user, shell: str, *lines: str, **more: str):
    """Run lines in a shell whose output is a terminal."""
    script = user.home / "script"
    script.write_text("\n".join([INIT[shell], *lines, ""]))
    command = " ".join([*START[shell], str(script)])
    return user.program("script", "-qec", command, "/dev/null", PYTHONWARNINGS="error", **more)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "asked"),
    [("awssso pick", "pick --print"), ("awssso", "pick --print"), ("awssso pick prod ro", "pick --print prod ro")],
)
def test_pick_changes_the_shell(picking, python, shell, line, asked):
    done = at_a_terminal(picking, shell, line, shown(python), PICKED=A)
    assert f"asked: {asked}\n" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["AWS_PROFILE"] == A


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("picked", "status"), [("", 130), ("", 0), (A, 3)])
def test_a_pick_without_an_answer_changes_nothing(picking, python, shell, picked, status):
    kept = "set -l kept $status" if shell == "fish" else "kept=$?"
    done = at_a_terminal(
        picking, shell, "awssso pick", kept, shown(python), "exit $kept", PICKED=picked, PICK_STATUS=str(status)
    )
    assert done.returncode == status
    assert "AWS_PROFILE" not in json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("shell", SHELLS)
def test_pick_in_a_substitution_prints_and_changes_nothing(picking, python, shell):
    begin = "set -l got (awssso pick --print)" if shell == "fish" else "got=$(awssso pick --print)"
    done = at_a_terminal(picking, shell, begin, 'echo "got=$got"', shown(python), PICKED=A)
    assert f"got={A}\n" in done.stdout
    assert "AWS_PROFILE" not in json.loads(done.stdout.splitlines()[-1])


# Without the function


@pytest.mark.parametrize("shell", SHELLS)
def test_use_without_the_function_says_what_to_add(user, shell):
    # With a second command, so that the shell does not become awssso itself.
    status = "$status" if shell == "fish" else "$?"
    done = user.program(*START[shell], "-c", f"awssso use {A}; echo {status}")
    assert done.stdout == "2\n"
    assert f"hint: {shell_functions.advice(shell)}" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_shell_init_without_a_name_is_for_the_shell_that_asks(user, shell):
    done = user.program(*START[shell], "-c", "awssso shell-init; true")
    assert done.stdout == shell_functions.text(shell)


def test_every_example_of_the_readme_and_of_the_help_means_one_role_of_the_demo(user):
    built = parser.build_parser()
    texts = [each.format_help() for each in (built, *parser.command_parsers(built).values())]
    texts.append((Path(__file__).parent.parent / "README.md").read_text())
    # The words up to another program, an option, what is said of it behind some blanks, or the end of the quote.
    word = r"[A-Za-z][\w.]+"
    examples = rf"awssso (?:use|exec|env|console) ({word}(?: {word})*)(?= --? |`|\)|\"| +#|  |\n| -)"
    found = {example for text in texts for example in re.findall(examples, text)} - {"PROFILE"}
    assert {"prod power", "staging.read", "production read"} <= found
    for example in sorted(found):
        done = user.run("env", *example.split())
        assert done.returncode == 0, f"{example}: {done.stderr}"
