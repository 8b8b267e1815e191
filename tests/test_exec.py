from __future__ import annotations

import json
import os
import pty
import pwd
import signal
import subprocess
import time

import pytest
from pseudo_terminal import is_readable
from sandbox import AWSSSO, SECONDS
from test_handover import STALE

from awssso_helper.parser import split_program

ROLE = "production.ReadOnlyAccess"
ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"
WHO = 'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])'


@pytest.fixture
def user(sandbox):
    sandbox.first_day()
    return sandbox


def child_environment(user, python, *options: str, **more: str) -> dict[str, str]:
    """Give the variables of a child; not by `run`, whose output may hold no secret."""
    done = user.program(AWSSSO, "exec", *options, "--", python, "-c", ENVIRONMENT, **more)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


# What it gets


def test_a_program_gets_the_role(user, python):
    done = user.run("exec", ROLE, "--", python, "-c", WHO, AWS_DEFAULT_REGION="us-east-1")
    assert "assumed-role/AWSReservedSSO_ReadOnlyAccess_" in done.stdout, done.stderr
    assert done.stderr == ""


def test_e10_no_stale_source_of_credentials_reaches_the_program(user, python):
    seen = child_environment(user, python, ROLE, **STALE)
    assert {name: value for name, value in seen.items() if value == STALE.get(name)} == {}
    assert seen["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert seen["AWS_ACCOUNT_ID"] == "210987654321"
    assert "AWS_PROFILE" not in seen


def test_the_role_wins_over_every_stale_source_in_boto3(user, python):
    old = {name: value for name, value in STALE.items() if name != "AWS_PROFILE"}
    for more in ([], ["--profile-only"]):
        done = user.run("exec", *more, ROLE, "--", python, "-c", WHO, **old, AWS_DEFAULT_REGION="us-east-1")
        assert "AWSReservedSSO_ReadOnlyAccess_" in done.stdout, done.stderr


def test_profile_only_hands_over_no_key(user, python):
    seen = child_environment(user, python, "--profile-only", ROLE, **STALE)
    assert seen["AWS_PROFILE"] == ROLE
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & set(seen)
    assert user.simulator.count("GetRoleCredentials") == 0


def test_a_role_inside_a_role_is_the_inner_one(user, python):
    inner = [AWSSSO, "exec", "staging.ReadOnlyAccess", "--", python, "-c", WHO]
    done = user.run("exec", ROLE, "--", *inner, AWS_DEFAULT_REGION="us-east-1")
    assert "arn:aws:sts::482736190055:" in done.stdout, done.stderr


def test_the_region_of_the_profile_is_handed_over_in_both_spellings(user, python):
    user.settings(*user.settings_lines, "[profiles]", "region = eu-north-1")
    user.ok("sync")
    seen = child_environment(user, python, ROLE, AWS_REGION="us-east-2")
    assert (seen["AWS_REGION"], seen["AWS_DEFAULT_REGION"]) == ("eu-north-1", "eu-north-1")


def test_the_agent_answers_so_aws_is_asked_once(user, python):
    for _ in range(3):
        child_environment(user, python, ROLE)
    assert user.simulator.count("GetRoleCredentials") == 1


def test_without_an_agent_it_works_too(user, python):
    user.stop_agent()
    user.settings(*user.settings_lines, "agent = off")
    assert child_environment(user, python, ROLE)["AWS_ACCESS_KEY_ID"].startswith("ASIA")


@pytest.mark.parametrize("agent", ["on", "off"])
def test_a_session_that_ended_is_exit_3_and_says_what_to_type(user, agent):
    user.settings(*user.settings_lines, f"agent = {agent}")
    user.ok("logout")
    done = user.run("exec", ROLE, "--", "true")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == "hint: awssso login -S corp"


def test_a_role_that_was_taken_away_is_said(user):
    user.simulator.organization.unassign("ada@example.com", "210987654321", "ReadOnlyAccess")
    done = user.run("exec", ROLE, "--", "true")
    assert done.returncode == 1
    assert done.stderr.startswith("awssso: ")


def test_a_role_without_a_profile_has_keys_but_no_name(user, python):
    user.settings(*user.settings_lines, "[profiles]", "exclude = production,")
    user.ok("sync", "--yes")
    done = user.program(AWSSSO, "exec", "-A", "production", "-R", "ReadOnly", "--", python, "-c", ENVIRONMENT)
    assert json.loads(done.stdout)["AWSSSO_PROFILE"] == "corp/210987654321/ReadOnlyAccess"
    refused = user.run("exec", "--profile-only", "-A", "production", "-R", "ReadOnly", "--", "true")
    assert refused.returncode == 2
    assert "the settings leave it out" in refused.stderr


# Which role


def test_what_was_not_named_exactly_is_said(user):
    done = user.run("exec", "production", "read", "--", "true")
    assert done.stderr == f"profile {ROLE} production (210987654321) ReadOnlyAccess\n"


def test_an_ambiguous_name_runs_nothing(user):
    done = user.run("exec", "prod", "--", "touch", "ran")
    assert done.returncode == 2
    assert f"  {ROLE} " in done.stderr
    assert done.stderr.splitlines()[-1].startswith("hint: ")
    assert not (user.home / "ran").exists()


def test_the_profile_in_force_is_meant_where_none_is_named(user):
    done = user.run("exec", "--", "sh", "-c", "echo $AWS_ACCOUNT_ID", AWS_PROFILE="staging.ReadOnlyAccess")
    assert done.stdout == "482736190055\n"
    assert user.run("exec", "--", "true").returncode == 2


def test_a_profile_in_force_is_a_whole_name_and_no_abbreviation(user):
    done = user.run("exec", "--", "touch", "ran", AWS_PROFILE="staging.Read")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the profile in force, 'staging.Read' (AWS_PROFILE), is no profile of a role" in done.stderr
    assert "hint: did you mean staging.ReadOnlyAccess" in done.stderr
    assert not (user.home / "ran").exists()


@pytest.mark.parametrize("line", [("Mobile-Apps.P", "--"), ("-p", "Mobile-Apps.P", "--"), ("--",)])
@pytest.mark.parametrize(
    ("file", "header"), [("config", "[profile Mobile-Apps.P]"), ("credentials", "[Mobile-Apps.P]")]
)
def test_a_profile_of_the_users_own_is_never_taken_for_the_beginning_of_another(user, line, file, header):
    with (user.home / ".aws" / file).open("a") as own:
        own.write(f"\n{header}\nregion = eu-west-1\n")
    done = user.run("exec", *line, "touch", "ran", AWS_PROFILE="Mobile-Apps.P")
    assert done.returncode == 2
    assert "'Mobile-Apps.P' is one of your own" in done.stderr
    assert not (user.home / "ran").exists()
    assert user.run("exec", "Mobile-Apps.Po", "--", "true").returncode == 0


def test_a_role_is_named_once(user):
    assert user.run("exec", ROLE, "-p", ROLE, "--", "true").returncode == 2
    assert user.run("exec", "-p", ROLE, "-A", "production", "--", "true").returncode == 2


def test_a_profile_that_a_person_wrote_for_one_of_our_roles_can_be_named(user):
    line = next(line for line in user.config.read_text().splitlines() if "210987654321/ReadOnlyAccess" in line)
    with user.config.open("a") as config:
        config.write(f"[profile mine]\n{line}\nregion = eu-west-3\n")
    done = user.run("exec", "mine", "--", "sh", "-c", "echo $AWS_ACCOUNT_ID $AWS_REGION $AWSSSO_PROFILE")
    assert done.stdout == "210987654321 eu-west-3 mine\n"
    assert {"mine", ROLE} <= set(user.ok("list", "--names").stdout.split())


@pytest.mark.parametrize(
    ("line", "head", "program"),
    [
        ("exec p -- ls -la", "exec p", "ls -la"),
        ("exec p q -- ls", "exec p q", "ls"),
        ("exec p --profile-only -- ls", "exec p --profile-only", "ls"),
        ("exec -p p ls -la", "exec -p p", "ls -la"),
        ("exec -pp ls -p x", "exec -pp", "ls -p x"),
        ("exec --profile=p ls", "exec --profile=p", "ls"),
        ("exec -A a -R r ls --json", "exec -A a -R r", "ls --json"),
        ("exec p ls --debug -v", "exec p", "ls --debug -v"),
        ("exec --debug p ls", "exec --debug p", "ls"),
        ("exec p --profile-only ls -p", "exec p --profile-only", "ls -p"),
        ("exec -S corp p ls", "exec -S corp p", "ls"),
        ("exec p", "exec p", ""),
        ("exec p --", "exec p", ""),
        ("exec --", "exec", ""),
        ("exec p -- ls -- x", "exec p", "ls -- x"),
        ("exec p --no-such-option ls", "exec p --no-such-option ls", ""),
        ("list -- x", "list -- x", ""),
    ],
)
def test_the_program_begins_after_the_dashes_or_after_the_profile(line, head, program):
    assert split_program(line.split()) == (head.split(), program.split())


def test_an_option_that_does_not_exist_is_no_part_of_a_program(user):
    done = user.run("exec", ROLE, "--no-such-option", "touch", "ran")
    assert done.returncode == 2
    assert not (user.home / "ran").exists()


# What it is


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_the_status_is_the_programs(user, status):
    assert user.run("exec", ROLE, "--", "sh", "-c", f"exit {status}").returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGSEGV])
def test_a_program_that_a_signal_ended_was_ended_by_that_signal(user, number):
    assert user.run("exec", ROLE, "--", "sh", "-c", f"kill -{int(number)} $$").returncode == -number


def test_e10_awssso_becomes_the_program(user):
    child = user.start("exec", ROLE, "--", "sh", "-c", "echo $$")
    assert child.communicate(timeout=SECONDS)[0] == f"{child.pid}\n"


def test_a_signal_reaches_the_program(user):
    child = user.start(
        "exec", ROLE, "--", "sh", "-c", "trap 'echo caught; exit 9' TERM; echo ready; while :; do :; done"
    )
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGTERM)
    assert child.communicate(timeout=SECONDS)[0] == "caught\n"
    assert child.returncode == 9


def test_no_signal_is_ignored_in_the_program(user):
    # What the machine itself ignores (a container's init may leave such a one) is not ours to mend.
    look = ("grep", "SigIgn", "/proc/self/status")
    assert user.run("exec", ROLE, "--", *look).stdout == user.program(*look).stdout


def test_a_pipe_that_closes_ends_the_program_quietly(user):
    line = f"{AWSSSO} exec {ROLE} -- yes | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = user.program("bash", "-c", line)
    assert done.stdout == f"y\n{128 + signal.SIGPIPE}\n"
    assert done.stderr == ""


def test_descriptors_of_the_caller_go_on_and_none_of_ours_do(user):
    read, write = os.pipe()
    other = os.dup(write)
    os.set_inheritable(other, True)
    listing = ["exec", ROLE, "--", "ls", "/proc/self/fd"]
    child = subprocess.run(
        [AWSSSO, *listing],
        env=user.variables,
        pass_fds=[other],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=SECONDS,
        check=True,
    )
    own = subprocess.run(
        ["ls", "/proc/self/fd"], pass_fds=[other], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True
    )
    for descriptor in (read, write, other):
        os.close(descriptor)
    assert child.stdout == own.stdout
    assert str(other) in child.stdout.decode().split()


def test_input_and_output_are_the_programs(user):
    done = user.run("exec", ROLE, "--", "cat", typed="through\n")
    assert done.stdout == "through\n"


def test_arguments_arrive_as_they_are(user, python):
    odd = ["", "a b", "$HOME", "--", "-v", "--debug", "\u00fc", "'\"\\"]
    show = "import sys, json; print(json.dumps(sys.argv[1:]))"
    done = user.run("exec", ROLE, "--", python, "-c", show, *odd)
    assert json.loads(done.stdout) == odd
    assert done.stderr == ""


def test_a_missing_program_is_127_and_asks_aws_for_nothing(user):
    done = user.run("exec", ROLE, "--", "no-such-program")
    assert done.returncode == 127
    assert done.stderr.startswith("awssso: there is no program 'no-such-program'\nhint: ")
    assert user.simulator.count("GetRoleCredentials") == 0


def test_a_program_that_may_not_be_run_is_126(user):
    (user.home / "plain").write_text("#!/bin/sh\n")
    assert user.run("exec", ROLE, "--", "./plain").returncode == 126
    assert user.run("exec", ROLE, "--", "/").returncode == 126
    assert user.run("exec", ROLE, "--", "./absent").returncode == 127


def test_a_script_runs_by_its_first_line_or_else_by_sh(user):
    for name, text in (("first", "#!/bin/sh\necho $1\n"), ("second", "echo $1\n")):
        (user.home / name).write_text(text)
        (user.home / name).chmod(0o755)
        assert user.run("exec", ROLE, "--", f"./{name}", "x").stdout == "x\n"
    (user.home / "third").write_text("#!/no/such/interpreter\n")
    (user.home / "third").chmod(0o755)
    assert user.run("exec", ROLE, "--", "./third").returncode == 127


# Without a program


class Typist:
    """Somebody at a terminal: types, and reads what the screen shows."""

    def __init__(self, user, *arguments: str, **more: str) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(user.home)
            os.execve(AWSSSO, [AWSSSO, *arguments], {**user.variables, **more})
        self.screen = ""

    def sees(self, text: str) -> str:
        until = time.monotonic() + SECONDS
        while text not in self.screen:
            assert time.monotonic() < until, self.screen
            if is_readable(self.terminal, 0.1):
                try:
                    self.screen += os.read(self.terminal, 65536).decode(errors="replace")
                except OSError:
                    break
        assert text in self.screen, self.screen
        return self.screen

    def types(self, line: str) -> None:
        os.write(self.terminal, f"{line}\n".encode())

    def leaves(self) -> int:
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.terminal)
        return status


def test_without_a_program_it_is_the_users_shell(user):
    typist = Typist(user, "exec", ROLE, SHELL="/bin/sh", PS1="ready> ")
    typist.sees("`exit` leaves it")
    typist.sees("ready> ")
    typist.types("echo in=$AWSSSO_PROFILE")
    typist.sees(f"in={ROLE}")
    typist.types("exit 5")
    assert typist.leaves() == 5


def test_a_shell_inside_a_shell_says_so(user):
    typist = Typist(user, "exec", ROLE, SHELL="/bin/sh", AWSSSO_PROFILE="staging.ReadOnlyAccess")
    typist.sees("note: it is inside one for staging.ReadOnlyAccess")
    typist.types("exit")
    assert typist.leaves() == 0


def test_without_a_shell_variable_it_is_the_login_shell(user):
    user.variables.pop("SHELL", None)
    done = user.run("exec", ROLE, typed="echo shell=$0\n")
    assert done.stdout == f"shell={pwd.getpwuid(os.getuid()).pw_shell}\n"


def test_what_was_used_is_remembered(user):
    user.ok("exec", ROLE, "--", "true")
    assert ROLE in (user.home / ".local" / "state" / "awssso" / "recent.json").read_text()
