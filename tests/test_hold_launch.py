"""Started in any surroundings: planted code, variables, closed descriptors, no home, a home that cannot be written.

A command then works, or says in a line why not. Nothing planted runs, and no secret goes where a descriptor was closed.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sandbox import AWSSSO, START_URL
from test_agent import configure, needs_root
from test_hold_agent import AS_BOB, BOB, PACKAGES, identity
from test_launcher import line_of, path_of, plant

if TYPE_CHECKING:
    from collections.abc import Iterator

READER = "corp/210987654321/ReadOnlyAccess"
# What by Python's own design decides what it loads before any of ours runs: whoever sets it in their shell means it so.
LOADS_CODE = ("PYTHONPATH", "PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONEXECUTABLE")
HOSTILE = {
    "PYTHONPATH": ".",
    "PYTHONHOME": ".",
    "PYTHONSTARTUP": "json.py",
    "PYTHONINSPECT": "1",
    "PYTHONWARNINGS": "error::json.X",
    "PYTHONBREAKPOINT": "json.x",
    "PYTHONUSERBASE": ".",
    "PYTHONPYCACHEPREFIX": ".",
    "PYTHONPLATLIBDIR": ".",
    "PYTHONVERBOSE": "1",
    "PYTHONDEBUG": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONPROFILEIMPORTTIME": "1",
    "PYTHONMALLOCSTATS": "1",
    "PYTHONCASEOK": "1",
    "PYTHONEXECUTABLE": "./python",
}
# How each command ends here with its standard files closed; None: as with open ones.
COMMANDS = {
    ("credential-process", READER): {0},
    ("status",): {0},
    ("list", "--json"): {0},
    ("sync",): {0},
    ("configure", "-S", "corp", "--start-url", START_URL, "--region", "us-east-1"): {0},
    ("login", "--no-sync"): {0},
    ("agent", "status"): {0, 1},
    ("--help",): {0},
    ("no-such-command",): {2},
}
CLOSED = [" ".join(each) for each in product(("", "0<&-"), ("", "1>&-"), ("", "2>&-"))]
MATRIX = [(command, closed) for command in COMMANDS for closed in CLOSED]


@pytest.fixture
def with_profiles(sandbox):
    configure(sandbox)
    sandbox.ok("login")
    return sandbox


def in_place(user, command: list[str], directory: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={**user.variables, **variables}, cwd=directory, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


# Planted code


def entry_points(user) -> dict[str, tuple[list[str], tuple[str, ...]]]:
    """Every way into awssso: the command, and the variables that it cannot be blamed for."""
    launcher = str(path_of(user))
    return {
        "a profile's line": (["/bin/sh", "-c", line_of(user)], ()),
        "a profile's line, split": (shlex.split(line_of(user)), ()),
        "the launcher with another command": ([launcher, "list", "--names"], ()),
        "the command for SDKs": ([AWSSSO, "credential-process", READER], LOADS_CODE),
        "the command for people": ([AWSSSO, "list", "--names"], LOADS_CODE),
        "its help": ([AWSSSO, "list", "--help"], LOADS_CODE),
    }


@pytest.mark.parametrize("agent", ["warm", "cold"])
def test_a1_a2_nothing_planted_runs_at_any_entry_point_with_any_variable(with_profiles, tmp_path, agent):
    directory = tmp_path / "repository"
    canary = plant(directory)
    for name, (command, excepted) in entry_points(with_profiles).items():
        variables = {each: value for each, value in HOSTILE.items() if each not in excepted}
        variables["PATH"] = f"{directory}:.:{with_profiles.variables['PATH']}"
        if agent == "cold":
            with_profiles.stop_agent()
        done = in_place(with_profiles, command, directory, variables)
        assert done.returncode == 0, (name, done)
        if "list" in command:
            assert ("usage" if "--help" in command else "production.ReadOnlyAccess") in done.stdout
        else:
            assert json.loads(done.stdout)["Version"] == 1
        assert not canary.exists(), (name, canary.read_text())


@pytest.mark.soak
def test_a1_a2_soak_each_variable_alone_at_each_entry_point(with_profiles, tmp_path, figures):
    directory = tmp_path / "repository"
    canary = plant(directory)
    count = 0
    for (name, (command, excepted)), variable in product(entry_points(with_profiles).items(), HOSTILE):
        if variable in excepted:
            continue
        for agent in ("warm", "cold"):
            if agent == "cold":
                with_profiles.stop_agent()
            done = in_place(with_profiles, command, directory, {variable: HOSTILE[variable]})
            assert done.returncode == 0, (name, variable, done)
            assert not canary.exists(), (name, variable, canary.read_text())
            count += 1
    figures(starts_in_a_hostile_directory=count, planted_modules_run=0)


def test_a1_the_agent_that_a_hostile_place_started_has_none_of_its_variables(with_profiles, tmp_path):
    canary = plant(tmp_path / "repository")
    with_profiles.stop_agent()
    variables = {each: value for each, value in HOSTILE.items() if each not in LOADS_CODE}
    done = in_place(with_profiles, [AWSSSO, "credential-process", READER], canary.parent, variables)
    assert done.returncode == 0
    pid = with_profiles.json("agent", "status")["pid"]
    assert b"PYTHON" not in Path(f"/proc/{pid}/environ").read_bytes().replace(b"PYTHON_KEYRING_BACKEND", b"")
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    assert not canary.exists()


# Closed descriptors


def closed_and_well(user, command: tuple[str, ...], closed: str) -> None:
    before = {path for path in user.home.rglob("*") if path.is_file()}
    done = user.program("/bin/sh", "-c", f"{shlex.join([AWSSSO, *command])} {closed}")
    said = done.stdout + done.stderr
    assert "Traceback" not in said, (command, closed, done)
    assert "mistake of awssso" not in said, (command, closed, done)
    expected = COMMANDS[command]
    if "1>&-" in closed:
        # /dev/null stands in its place; a document that nobody can have got is a failure.
        assert done.stdout == ""
        expected = expected | {1}
    assert done.returncode in expected, (command, closed, done)
    if "2>&-" in closed:
        assert done.stderr == ""
    odd = [path for path in user.home.rglob("*") if path.is_file() and path not in before and path.parent == user.home]
    assert odd == []


@pytest.mark.parametrize(("command", "closed"), MATRIX[::5])
def test_a8_closed_standard_files_do_no_harm_to_any_command(with_profiles, command, closed):
    closed_and_well(with_profiles, command, closed)


@pytest.mark.soak
def test_a8_soak_each_combination_of_closed_files_with_each_command(with_profiles, figures):
    for command, closed in MATRIX:
        closed_and_well(with_profiles, command, closed)
    figures(combinations=len(MATRIX), secrets_written=0)


# Homes


class Tenant:
    """A user who is not root, in a place of their own, with a Python that they may read."""

    def __init__(self, root: Path, sandbox) -> None:
        self.home = root / "home"
        self.packages = root / "packages"
        for name in PACKAGES:
            found = [Path(each) / name for each in sys.path]
            source = next(each for each in found if each.is_dir())
            shutil.copytree(source, self.packages / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        for directory, _, names in os.walk(root):
            Path(directory).chmod(0o755)
            for name in names:
                Path(directory, name).chmod(0o644)
        shutil.copytree(sandbox.home, self.home)
        for directory, names, files in os.walk(self.home):
            for each in (directory, *(f"{directory}/{name}" for name in names + files)):
                os.chown(each, BOB, BOB)
        self.home.chmod(0o700)
        browser = root / "browser"
        browser.write_text(
            f"#!/usr/bin/python3 -I\nimport sys; sys.path[:0] = [{str(self.packages)!r}]\n"
            "from awssso_helper.simulator import person; sys.exit(person.main())\n"
        )
        browser.chmod(0o755)
        self.variables = {
            name: value.replace(str(sandbox.home), str(self.home)) for name, value in sandbox.variables.items()
        } | {"BROWSER": f"{browser} %s"}

    def run(self, *arguments: str, before: str = "", without: tuple[str, ...] = (), **more: str):
        """Run awssso as this user; `before` is what root does first, in a mount namespace of its own."""
        variables = {name: value for name, value in {**self.variables, **more}.items() if name not in without}
        command = shlex.join([*identity(BOB), "/usr/bin/python3", "-I", "-c", AS_BOB, str(self.packages), *arguments])
        done = subprocess.run(
            ["unshare", "-m", "/bin/sh", "-ec", f"{before}\nexec {command}"],
            env=variables, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done
        assert "mistake of awssso" not in done.stderr, done
        return done


@pytest.fixture
def tenant(sandbox) -> Iterator[Tenant]:
    root = Path(tempfile.mkdtemp(prefix="awssso-", dir="/tmp"))
    configure(sandbox)
    sandbox.settings("keyring = plaintext-file", "agent = off", "launcher = /usr/bin/true")
    yield Tenant(root, sandbox)
    shutil.rmtree(root)


NO_HOMES = {
    "no HOME": ({}, ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")),
    "HOME that is relative": ({"HOME": "home"}, ()),
    "HOME that is missing": ({"HOME": "/nonexistent/home"}, ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")),
    "HOME that is no directory": ({"HOME": "/dev/null"}, ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")),
    "HOME of somebody else": ({"HOME": "/root"}, ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")),
}


@needs_root
@pytest.mark.parametrize("name", NO_HOMES)
def test_a8_without_a_home_of_its_own_every_command_says_so_in_a_line(tenant, name):
    more, without = NO_HOMES[name]
    for arguments in (
        ("status",),
        ("list",),
        ("configure", "-S", "x", "--start-url", START_URL, "--region", "us-east-1"),
        ("credential-process", READER),
    ):
        done = tenant.run(*arguments, without=without, **more)
        assert done.returncode in {1, 2, 3, 4, 6} or (done.returncode == 0 and arguments == ("list",)), (name, done)
        assert done.stdout == "" or arguments != ("credential-process", READER)
        assert done.stderr.count("\n") <= 3, (name, done)


@needs_root
def test_h3_a_home_that_is_mounted_read_only_is_said_and_credentials_still_come(tenant):
    assert tenant.run("login", "--no-sync").returncode == 0
    document = tenant.run("credential-process", READER).stdout
    assert json.loads(document)["Version"] == 1
    before = f"mount --bind {tenant.home} {tenant.home}; mount -o remount,ro,bind {tenant.home}"
    done = tenant.run("sync", before=before)
    assert done.returncode == 6, done
    assert "Read-only file system" in done.stderr
    assert "mounted read-only" in done.stderr
    # What is cached needs no writing, not even of a lock.
    again = tenant.run("credential-process", READER, before=before)
    assert (again.returncode, again.stdout) == (0, document), again


@needs_root
def test_h3_a_config_file_that_is_a_mount_of_its_own_is_refused_with_the_way_out(tenant):
    config = tenant.home / ".aws" / "config"
    before = f"mount --bind {config} {config}"
    done = tenant.run("configure", "-S", "new", "--start-url", START_URL, "--region", "us-east-1", before=before)
    assert done.returncode == 6
    assert "mount its directory instead" in done.stderr
    assert "[sso-session new]" not in config.read_text()
    assert [path.name for path in config.parent.iterdir()] == ["config"]


@needs_root
def test_h11_a_home_on_a_disk_that_is_full_is_said_and_nothing_is_lost(tenant):
    aws = tenant.home / ".aws"
    text = (aws / "config").read_text()
    fill = (
        f"cp -a {aws} /tmp/aws.$$; mount -t tmpfs -o size=16k,mode=700,uid={BOB} none {aws}; "
        f"cp -a /tmp/aws.$$/config {aws}; rm -r /tmp/aws.$$; "
        f"dd if=/dev/zero of={aws}/filler bs=4096 2>/dev/null || true"
    )
    script = f"{fill}\ntrap 'cat {aws}/config >&2; ls -a {aws} >&2' EXIT\n"
    done = subprocess.run(
        ["unshare", "-m", "/bin/sh", "-c", script + shlex.join([
            *identity(BOB), "/usr/bin/python3", "-I", "-c", AS_BOB, str(tenant.packages),
            "configure", "-S", "new", "--start-url", START_URL, "--region", "us-east-1"])],
        env=tenant.variables, cwd="/", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "No space left on device" in done.stderr, done
    assert "make room on that disk" in done.stderr
    assert text in done.stderr
    assert ".tmp" not in done.stderr


@needs_root
@pytest.mark.parametrize("umask", ["000", "022", "077", "027", "277", "777"])
def test_a8_with_any_umask_it_works_and_what_it_makes_is_private(tenant, umask):
    before = f"umask {umask}"
    configured = tenant.run("configure", "-S", "new", "--start-url", START_URL, "--region", "us-east-1", before=before)
    assert configured.returncode == 0, configured
    assert tenant.run("login", "-S", "corp", "--no-sync", before=before).returncode == 0
    assert tenant.run("sync", "-S", "corp", before=before).returncode == 0
    assert json.loads(tenant.run("credential-process", READER, before=before).stdout)["Version"] == 1
    for top in (".aws", ".config/awssso", ".cache", ".local"):
        for path in (tenant.home / top).rglob("*"):
            mode = stat.S_IMODE(path.lstat().st_mode)
            assert not mode & 0o077 or path.parent.name in ("awssso", ".aws"), (umask, path, oct(mode))
