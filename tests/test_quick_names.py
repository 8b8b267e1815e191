"""`awssso list --names`, the quick way: the same names as the full command, or no answer and the full command."""

from __future__ import annotations

import os
import sys

import pytest

from awssso_helper import launcher, quick_names
from awssso_helper.environment import Environment
from awssso_helper.launcher import _TEMPLATE

FULL = "import sys; from awssso_helper.cli import run; sys.exit(run(['list', '--names']))"
BLOCK = """\
[sso-session corp]
sso_start_url = https://d-1234567890.awsapps.com/start

# BEGIN awssso
# Written by `awssso sync`.
[profile b.Role]
credential_process = /x/awssso credential-process corp/1/b
output = json
s3 =
  max_queue_size = 10
[profile A.Role]
credential_process = /x/awssso credential-process corp/1/a
region = eu-west-1
# END awssso
[profile mine]
region = eu-west-1
"""


@pytest.fixture
def synced(sandbox):
    sandbox.first_day()
    return sandbox


def quick(sandbox) -> bytes | None:
    return quick_names.listed(Environment(sandbox.variables).as_bytes())


def full(sandbox) -> str:
    return sandbox.program(sys.executable, "-c", FULL).stdout


def loaded(sandbox, *arguments: str) -> set[str]:
    script = "from awssso_helper.__main__ import main; main()"
    done = sandbox.program(sys.executable, "-I", "-X", "importtime", "-c", script, *arguments)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


def test_the_quick_way_says_what_the_full_command_says(synced):
    config = synced.config.read_text()
    assert quick(synced).decode() == full(synced)
    assert synced.ok("list", "--names").stdout == full(synced)
    # With a user's own keys in the block, and profiles of their own below it.
    changed = config.replace(
        "[profile production.ReadOnlyAccess]\n", "[profile production.ReadOnlyAccess]\ns3 =\n  a = b\n"
    )
    synced.config.write_text(f"{changed}\n[profile mine]\nregion = eu-west-1\n# a note\n")
    assert quick(synced).decode() == full(synced)
    assert "mine" not in full(synced).split()


def test_it_loads_none_of_the_command_line(synced):
    bare = synced.program(sys.executable, "-I", "-X", "importtime", "-c", "pass").stderr
    for arguments in (("list", "--names"), ("--version",)):
        ours = {name for name in loaded(synced, *arguments) if name.startswith("awssso_helper")}
        assert ours <= {"awssso_helper", "awssso_helper.__main__", "awssso_helper.quick_names"}
        others = loaded(synced, *arguments) - {line.rpartition("|")[2].strip() for line in bare.splitlines()}
        assert {name for name in others if not name.startswith("awssso_helper")} == set()
    assert "argparse" in loaded(synced, "list", "--names", "prod")


def test_names_come_in_the_order_of_the_full_command():
    assert quick_names.block_names(BLOCK.encode()) == [b"b.Role", b"A.Role"]


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("# BEGIN awssso", "# BEGIN  awssso"),
        ("# BEGIN awssso", "x # BEGIN awssso"),
        ("# END awssso", "# end"),
        ("# END awssso", "x# END awssso"),
        ("[profile mine]", "# BEGIN awssso\n# END awssso\n[profile mine]"),
        ("[profile mine]", "  #  END   awssso\n[profile mine]"),
        ("[sso-session corp]", "# BEGIN awssso\n[sso-session corp]"),
        ("[profile b.Role]", "[sso-session other]"),
        ("[profile b.Role]", "[profile b Role]"),
        ("[profile b.Role]", "[profile A.Role]"),
        ("[profile b.Role]", "[profile b.Role] "),
        ("[profile b.Role]", "[profile b\u00e9]"),
        ("credential_process = /x/awssso credential-process corp/1/b\n", ""),
        ("credential-process corp/1/b", "credential-process corp/1/a"),
        ("output = json\n", "output = json\r\n"),
        ("output = json\n", "[default]\n"),
        ("[profile mine]", "[profile mine]\nsource_profile = b.Role"),
        ("[profile mine]", "[profile mine]\ncredential_process = /x/awssso credential-process corp/1/b"),
    ],
)
def test_what_is_not_as_we_write_it_is_left_to_the_full_command(there, instead):
    assert there in BLOCK
    assert quick_names.block_names(BLOCK.replace(there, instead, 1).encode()) == []


@pytest.mark.parametrize("text", ["", "# BEGIN awssso\n# END awssso\n", BLOCK[:150], BLOCK[200:]])
def test_without_a_whole_block_there_are_no_names(text):
    assert quick_names.block_names(text.encode()) == []


@pytest.mark.parametrize("name", ["AWS_CONFIG_FILE", "HOME", "XDG_DATA_HOME"])
def test_a_place_that_needs_thought_is_left_to_the_full_command(synced, name):
    for value in ("~/config", "relative", "$HOME/x", "/nonexistent"):
        synced.variables[name] = value
        assert quick(synced) is None
        if value == "relative":
            synced.variables[name] = ""


def test_a_config_file_by_variable_is_read(synced):
    other = synced.home / "elsewhere"
    synced.config.rename(other)
    synced.variables["AWS_CONFIG_FILE"] = str(other)
    assert quick(synced).decode() == full(synced) != ""


def test_its_idea_of_a_sound_launcher_is_the_launchers():
    text = _TEMPLATE.format(python="/p", warm="/w", full="/f", go=launcher.GO).encode()
    assert text.startswith(quick_names.LAUNCHER_HEAD)
    assert text.endswith(quick_names.LAUNCHER_TAIL)


def test_a_pipe_without_a_reader_is_no_traceback(synced):
    reading, writing = os.pipe()
    os.close(reading)
    done = synced.program("/bin/sh", "-c", f"{sys.executable} -m awssso_helper list --names >&{writing}")
    os.close(writing)
    assert "Traceback" not in done.stderr
