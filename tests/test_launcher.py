"""The launcher as SDKs run it: in any directory, with any variables, after whatever happened to its programs."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sandbox import AWSSSO, Sandbox

from awssso_helper import launcher
from awssso_helper.environment import Environment
from awssso_helper.errors import RefusedError
from awssso_helper.settings import Settings

READER = "corp/210987654321/ReadOnlyAccess"
PLANTED = ("json", "_socket", "os", "re", "sitecustomize", "usercustomize", "warm", "posix", "socket")


@pytest.fixture
def spaced(tmp_path, simulator):
    """A user whose home has spaces in its name, with profiles."""
    home = tmp_path / "my own home"
    home.mkdir(mode=0o700)
    user = Sandbox(home, simulator)
    user.configure()
    user.ok("login")
    yield user
    user.stop_agent()
    assert user.leaks() == []


@pytest.fixture
def with_profiles(sandbox):
    sandbox.first_day()
    return sandbox


def path_of(sandbox) -> Path:
    return sandbox.home / ".local" / "share" / "awssso" / "bin" / "awssso"


def line_of(sandbox) -> str:
    """Find the value of `credential_process` in the reader's profile."""
    lines = [line for line in sandbox.config.read_text().splitlines() if line.endswith(READER)]
    return lines[0].partition("=")[2].strip()


def ways(line: str) -> list[list[str]]:
    """How boto3 runs it, and how the others do."""
    return [shlex.split(line), ["/bin/sh", "-c", line]]


def plant(directory: Path) -> Path:
    """Put code that betrays itself where careless programs load it from."""
    canary = directory / "canary"
    betrayal = f"open({str(canary)!r}, 'a').write(__name__ + ' ')\n"
    directory.mkdir(exist_ok=True)
    for name in PLANTED:
        (directory / f"{name}.py").write_text(betrayal)
    for name in ("awssso", "python", "python3"):
        (directory / name).write_text(f"#!/bin/sh\necho planted >> {shlex.quote(str(canary))}\n")
        (directory / name).chmod(0o755)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for site in (
        directory / "lib" / version / "site-packages",
        directory / ".local" / "lib" / version / "site-packages",
    ):
        site.mkdir(parents=True)
        (site / "evil.pth").write_text(f"import sys; {betrayal}")
        (site / "usercustomize.py").write_text(betrayal)
    return canary


def run_hostile(sandbox, command: list[str], directory: Path, **more: str) -> subprocess.CompletedProcess[str]:
    hostile = {
        "PYTHONPATH": ".",
        "PYTHONHOME": str(directory),
        "PYTHONSTARTUP": "json.py",
        "PYTHONINSPECT": "1",
        "PYTHONWARNINGS": "error::json.X",
        "PYTHONBREAKPOINT": "json.x",
        "PYTHONUSERBASE": str(directory),
        "PYTHONPYCACHEPREFIX": str(directory),
        "PYTHONVERBOSE": "1",
        "PYTHONDEVMODE": "1",
        "PYTHONPROFILEIMPORTTIME": "1",
        "PATH": f"{directory}:.:{sandbox.variables['PATH']}",
    }
    variables = {**sandbox.variables, **hostile, **more}
    return subprocess.run(
        command, env=variables, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def test_a1_a2_nothing_of_a_hostile_directory_runs(spaced, tmp_path):
    directory = tmp_path / "repository"
    canary = plant(directory)
    for agent in ("warm", "cold", "off"):
        for way in ways(line_of(spaced)):
            if agent == "cold":
                spaced.stop_agent()
            elif agent == "off":
                spaced.settings("keyring = plaintext-file", "agent = off")
            else:
                spaced.document(READER)
            done = run_hostile(spaced, way, directory)
            assert (done.returncode, done.stderr) == (0, "")
            assert json.loads(done.stdout)["Version"] == 1
    assert not canary.exists(), canary.read_text()


def test_the_trap_of_this_test_would_shut(tmp_path, sandbox):
    canary = plant(tmp_path / "repository")
    sandbox.program(sys.executable, "-c", "import json", PYTHONPATH=str(canary.parent))
    assert canary.read_text()


@pytest.mark.parametrize("agent", ["warm", "cold"])
def test_a8_closed_standard_files_do_no_harm(with_profiles, agent):
    for closed in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"):
        if agent == "cold":
            with_profiles.stop_agent()
        done = with_profiles.program("/bin/sh", "-c", f"{line_of(with_profiles)} {closed}")
        assert done.stderr == ""
        if "1>" in closed:
            assert done.stdout == ""
        else:
            assert done.returncode == 0
            assert json.loads(done.stdout)["Version"] == 1


def test_boto3_takes_it_from_a_home_with_spaces(spaced):
    done = spaced.boto3(
        "import boto3; s = boto3.Session(profile_name='production.ReadOnlyAccess');"
        "print(s.get_credentials().get_frozen_credentials().access_key)"
    )
    assert done.stdout.startswith("ASIA"), done.stderr


# What happens to programs


def broken(sandbox, how: str) -> None:
    """Let happen to the launcher, or to what it names, what upgrades and clean-ups do."""
    path = path_of(sandbox)
    text = path.read_text()
    gone = {
        "python": text.replace(f"python={os.path.realpath(sys.executable)}", "python=/gone/python"),
        "package": text.replace("warm=/", "warm=/gone/"),
        "command": text.replace(f"full={AWSSSO}", "full=/gone/awssso"),
        "all": text.replace("=/", "=/gone/"),
        "older": text.replace("launcher 3", "launcher 2"),
        "cut": text[: len(text) // 2],
        "quote": text.replace("full=", "full='"),
        "empty": "",
    }
    if how in gone:
        assert gone[how] != text
        path.write_text(gone[how])
    elif how == "mode":
        path.chmod(0o600)
    else:
        path.unlink()


HOW = ("python", "package", "command", "all", "older", "cut", "quote", "empty", "mode", "removed")


def test_any_command_repairs_it(with_profiles):
    text = path_of(with_profiles).read_text()
    environment = Environment(with_profiles.variables)
    for how in HOW:
        broken(with_profiles, how)
        assert launcher.is_stale(environment), how
        with_profiles.ok("list", "--names")
        assert path_of(with_profiles).read_text() == text, how
        assert not launcher.is_stale(environment), how
    done = with_profiles.program("/bin/sh", "-c", line_of(with_profiles))
    assert json.loads(done.stdout)["Version"] == 1


def test_before_that_it_answers_where_it_can(with_profiles):
    for how in ("python", "package", "older"):
        broken(with_profiles, how)
        for agent in ("warm", "cold"):
            if agent == "cold":
                with_profiles.stop_agent()
            done = with_profiles.program("/bin/sh", "-c", line_of(with_profiles))
            assert (done.returncode, done.stderr) == (0, ""), how
            assert json.loads(done.stdout)["Version"] == 1
        with_profiles.ok("list", "--names")


def test_a_command_that_moved_is_found_where_installers_put_it(with_profiles):
    broken(with_profiles, "command")
    installed = with_profiles.home / ".local" / "bin" / "awssso"
    installed.parent.mkdir()
    installed.symlink_to(AWSSSO)
    done = with_profiles.program("/bin/sh", "-c", line_of(with_profiles))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["Version"] == 1


def test_where_nothing_can_be_started_that_is_one_line(with_profiles):
    broken(with_profiles, "all")
    command = with_profiles.home / ".local" / "bin" / "awssso"
    command.parent.mkdir()
    for installed in ("nothing", "without its python", "the launcher"):
        if installed == "without its python":
            command.write_text("#!/gone/bin/python\n")
            command.chmod(0o755)
        elif installed == "the launcher":
            command.unlink()
            command.symlink_to(path_of(with_profiles))
        done = with_profiles.program("/bin/sh", "-c", line_of(with_profiles))
        assert (done.returncode, done.stdout) == (1, ""), installed
        assert done.stderr.count("\n") == 1
        assert "awssso sync" in done.stderr


def test_a_package_half_replaced_becomes_the_full_command(with_profiles, tmp_path):
    half = tmp_path / "half"
    half.mkdir()
    (half / "warm.py").write_text("from warm import nothing_yet\n")
    text = path_of(with_profiles).read_text()
    package = Path(launcher.__file__).parent
    path_of(with_profiles).write_text(text.replace(f"warm={package}", f"warm={half}"))
    done = with_profiles.program("/bin/sh", "-c", line_of(with_profiles))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["Version"] == 1


def test_a_launcher_found_on_the_path_is_not_taken_for_the_command(with_profiles, monkeypatch):
    environment = Environment(with_profiles.variables)
    monkeypatch.setenv("PATH", f"{path_of(with_profiles).parent}:{os.defpath}")
    monkeypatch.setattr(sys, "argv", [str(path_of(with_profiles))])
    assert launcher.full_command(environment) == AWSSSO


def test_two_installations_do_not_take_it_from_each_other(with_profiles):
    other = with_profiles.home / "other"
    other.symlink_to(AWSSSO)
    text = path_of(with_profiles).read_text().replace(f"full={AWSSSO}", f"full={other}")
    path_of(with_profiles).write_text(text)
    with_profiles.ok("list", "--names")
    assert path_of(with_profiles).read_text() == text


def test_settings_may_name_another_program(sandbox):
    environment = Environment(sandbox.variables)
    assert launcher.program(environment, Settings(launcher="/opt/awssso")) == "/opt/awssso"
    assert not path_of(sandbox).exists()


def test_h11_an_interpreter_that_cannot_be_followed_to_its_end_is_said_and_not_written(sandbox, tmp_path, monkeypatch):
    loop = tmp_path / "python"
    loop.symlink_to(loop)
    monkeypatch.setattr(sys, "executable", str(loop))
    monkeypatch.setenv("PATH", str(Path(AWSSSO).parent))
    environment = Environment(sandbox.variables)
    with pytest.raises(RefusedError, match="cannot follow"):
        launcher.program(environment, Settings())
    assert not path_of(sandbox).exists()


def test_a_user_without_profiles_gets_no_launcher(sandbox):
    sandbox.configure()
    sandbox.run("list")
    assert not path_of(sandbox).exists()


def test_installed_for_the_user_alone_it_starts_an_agent_too(sandbox, tmp_path):
    base = getattr(sys, "_base_executable", sys.executable)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = sandbox.home / ".local" / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    shutil.copytree(Path(launcher.__file__).parent, site / "awssso_helper")
    packages = (each for each in sys.path if each.endswith("site-packages"))
    (site / "dependencies.pth").write_text("\n".join(packages))
    sandbox.configure()
    sandbox.ok("login", "--no-sync")
    sandbox.stop_agent()
    script = "import sys; del sys.path[0]; from awssso_helper.__main__ import main; main()"
    for _ in range(2):
        done = sandbox.program(base, "-c", script, "credential-process", READER)
        assert (done.returncode, done.stderr) == (0, "")
    facts = sandbox.json("agent", "status")
    assert [each["role"] for each in facts["roles"]] == [READER]
    if os.getuid() == 0:
        assert b"del sys.path[0]" in Path(f"/proc/{facts['pid']}/cmdline").read_bytes()
