"""Who else can write the AWS files: what writes them refuses, says what to type, and changes nothing (SECURITY A7)."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from migrant import ADMIN, section
from sandbox import START_URL
from test_agent import configure, needs_root

from awssso_helper.strict_modes import openings

if TYPE_CHECKING:
    from pathlib import Path

OTHER = 4242
OPENINGS = """
import pathlib, sys
from awssso_helper.strict_modes import openings
for each in openings(pathlib.Path(sys.argv[1])):
    print(each.path, each.writers)
"""
# user::rw- user:1234:rw- group::--- mask::rw- other::---, as the kernel has it
SOMEBODY_MAY_WRITE = bytes.fromhex(
    "0200000001000600ffffffff02000600d204000004000000ffffffff10000600ffffffff20000000ffffffff"
)
WRITERS = {
    "configure": ("configure", "-S", "new", "--start-url", START_URL, "--region", "us-east-1"),
    "login": ("login",),
    "sync": ("sync",),
}


def writable_by_all(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o002)


def of_another(path: Path) -> None:
    os.chown(path, OTHER, -1)


def writable_by_a_group(path: Path) -> None:
    os.chown(path, -1, OTHER)
    path.chmod(path.stat().st_mode | 0o020)


# How somebody else comes to be able to write, and the words of it.
WAYS = {
    "all": (writable_by_all, "everybody can write", "chmod o-w"),
    "another": (of_another, "belongs to another user", "ls -ld"),
    "a group": (writable_by_a_group, "a group can write", "chmod g-w"),
}


@pytest.fixture
def signed_in(sandbox):
    configure(sandbox)
    sandbox.home.chmod(0o700)
    sandbox.ok("login")
    return sandbox


def places(user) -> dict[str, Path]:
    return {
        "~/.aws/config": user.config,
        "~/.aws": user.config.parent,
        "~": user.home,
        "~/.local/share/awssso/bin/awssso": user.home / ".local/share/awssso/bin/awssso",
    }


def kept(user) -> dict[Path, bytes]:
    """Give every file of the user's but what only speeds the next command up."""
    return {path: path.read_bytes() for path in user.home.rglob("*") if path.is_file() and ".cache" not in path.parts}


def refused_and_unchanged(user, command: tuple[str, ...], words: str, hint: str, shown: str) -> None:
    before = kept(user)
    user.simulator.clear_log()
    done = user.run(*command)
    assert (done.returncode, done.stdout) == (6, ""), (command, done)
    assert words in done.stderr
    assert f"hint: {hint} {shown}, or" in done.stderr
    assert "others_may_write" in done.stderr
    assert kept(user) == before
    # Nobody was sent to a browser, nothing was asked, for something that was going to be refused.
    assert user.simulator.log == []


@needs_root
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", WRITERS)
def test_a7_a_command_that_writes_refuses_where_others_can_write(signed_in, command, way):
    act, words, hint = WAYS[way]
    for shown, path in places(signed_in).items():
        status = path.stat()
        act(path)
        refused_and_unchanged(signed_in, WRITERS[command], words, hint, shown)
        os.chown(path, status.st_uid, status.st_gid)
        path.chmod(status.st_mode & 0o7777)
    signed_in.ok(*WRITERS[command])


def test_a7_a_credentials_file_that_others_can_write_counts_too(signed_in):
    credentials = signed_in.config.with_name("credentials")
    credentials.write_text("[old]\nregion = eu-west-1\n")
    credentials.chmod(0o622)
    refused_and_unchanged(signed_in, ("sync",), "can write", "chmod o-w", "~/.aws/credentials")


def test_a7_where_the_config_is_a_link_its_own_place_counts(signed_in, tmp_path):
    elsewhere = tmp_path / "dotfiles"
    elsewhere.mkdir()
    signed_in.config.rename(elsewhere / "config")
    signed_in.config.symlink_to(elsewhere / "config")
    signed_in.ok("sync")
    elsewhere.chmod(0o777)
    refused_and_unchanged(signed_in, ("sync",), "everybody can write", "chmod o-w", str(elsewhere))


def test_a7_what_only_reads_goes_on_and_the_setting_accepts_it(signed_in):
    writable_by_all(signed_in.config)
    signed_in.ok("sync", "--dry-run")
    signed_in.ok("list")
    signed_in.ok("login", "--no-sync", "--force")
    done = signed_in.run("credential-process", "corp/210987654321/ReadOnlyAccess")
    assert (done.returncode, done.stderr) == (0, "")
    signed_in.settings("keyring = plaintext-file", "others_may_write = True")
    signed_in.ok("sync")


def test_a7_migrate_and_its_undo_refuse_before_a_key_is_touched(user):
    key = user.key()
    user.has(section("old", key))
    aws, before = user.home / ".aws", user.both()
    writable_by_all(aws)
    refused = user.run("migrate", "--yes", "--map", f"old={ADMIN}")
    assert (refused.returncode, user.both()) == (6, before)
    assert "everybody can write ~/.aws;" in refused.stderr
    user.ok("migrate", "--dry-run", "--map", f"old={ADMIN}")
    aws.chmod(0o700)
    user.migrate("--map", f"old={ADMIN}")
    after = user.both()
    writable_by_all(aws)
    assert user.run("migrate", "--undo", "--yes").returncode == 6
    assert user.both() == after
    aws.chmod(0o700)
    user.ok("migrate", "--undo", "--yes")
    assert user.both() == before


@needs_root
def test_a_sticky_directory_and_an_empty_group_are_harmless(tmp_path):
    sticky = tmp_path / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    file = sticky / "file"
    file.touch(mode=0o600)
    assert list(openings(file)) == []
    sticky.chmod(0o777)
    assert [each.writers for each in openings(file)] == ["all"]
    # The group of root has nobody else in it that could do harm.
    os.chown(file, 0, 0)
    file.chmod(0o660)
    assert [each.path for each in openings(file)] == [sticky]


@needs_root
def test_in_a_rootless_container_the_directories_of_the_host_are_harmless(tmp_path):
    # What root is outside; inside, only this one user is known.
    host = tmp_path / "host"
    own = host / "own"
    own.mkdir(parents=True)
    os.chown(host, OTHER, OTHER)
    look = [sys.executable, "-c", OPENINGS, str(own / "config")]
    outside, inside = (
        subprocess.run([*words, *look], capture_output=True, text=True, check=True).stdout
        for words in ((), ("unshare", "--user", "--map-user=1000"))
    )
    assert outside.split() == [str(host), "owner"]
    assert inside.split() == []
    # What is to be written itself has to be the user's own there too.
    os.chown(own, OTHER, OTHER)
    done = subprocess.run(
        ["unshare", "--user", "--map-user=1000", *look[:-1], str(own)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(own), "owner"]


def test_a7_an_acl_that_lets_another_user_write_counts(tmp_path):
    file = tmp_path / "file"
    file.touch(mode=0o600)
    try:
        os.setxattr(file, "system.posix_acl_access", SOMEBODY_MAY_WRITE)
    except OSError as error:
        pytest.skip(f"this file system keeps no attributes: {error.strerror}")
    assert [each.writers for each in openings(file)] == ["group"]
