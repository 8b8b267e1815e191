"""`make soak` itself: parts one by one or side by side, each told in a block, the figures of all at the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import soak

# Put together, so that this file has no long form itself.
BEGINNING = "import pytest, time\n@pytest.mark." + "soak\n"
PASSES = BEGINNING + "def test_it(figures):\n    print('said by {0}')\n    figures({0}=1)\n"
FAILS = BEGINNING + "def test_it():\n    assert False, 'said by {0}'\n"
HANGS = BEGINNING + "def test_it():\n    print('said by {0}', flush=True)\n    time.sleep(600)\n"


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Parts of its own, in a directory of their own; gives what makes one."""
    there = tmp_path / "tests"
    there.mkdir()
    (there / "conftest.py").write_text((Path(soak.__file__).parent / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = soak\naddopts = -p no:cacheprovider\n")
    monkeypatch.setenv("PYTHONPATH", str(Path(soak.__file__).parent))
    monkeypatch.setattr(soak, "TESTS", there)
    made: dict[str, soak.Part] = {}
    monkeypatch.setattr(soak, "PARTS", made)

    def part(name: str, text: str, seconds: float = 120) -> None:
        (there / f"test_{name}.py").write_text(text.format(name))
        made[name] = soak.Part((f"test_{name}.py",), seconds)

    return part


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_each_part_is_told_in_a_block_and_the_figures_stand_at_the_end(parts, capfd, jobs):
    for name in ("one", "two", "agent"):
        parts(name, PASSES)
    assert soak.main(["--jobs", jobs]) == 0
    told = capfd.readouterr().out
    blocks = told.split("\nsoak: ")
    assert sorted(each.partition(":")[0] for each in blocks[1:4]) == ["agent", "one", "two"]
    for each in blocks[1:4]:
        # Nothing of another part stands between the words of one.
        assert each.count("said by") == 1
        assert f"said by {each.partition(':')[0]}" in each
    figures, totals = blocks[-2:]
    assert figures.startswith("figures\n")
    assert [line.split(":")[0].strip() for line in figures.splitlines()[1:4]] == ["one", "two", "agent"]
    assert "1 one" in figures
    assert totals.count("passed in") == 3


def test_a_part_that_fails_or_is_not_done_in_time_is_a_failure_and_keeps_its_words(parts, capfd):
    parts("one", PASSES)
    parts("two", FAILS)
    parts("three", HANGS, 15)
    assert soak.main([]) == 1
    told = capfd.readouterr().out
    assert "said by two" in told
    assert "said by three" in told
    totals = told.rpartition("\nsoak: ")[2]
    assert "one: passed in" in totals
    assert "two: failed in" in totals
    assert "three: not done in" in totals


def test_every_file_with_a_long_form_is_in_a_part():
    named = {name for part in soak.PARTS.values() for name in part.files}
    with_long_forms = {path.name for path in soak.TESTS.glob("test_*.py") if soak.MARK in path.read_text()}
    assert with_long_forms <= named | set(soak.others())
    assert all((soak.TESTS / name).exists() for name in named)


def test_a_part_that_there_is_not_is_named():
    done = subprocess.run(
        [sys.executable, soak.__file__, "nonsense"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "there is no part nonsense" in done.stderr
