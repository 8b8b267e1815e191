"""What the config file says, parsed once for each state of the file."""

from __future__ import annotations

import json
import os
import time

import pytest

from awssso_helper import aws_config, shelf
from awssso_helper.environment import Environment
from awssso_helper.errors import RefusedError
from awssso_helper.model import Role, SsoSession

SESSION = "[sso-session corp]\nsso_start_url = https://d-1234567890.awsapps.com/start\nsso_region = us-east-1\n"
CHAINED = """\
[profile deploy]
role_arn = arn:aws:iam::222222222222:role/Deploy
source_profile = account-0000.Admin
external_id = x
region = eu-west-3
"""


def config(count: int) -> str:
    profiles = "".join(
        f"[profile account-{number:04}.Admin]\n"
        f"credential_process = /opt/awssso credential-process corp/{number:012}/Admin\nregion = eu-west-1\n"
        for number in range(count)
    )
    return f"{SESSION}{CHAINED}# BEGIN awssso\n{profiles}# END awssso\n"


@pytest.fixture
def environment() -> Environment:
    return Environment()


def write(environment: Environment, text: str, *, age: float = 10) -> None:
    """Write the config file as if it was so long ago, and have the clock of its last change pass."""
    path = environment.aws_config_file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - age, time.time() - age))


@pytest.fixture
def later(monkeypatch):
    """A clock that is ahead, so that a file that was changed just now counts as settled."""
    ahead = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: ahead)


def kept(environment: Environment):
    return environment.cache_dir / "shelf.json"


def test_a_large_file_is_kept_and_found_the_same(environment, later):
    write(environment, config(1000))
    first = shelf.of(environment)
    assert kept(environment).exists()
    assert shelf.of(environment) == first
    assert first.sessions == (SsoSession("corp", "https://d-1234567890.awsapps.com/start", "us-east-1"),)
    assert first.profiles[3] == ("account-0003.Admin", Role("corp", "000000000003", "Admin"), "eu-west-1")
    assert first.chained["deploy"].steps[0].external_id == "x"
    assert first.chained["deploy"].start == Role("corp", "000000000000", "Admin")


def test_the_second_time_the_file_is_not_parsed(environment, later, monkeypatch):
    write(environment, config(1000))
    first = shelf.of(environment)
    # The parser is not replaced by anything that works: whoever asks it, fails.
    monkeypatch.setattr(aws_config, "parsed", None)
    assert shelf.of(environment) == first


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("account-0003", "account-9993"),
        lambda text: text + "[profile mine]\nregion = eu-west-2\n",
        lambda text: text.replace("us-east-1", "us-west-2"),
    ],
    ids=["same size", "longer", "session"],
)
def test_a_file_that_changed_is_parsed_anew(environment, later, change):
    write(environment, config(1000))
    shelf.of(environment)
    write(environment, change(config(1000)))
    fresh = shelf.of(environment)
    kept(environment).unlink()
    assert fresh == shelf.of(environment)
    assert "mine" not in {name for name, _, _ in fresh.profiles}


def test_a_file_that_was_put_in_its_place_with_the_old_time_is_parsed_anew(environment, later):
    write(environment, config(1000))
    shelf.of(environment)
    path = environment.aws_config_file
    status = path.stat()
    other = path.with_name("other")
    other.write_text(config(1000).replace("account-0003", "account-9993"))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)
    assert shelf.of(environment).profiles[3][0] == "account-9993.Admin"


def test_a_small_file_or_one_that_was_written_just_now_is_not_kept(environment):
    write(environment, config(10))
    shelf.of(environment)
    assert not kept(environment).exists()
    write(environment, config(1000), age=0)
    shelf.of(environment)
    assert not kept(environment).exists()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"[" * 10_000, b'{"identity": 1}'])
def test_a_spoilt_cache_is_none(environment, later, text):
    write(environment, config(1000))
    first = shelf.of(environment)
    kept(environment).write_bytes(text)
    assert shelf.of(environment) == first
    assert json.loads(kept(environment).read_bytes())["identity"]


def test_parts_of_a_spoilt_cache_are_none_too(environment, later):
    write(environment, config(1000))
    first = shelf.of(environment)
    values = json.loads(kept(environment).read_bytes())
    for name in ("sessions", "profiles", "chained"):
        kept(environment).write_text(json.dumps({**values, name: [1]}))
        assert shelf.of(environment) == first


def test_a_cache_that_cannot_be_written_is_no_error(environment, later):
    write(environment, config(1000))
    environment.cache_dir.parent.mkdir(exist_ok=True)
    environment.cache_dir.write_text("in the way")
    assert len(shelf.of(environment).profiles) == 1000


def test_a_missing_file_is_empty_and_one_that_does_not_parse_is_refused(environment, later):
    assert shelf.of(environment) == shelf.Shelf((), (), {})
    write(environment, config(1000) + "[profile x]\n[profile x]\n")
    with pytest.raises(RefusedError, match="second section"):
        shelf.of(environment)
