"""What comes in and what goes out: locked dependencies, the same wheel for the same commit, a whole sdist."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements-dev.lock"
BUILD = "import sys; from setuptools import build_meta as b; print(getattr(b, sys.argv[1])(sys.argv[2]))"
EPOCH = "1764000000"
LEFT_OUT = re.compile(
    r"(^|/)(\.git|\.venv|\.bench|build|dist|__pycache__|\.[a-z]+_cache|\.hypothesis|[^/]*\.egg-info)(/|$)"
)


def own_files():
    """Give the files of this tree: those that git knows, or in an unpacked archive all."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())
    names = (str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file())
    return sorted(name for name in names if not LEFT_OUT.search(name))


def copied(to, *, age):
    """Copy this tree; its files are as old as the test wants."""
    for name in own_files():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, to / name)
        os.utime(to / name, (1_600_000_000 - age, 1_600_000_000 - age))
    return to


def built(what, tree, out):
    """Build in this tree and give the file."""
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, f"build_{what}", str(out)],
        cwd=tree,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
        umask=0o022,  # as `make dist` has it: the modes stand in the archives
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return out / done.stdout.split()[-1]


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# What comes in


def locked():
    """Give each locked name with its version and the number of its hashes."""
    found = {}
    for block in re.split(r"\n(?=[a-z0-9])", LOCK.read_text()):
        name = re.match(r"([a-z0-9-]+)(?:\[[a-z,]+\])?==([^\s;]+)", block)
        if name:
            found.setdefault(name[1], []).append((name[2], len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", block))))
    return found


def test_the_lock_has_every_declared_dependency_with_hashes_and_names_no_host():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    names = {re.match(r"[a-z0-9-]+", each)[0] for each in declared} - {"awssso-helper"}
    found = locked()
    assert names - found.keys() == set(), "make lock"
    assert {name: versions for name, versions in found.items() if not all(hashes for _, hashes in versions)} == {}
    assert "://" not in LOCK.read_text()
    assert len(project["dependencies"]) <= 8


def test_what_the_lock_says_satisfies_what_is_declared():
    packaging = pytest.importorskip("packaging.requirements")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = locked()
    for each in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        wanted = packaging.Requirement(each)
        assert all(wanted.specifier.contains(version) for version, _ in found[wanted.name]), each


# What goes out


def test_the_same_commit_is_the_same_wheel(tmp_path):
    first = built("wheel", copied(tmp_path / "a", age=0), tmp_path / "1")
    second = built("wheel", copied(tmp_path / "another" / "place", age=9_000_000), tmp_path / "2")
    assert first.name == second.name
    assert sha256(first) == sha256(second)


def test_the_source_archive_has_every_file_and_builds_the_same_wheel(tmp_path):
    tree = copied(tmp_path / "tree", age=0)
    archive = built("sdist", tree, tmp_path / "sdist")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    [unpacked] = (tmp_path / "unpacked").iterdir()
    missing = [name for name in own_files() if not (unpacked / name).is_file()]
    assert set(missing) <= {".gitignore"}
    assert sha256(built("wheel", unpacked, tmp_path / "1")) == sha256(built("wheel", tree, tmp_path / "2"))


@pytest.mark.soak
def test_the_tests_of_the_source_archive_pass_in_an_installation_of_it(tmp_path, figures):
    archive = built("sdist", copied(tmp_path / "tree", age=0), tmp_path / "sdist")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    [unpacked] = (tmp_path / "unpacked").iterdir()
    place = tmp_path / "venv"
    venv.create(place, symlinks=True)
    [site] = place.glob("lib/python*/site-packages")
    # Its dependencies are those that are installed here; awssso itself is not, for a path file's own path files
    # (such as that of an editable installation) are not read.
    (site / "dependencies.pth").write_text(f"{Path(pytest.__file__).parent.parent}\n")
    wheel = built("wheel", unpacked, tmp_path / "wheel")
    # The client that the tests drive is no part of us.
    (place / "bin" / "aws").symlink_to((Path(sys.executable).parent / "aws").resolve(strict=True))
    python = place / "bin" / "python"
    for command in (
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel],
        [python, "-m", "pytest", "-q", "--tb=short", *os.environ.get("AWSSSO_SOAK_TESTS", "tests").split()],
    ):
        done = subprocess.run(
            [str(word) for word in command], cwd=unpacked, capture_output=True, text=True, check=False, timeout=3000
        )
        assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:]
    figures(f"the tests of {archive.name}: {done.stdout.strip().splitlines()[-1]}")
