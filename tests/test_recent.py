"""Favourites, and what was used last."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timezone

import pytest

from awssso_helper import recent
from awssso_helper.environment import Environment


@pytest.fixture
def environment() -> Environment:
    return Environment()


def test_what_was_used_last_is_first(environment, freezer_at):
    for second, profile in enumerate(["dev", "prod", "audit", "dev"]):
        freezer_at(1_800_000_000 + second)
        recent.used(environment, profile)
    assert recent.recall(environment).last_used(2) == ["dev", "audit"]
    assert recent.recall(environment).last_used(9) == ["dev", "audit", "prod"]


@pytest.fixture
def freezer_at():
    from freezegun import freeze_time

    frozen = []

    def at(epoch: int) -> None:
        while frozen:
            frozen.pop().stop()
        frozen.append(freeze_time("2001-01-01"))
        frozen[0].start().move_to(datetime.fromtimestamp(epoch, timezone.utc))

    yield at
    while frozen:
        frozen.pop().stop()


def test_the_list_does_not_grow_for_ever(environment):
    for number in range(130):
        recent.used(environment, f"profile-{number}")
    assert len(recent.recall(environment).uses) == 100


def test_favourites_keep_their_order_and_survive_uses(environment):
    for profile in ("b", "a", "c", "a"):
        recent.set_favourite(environment, profile, is_favourite=True)
    recent.used(environment, "x")
    assert recent.recall(environment).favourites == ("b", "a", "c")
    recent.set_favourite(environment, "a", is_favourite=False)
    recent.set_favourite(environment, "z", is_favourite=False)
    assert recent.recall(environment).favourites == ("b", "c")


def test_nothing_is_remembered_at_first(environment):
    assert recent.recall(environment) == recent.Recent()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b'{"favourites": 3, "used": []}',
        b"\xff\xfe",
        b"[" * 20_000,
        b'{"favourites": [1], "used": {"a": true}}',
    ],
    ids=["empty", "cut", "list", "types", "bytes", "deep", "items"],
)
def test_a_spoilt_file_is_none_and_is_written_anew(environment, text):
    environment.state_dir.mkdir(parents=True, mode=0o700)
    environment.recent_file.write_bytes(text)
    assert recent.recall(environment) == recent.Recent()
    recent.used(environment, "prod")
    assert recent.recall(environment).last_used(5) == ["prod"]


def test_a_state_directory_that_cannot_be_used_stops_nobody(environment):
    environment.state_dir.parent.mkdir(parents=True)
    environment.state_dir.write_text("in the way")
    recent.used(environment, "prod")
    assert recent.recall(environment) == recent.Recent()


def test_processes_that_write_at_once_lose_nothing(environment):
    script = (
        "import sys; from awssso_helper import recent; from awssso_helper.environment import Environment;"
        "recent.set_favourite(Environment(), sys.argv[1], is_favourite=True)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script, f"p{number}"]) for number in range(6)]
    assert [process.wait(60) for process in processes] == [0] * 6
    assert set(recent.recall(environment).favourites) == {f"p{number}" for number in range(6)}


def test_the_file_is_only_ours(environment):
    recent.used(environment, "prod")
    assert environment.recent_file.stat().st_mode & 0o777 == 0o600


def test_two_uses_in_one_second_keep_their_order(environment, freezer_at):
    freezer_at(1_800_000_000)
    for profile in ("a", "c", "b"):
        recent.used(environment, profile)
    assert recent.recall(environment).last_used(3) == ["b", "c", "a"]
