from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from sandbox import AWSSSO
from test_handover import STALE

ROLE = "production.ReadOnlyAccess"
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"
# How each shell evaluates what is printed for it.
EVALUATED = {
    "bash": 'eval "$(awssso env {arguments})"',
    "zsh": 'eval "$(awssso env {arguments})"',
    "fish": "awssso env {arguments} | source",
}
SHELLS = [
    pytest.param(
        shell,
        marks=pytest.mark.skipif(shutil.which(shell) is None, reason=f"no {shell} here (apt-get install {shell})"),
    )
    for shell in EVALUATED
]


@pytest.fixture
def user(sandbox):
    sandbox.settings(*sandbox.settings_lines, "[profiles]", "region = eu-west-1")
    sandbox.first_day()
    sandbox.variables["PATH"] = f"{Path(AWSSSO).parent}{os.pathsep}{sandbox.variables['PATH']}"
    return sandbox


def variables_after(user, python, shell: str, *arguments: str, **more: str) -> dict[str, str]:
    """Give the variables of a child of a shell that evaluated the lines; the shell is found by itself."""
    lines = [EVALUATED[shell].format(arguments=each) for each in arguments]
    done = user.program(shell, "-c", "\n".join([*lines, f'{python} -c "{SHOW}"']), SHELL="/bin/false", **more)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("shell", SHELLS)
def test_evaluated_lines_put_a_profile_in_force(user, python, shell):
    seen = variables_after(user, python, shell, ROLE, **STALE)
    assert (seen["AWS_PROFILE"], seen["AWS_REGION"], seen["AWS_DEFAULT_REGION"]) == (ROLE, "eu-west-1", "eu-west-1")
    assert not (set(STALE) - {"AWS_PROFILE"}) & set(seen)


@pytest.mark.parametrize("shell", SHELLS)
def test_evaluated_lines_put_keys_in_force_instead(user, python, shell):
    seen = variables_after(user, python, shell, f"{ROLE} --keys", **STALE)
    assert seen["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert seen["AWS_SECRET_ACCESS_KEY"] in user.simulator.organization.issued_secrets()
    assert seen["AWS_SESSION_TOKEN"] in user.simulator.organization.issued_secrets()
    assert seen["AWS_CREDENTIAL_EXPIRATION"].endswith("Z")
    assert not {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN"} & set(seen)


@pytest.mark.parametrize("shell", SHELLS)
def test_unset_takes_everything_back(user, python, shell):
    seen = variables_after(user, python, shell, f"{ROLE} --keys", "--unset")
    left = {name for name in seen if name.startswith("AWS") and not re.search("ENDPOINT|_TESTS_", name)}
    assert left == {"AWS_EC2_METADATA_DISABLED"}


def test_a_profile_is_put_in_force_without_a_call_to_aws(user):
    user.ok("logout")
    before = len(user.simulator.log)
    assert f"export AWS_PROFILE='{ROLE}'\n" in user.ok("env", ROLE, "--shell", "bash").stdout
    assert len(user.simulator.log) == before
    assert user.run("env", ROLE, "--keys").returncode == 3


def test_json_says_what_to_set_and_what_to_unset(user):
    for form in (["--shell", "json"], ["--json"]):
        values = json.loads(user.ok("env", ROLE, *form).stdout)
        assert values["set"]["AWS_PROFILE"] == ROLE
        assert "AWS_ACCESS_KEY_ID" in values["unset"]


def test_what_fails_prints_nothing_to_evaluate(user):
    for arguments in (["no-such-profile"], ["prod"], []):
        done = user.run("env", *arguments)
        assert (done.returncode, done.stdout) == (2, "")


def test_a_profile_with_a_hostile_name_is_quoted(user, python):
    name = "it's $(touch pwned) `touch pwned` \u00fc"
    line = next(line for line in user.config.read_text().splitlines() if "210987654321/ReadOnlyAccess" in line)
    with user.config.open("a", encoding="utf-8") as config:
        config.write(f'[profile "{name}"]\n{line}\n')
    done = user.program(
        "bash", "-c", f'eval "$(awssso env --profile "$NAME")"; {python} -c "{SHOW}"', NAME=name, LC_ALL="C"
    )
    assert json.loads(done.stdout)["AWS_PROFILE"] == name
    assert not (user.home / "pwned").exists()


@pytest.mark.parametrize("shell", ["powershell", "bash"])
def test_the_language_can_be_named(user, shell):
    expected = {"powershell": f"$Env:AWS_PROFILE = '{ROLE}'", "bash": f"export AWS_PROFILE='{ROLE}'"}[shell]
    assert expected in user.ok("env", ROLE, "--shell", shell).stdout.splitlines()
