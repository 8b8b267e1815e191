"""The roles that the picker shows first: kept, and none as soon as anything changed."""

from __future__ import annotations

import json
import os
import time

import pytest

from awssso_helper import front_page
from awssso_helper.catalog import Entry
from awssso_helper.environment import Environment
from awssso_helper.model import Account, Role
from awssso_helper.recent import Recent

WIDTHS = (12, 5, 18, 0)


@pytest.fixture
def environment(monkeypatch) -> Environment:
    """A home whose files are settled, seen by a clock that is ahead."""
    environment = Environment()
    for path in (
        environment.aws_config_file,
        environment.cache_dir / "inventory" / "a.json",
        environment.settings_file,
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# " + "x" * 5000)
    environment.cache_dir.chmod(0o700)
    ahead = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: ahead)
    return environment


def roles(count: int = 2000) -> list[Entry]:
    return [
        Entry(
            Role("corp", f"{n:012}", "Admin"),
            Account(f"{n:012}", f"account-{n}", "a@example.com"),
            f"p{n:04}",
            0,
            False,
        )
        for n in range(count)
    ]


def test_the_first_roles_and_those_that_a_person_likes_come_back(environment):
    liked = Recent(favourites=("p1900",), uses={"p1000": 1, "gone": 2})
    front_page.keep(environment, roles(), liked, WIDTHS)
    page = front_page.recall(environment, liked)
    assert page.entries[:300] == tuple(roles()[:300])
    assert {entry.profile for entry in page.entries[300:]} == {"p1900", "p1000"}
    assert (page.total, page.widths) == (2000, WIDTHS)


def test_what_was_used_since_and_is_not_on_the_page_makes_it_none(environment):
    front_page.keep(environment, roles(), Recent(), WIDTHS)
    assert front_page.recall(environment, Recent(uses={"p0001": 1}))
    assert front_page.recall(environment, Recent(uses={"p1000": 1})) is None
    assert front_page.recall(environment, Recent(favourites=("p1000",))) is None


@pytest.mark.parametrize("name", ["aws_config_file", "settings_file", "inventory", "another inventory"])
def test_a_change_of_any_file_behind_it_makes_it_none(environment, name):
    front_page.keep(environment, roles(), Recent(), WIDTHS)
    assert front_page.recall(environment, Recent())
    directory = environment.cache_dir / "inventory"
    path = {"inventory": directory / "a.json", "another inventory": directory / "b.json"}.get(name)
    (path or getattr(environment, name)).write_text("# " + "y" * 5000)
    assert front_page.recall(environment, Recent()) is None


def test_few_roles_need_no_page(environment):
    front_page.keep(environment, roles(100), Recent(), WIDTHS)
    assert front_page.recall(environment, Recent()) is None


def test_a_page_is_written_only_when_it_changed(environment):
    front_page.keep(environment, roles(), Recent(), WIDTHS)
    path = environment.cache_dir / "front-page.json"
    os.utime(path, (1, 1))
    front_page.keep(environment, roles(), Recent(), WIDTHS)
    assert path.stat().st_mtime == 1


@pytest.mark.parametrize("change", [lambda _: "{", lambda _: "[]", lambda v: json.dumps({**v, "rows": [[1]]})])
def test_a_spoilt_page_is_none(environment, change):
    front_page.keep(environment, roles(), Recent(), WIDTHS)
    path = environment.cache_dir / "front-page.json"
    path.write_text(change(json.loads(path.read_text())))
    assert front_page.recall(environment, Recent()) is None
