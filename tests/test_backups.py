from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from awssso_helper import backups, files
from awssso_helper.environment import Environment
from awssso_helper.errors import RefusedError
from awssso_helper.model import Deadline

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = b"[profile mine]\nregion = eu-west-1\n"


@pytest.fixture
def environment() -> Environment:
    return Environment()


@pytest.fixture
def config(home) -> Path:
    path = home / ".aws" / "config"
    path.parent.mkdir()
    path.write_bytes(BEFORE)
    return path


def amended(environment: Environment, path: Path, text: bytes) -> bool:
    change = backups.keeping(environment, path, lambda _: text)
    return files.amend(path, change, lock_dir=environment.lock_dir, deadline=Deadline(30))


def kept(environment: Environment) -> list[bytes]:
    directory = environment.backup_dir
    return [path.read_bytes() for path in sorted(directory.iterdir())] if directory.exists() else []


def test_h9_the_file_as_it_was_is_kept_for_its_owner_alone(environment, config):
    assert amended(environment, config, b"ours\n")
    assert kept(environment) == [BEFORE]
    [copy] = environment.backup_dir.iterdir()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(environment.backup_dir.stat().st_mode) == 0o700


def test_h9_of_many_changes_the_first_and_the_last_four_are_kept(environment, config, monkeypatch):
    for number in range(10):
        monkeypatch.setattr("time.gmtime", lambda number=number: (2026, 1, 1, 0, 0, number, 3, 1, 0))
        assert amended(environment, config, b"text %d\n" % number)
    assert kept(environment) == [BEFORE, b"text 5\n", b"text 6\n", b"text 7\n", b"text 8\n"]


def test_h9_a_text_is_kept_once_and_one_that_is_not_changed_not_at_all(environment, config):
    assert not amended(environment, config, BEFORE)
    assert kept(environment) == []
    for text in (b"ours\n", BEFORE, b"ours\n", BEFORE):
        amended(environment, config, text)
    assert sorted(kept(environment)) == sorted([BEFORE, b"ours\n"])


@pytest.mark.parametrize("line", [b"aws_secret_access_key = x", b"  AWS_Session_Token=x"])
def test_h9_a_file_that_holds_keys_is_not_copied(environment, config, line):
    config.write_bytes(BEFORE + line + b"\n")
    assert amended(environment, config, b"ours\n")
    assert kept(environment) == []


def test_h9_two_files_do_not_push_out_each_others_copies(environment, config, monkeypatch):
    other = config.with_name("other") / "config"
    other.parent.mkdir()
    other.write_bytes(b"of the other\n")
    assert amended(environment, other, b"changed\n")
    for number in range(8):
        monkeypatch.setattr("time.gmtime", lambda number=number: (2026, 1, 1, 0, 0, number, 3, 1, 0))
        amended(environment, config, b"text %d\n" % number)
    assert b"of the other\n" in kept(environment)


def test_h9_where_no_copy_can_be_kept_nothing_is_changed(environment, config):
    environment.state_dir.mkdir(parents=True, mode=0o700)
    environment.backup_dir.touch()
    with pytest.raises(RefusedError):
        amended(environment, config, b"ours\n")
    assert config.read_bytes() == BEFORE


def test_h9_commands_keep_the_file_before_they_change_it(sandbox):
    sandbox.config.parent.mkdir()
    sandbox.config.write_bytes(BEFORE)
    sandbox.configure()
    with_session = sandbox.config.read_bytes()
    sandbox.ok("login")
    assert sorted(kept(Environment(sandbox.variables))) == sorted([BEFORE, with_session])
