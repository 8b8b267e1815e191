"""The power fails: a file system is copied as its disk has it at that moment, and mounted again from the copy.

What the kernel has not written yet is not in the copy. ext4 with its defaults hides a missing fsync, so it is ext4 with
`noauto_da_alloc`, XFS and btrfs that are asked; a writer without fsync shows that they would tell.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sandbox import Sandbox
from siege import Stable, contents, stable_of
from test_agent import configure
from test_files import AMEND, NEW, OLD, started, traced

if TYPE_CHECKING:
    from collections.abc import Iterator

# How each is made, mounted, and how many MB it needs.
FILE_SYSTEMS = {
    "ext4": ("mkfs.ext4 -q -F", "noauto_da_alloc", 32),
    "xfs": ("mkfs.xfs -q -f", "defaults", 320),
    "btrfs": ("mkfs.btrfs -q -f", "defaults", 120),
}
UNSAFE = """
path = Path(sys.argv[1])
temporary = path.with_name("temporary")
temporary.write_bytes(b'new\\n' * 1500)
temporary.replace(path)
print("done", flush=True)
os._exit(0)
"""


class Disk:
    """A file system in a file. `after_a_cut` shows it as the disk has it now."""

    def __init__(self, kind: str, root: Path) -> None:
        self.kind = kind
        self.image = root / "image"
        self.place = root / "disk"
        self.copied = root / "copied"
        maker, self.options, megabytes = FILE_SYSTEMS[kind]
        with self.image.open("wb") as stream:
            stream.truncate(megabytes << 20)
        for directory in (self.place, self.copied):
            directory.mkdir()
        ran(*maker.split(), str(self.image))
        ran("mount", "-o", f"loop,{self.options}", str(self.image), str(self.place))

    def settle(self) -> None:
        ran("sync", "-f", str(self.place))

    def commit(self) -> None:
        """Let the journal be written, as five seconds or anybody's fsync do: renames are in it, data need not be."""
        with (self.place / "somebody else's").open("wb") as stream:
            stream.write(b"x")
            os.fsync(stream.fileno())

    @contextlib.contextmanager
    def after_a_cut(self) -> Iterator[Path]:
        copy = self.image.with_name("copy")
        ran("cp", "--sparse=always", str(self.image), str(copy))
        if self.kind == "xfs":
            # Two of one identity cannot be mounted at once.
            ran("mount", "-o", "loop,nouuid", str(copy), str(self.copied))
        elif self.kind == "btrfs":
            self.end()
            ran("mount", "-o", "loop", str(copy), str(self.copied))
        else:
            ran("mount", "-o", "loop", str(copy), str(self.copied))
        try:
            yield self.copied
        finally:
            ran("umount", str(self.copied))
            copy.unlink()
            if self.kind == "btrfs":
                ran("mount", "-o", f"loop,{self.options}", str(self.image), str(self.place))

    def end(self) -> None:
        ran("umount", str(self.place))


def ran(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, (command, done.stderr)


def disk_of(kind: str, root: Path) -> Iterator[Disk]:
    maker = FILE_SYSTEMS[kind][0].split()[0]
    if os.getuid() != 0 or not Path("/dev/loop-control").exists():
        pytest.skip("no loop devices here")
    if shutil.which(maker) is None:
        pytest.skip(f"no loop devices here, or no {maker} to fill them")
    root.mkdir()
    try:
        disk = Disk(kind, root)
    except AssertionError as error:
        pytest.skip(f"no loop devices here: {error}")
    yield disk
    disk.end()


@pytest.fixture(params=FILE_SYSTEMS)
def disk(request, tmp_path) -> Iterator[Disk]:
    yield from disk_of(request.param, tmp_path / "power")


@pytest.fixture
def ext4(tmp_path) -> Iterator[Disk]:
    yield from disk_of("ext4", tmp_path / "power")


def config_on(disk: Disk) -> Path:
    directory = disk.place / ".aws"
    directory.mkdir(mode=0o700, exist_ok=True)
    config = directory / "config"
    config.write_bytes(OLD)
    config.chmod(0o600)
    disk.settle()
    return config


@pytest.mark.soak
def test_h1_soak_what_was_reported_done_survives_a_power_cut(ext4, tmp_path):
    config = config_on(ext4)
    process = started(AMEND, config, tmp_path / "locks")
    assert process.communicate("go\n", timeout=60)[0] == "True\n"
    with ext4.after_a_cut() as left:
        assert (left / ".aws" / "config").read_bytes() == NEW


@pytest.mark.soak
def test_h1_soak_a_writer_without_fsync_loses_the_file_so_this_test_would_see_it(tmp_path, figures):
    lost = {}
    for kind in ("ext4", "xfs"):
        for disk in disk_of(kind, tmp_path / kind):
            config = config_on(disk)
            process = started(UNSAFE, config)
            assert process.communicate("go\n", timeout=60)[0] == "done\n"
            disk.commit()
            with disk.after_a_cut() as left:
                lost[kind] = (left / ".aws" / "config").read_bytes() not in (OLD, NEW)
    figures(file_systems_where_a_writer_without_fsync_loses_it=sum(lost.values()))
    assert any(lost.values())


@pytest.mark.soak
def test_h1_soak_a_power_cut_at_any_call_of_a_change_leaves_the_old_file_or_the_new_one(disk, tmp_path, figures):
    locks = tmp_path / "locks"
    found = {OLD: 0, NEW: 0}
    for call in ("openat", "write", "fchmod", "fsync", "rename", "close", "flock"):
        for number in range(1, 60):
            config = config_on(disk)
            _, _, was_killed = traced(config, locks, call, f"signal=KILL:when={number}")
            if not was_killed:
                break
            for happens_first in (lambda: None, disk.commit):
                happens_first()
                with disk.after_a_cut() as left:
                    found[(left / ".aws" / "config").read_bytes()] += 1
            for each in config.parent.iterdir():
                each.unlink()
    figures(power_cuts=sum(found.values()), old=found[OLD], new=found[NEW], others=0)
    assert len(found) == 2


@pytest.mark.soak
def test_h1_soak_what_a_command_has_said_is_on_the_disk(disk, tmp_path, simulator, figures):
    home = disk.place / "home"
    home.mkdir(mode=0o700)
    user = Sandbox(home, simulator)
    user.settings("keyring = plaintext-file", "agent = off")
    configure(user)
    disk.settle()
    steps = [
        ("login", "--no-sync", "--no-browser"),
        ("sync",),
        ("credential-process", "corp/210987654321/ReadOnlyAccess"),
        ("logout",),
    ]
    with stable_of(user, tmp_path / "stable") as stable:
        for step in steps:
            survives(stable, disk, step)
    figures(commands=len(steps), lost=0)


def survives(stable: Stable, disk: Disk, step: tuple[str, ...]) -> None:
    done = stable.run(*step)
    assert done.status == 0, done
    there = contents(stable.sandbox.home)
    with disk.after_a_cut() as left:
        after = contents(left / "home")
    for path, content in there.items():
        if not path.endswith(".journal"):
            assert after.get(path) == content, (step, path)
