"""`awssso migrate` killed, starved and disturbed at every turn: a second run ends in the same state, or all is undone.

The faults come from outside the product: strace kills it or fails a system call, and the front of IAM locks the
keyring, changes a file or ends the sign-in when a call comes in. A sample runs always, all of it with `make soak`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from migrant import ADMIN, PRODUCTION, Migrant, section, sso_arn
from sandbox import AWSSSO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cloud import Key

# What changes a file, what makes it last, and what leaves over the network.
CHANGING = ("rename", "fsync", "fchmod", "write", "unlink", "mkdir")
SENDING = ("connect", "sendto")
MIGRATE = ("migrate", "--yes", "--map", f"prod={ADMIN}")
UNDO = ("migrate", "--undo", "--yes")
DELETE = ("migrate", "--delete-keys", "--now", "--yes")
KEPT = (".aws", ".local/state", ".local/share/awssso/secrets")


@dataclass
class Rig:
    """A user with one key, and the states that a sweep starts from."""

    user: Migrant
    key: Key
    original: tuple[bytes, bytes]
    snapshots: Path

    def keep(self, name: str) -> None:
        for part in KEPT:
            shutil.copytree(self.user.home / part, self.snapshots / name / part, symlinks=True, dirs_exist_ok=True)

    def go_back(self, name: str, status: str) -> None:
        for part in KEPT:
            shutil.rmtree(self.user.home / part)
            shutil.copytree(self.snapshots / name / part, self.user.home / part, symlinks=True)
        self.user.cloud.bring_back(self.key)
        self.user.cloud.set_status(self.key, status)

    def traced(self, arguments: tuple[str, ...], *options: str) -> subprocess.CompletedProcess[str]:
        """Run awssso under strace."""
        done = subprocess.run(
            ["strace", "-f", "-qq", *options, AWSSSO, *arguments],
            env={**self.user.variables, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=self.user.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        self.user.said += [done.stdout, done.stderr]
        return done

    def counts(self, arguments: tuple[str, ...], names: tuple[str, ...]) -> Counter[str]:
        """How often a clean run makes each system call, in the thread or child that makes it most often."""
        log = self.snapshots / "calls"
        done = self.traced(arguments, "-e", f"trace={','.join(names)}", "-o", str(log))
        assert done.returncode == 0, done.stderr
        most: Counter[str] = Counter()
        for (_, name), count in Counter(re.findall(r"^(\d+) +(\w+)\(", log.read_text(), re.MULTILINE)).items():
            most[name] = max(most[name], count)
        return most

    # What must hold

    def promises_hold(self) -> None:
        """After whatever happened: no secret is lost, and the name has a way to AWS."""
        is_in_file = self.user.credentials.exists() and self.key.secret.encode() in self.user.credentials.read_bytes()
        vault = [path.read_text() for path in self.user.keyring_files.iterdir()]
        is_in_vault = any(self.key.secret in text for text in vault)
        status = self.user.cloud.status(self.key)
        assert is_in_file or is_in_vault or status == "gone"
        has_profile = b"credential_process = " in self.user.config.read_bytes().partition(b"[profile prod]")[2]
        assert (is_in_file and status == "Active") or has_profile

    def is_migrated(self) -> bool:
        return (
            self.user.cloud.status(self.key) == "Inactive"
            and not self.user.credentials.exists()
            and b"[profile prod]" in self.user.config.read_bytes()
        )

    def is_original(self) -> bool:
        return self.user.both() == self.original and self.user.cloud.status(self.key) == "Active"

    def second_run_ends_it(self) -> None:
        done = self.user.run(*MIGRATE)
        if done.returncode:
            assert self.is_original(), done.stderr
            done = self.user.run(*MIGRATE)
        assert self.is_migrated(), done.stderr
        assert self.left_behind() == []

    def second_undo_ends_it(self) -> None:
        done = self.user.run(*UNDO)
        assert self.is_original(), done.stderr
        assert self.left_behind() == []

    def second_deletion_ends_it(self) -> None:
        done = self.user.run(*DELETE)
        assert self.user.cloud.status(self.key) == "gone", done.stderr
        assert not any(self.key.secret in path.read_text() for path in self.user.keyring_files.iterdir())
        assert self.left_behind() == []

    def left_behind(self) -> list[Path]:
        """Temporary files with something in them."""
        return [path for part in KEPT for path in (self.user.home / part).rglob("*.tmp")]


@pytest.fixture
def rig(user: Migrant, tmp_path: Path) -> Iterator[Rig]:
    user.config.write_text(user.config.read_text() + "\n[profile other]\nregion = eu-west-1\n")
    key = user.key()
    user.has(section("prod", key, "region = eu-west-1"))
    made = Rig(user, key, user.both(), tmp_path / "snapshots")
    made.keep("original")
    yield made
    assert user.who("prod").startswith((sso_arn(PRODUCTION, ADMIN), "arn:aws:iam::"))


@dataclass(frozen=True)
class Sweep:
    """One command, from where it starts, and what must be so after a second run."""

    arguments: tuple[str, ...]
    start: str
    status: str
    ends: Callable[[Rig], None]


SWEEPS = {
    "migrate": Sweep(MIGRATE, "original", "Active", Rig.second_run_ends_it),
    "undo": Sweep(UNDO, "migrated", "Inactive", Rig.second_undo_ends_it),
    "delete": Sweep(DELETE, "migrated", "Inactive", Rig.second_deletion_ends_it),
}


def swept(rig: Rig, sweep: Sweep, names: tuple[str, ...], how: str, step: int) -> int:
    """Fail every `step`-th system call of these names, each in a run of its own; gives how many runs were hit."""
    rig.user.ok(*MIGRATE)
    rig.keep("migrated")
    rig.go_back(sweep.start, sweep.status)
    counts = rig.counts(sweep.arguments, names)
    hit = 0
    points = [(name, number) for name in names for number in range(1, counts[name] + 1)][::step]
    for name, number in points:
        rig.go_back(sweep.start, sweep.status)
        done = rig.traced(
            sweep.arguments, "-e", f"trace={name}", "-e", f"inject={name}:{how}:when={number}", "-o", "/dev/null"
        )
        hit += done.returncode != 0
        rig.promises_hold()
        sweep.ends(rig)
    rig.go_back("migrated", "Inactive")
    words = f"{' '.join(sweep.arguments[:2])}: {how} at {len(points)} calls of {', '.join(names)}"
    print(f"\n{words}: {hit} ended it, a second run each came to the same end; nothing lost")
    return hit


@pytest.mark.parametrize("name", SWEEPS)
def test_i4_killed_at_some_renames_a_second_run_ends_it(rig, name):
    assert swept(rig, SWEEPS[name], ("rename",), "signal=KILL", 3) > 0


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_with_a_disk_that_fails_once_a_second_run_ends_it(rig, error):
    assert swept(rig, SWEEPS["migrate"], ("fsync",), f"error={error}", 6) > 0


@pytest.mark.soak
@pytest.mark.parametrize("name", SWEEPS)
@pytest.mark.parametrize("names", [CHANGING, SENDING], ids=["files", "network"])
def test_i4_killed_at_every_call_a_second_run_ends_it(rig, name, names):
    assert swept(rig, SWEEPS[name], names, "signal=KILL", 1) > 0


@pytest.mark.soak
@pytest.mark.parametrize("name", SWEEPS)
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_with_a_disk_that_fails_at_every_call_a_second_run_ends_it(rig, name, error):
    assert swept(rig, SWEEPS[name], ("rename", "fsync", "fchmod", "write", "unlink"), f"error={error}", 1) > 0


# What happens between two steps; the front of IAM does it when a call comes in


def calls_of(rig: Rig) -> int:
    """How many calls to IAM and STS a migration makes, from the first of its deeds on."""
    before = len(rig.user.cloud.log)
    rig.user.ok(*MIGRATE)
    rig.go_back("original", "Active")
    return len(rig.user.cloud.log) - before


def disturbed(rig: Rig, number: int, what: Callable[[], None]) -> subprocess.CompletedProcess[str]:
    """Migrate, with something happening at one of its calls."""
    wanted = len(rig.user.cloud.log) + number

    def before_call(now: int) -> None:
        if now == wanted:
            what()

    rig.user.cloud.before_call = before_call
    done = rig.user.run(*MIGRATE)
    rig.user.cloud.before_call = lambda _now: None
    return done


def somebody_adds_a_section(rig: Rig) -> None:
    if not rig.user.credentials.exists() or b"[new]" not in rig.user.credentials.read_bytes():
        text = rig.user.credentials.read_bytes() if rig.user.credentials.exists() else b""
        rig.user.credentials.write_bytes(b"[new]\nregion = us-east-1\n\n" + text)


def somebody_changes_the_section(rig: Rig) -> None:
    text = rig.user.credentials.read_bytes() if rig.user.credentials.exists() else b""
    if b"[prod]" in text:
        rig.user.credentials.write_bytes(text + b"output = text\n")


def the_sign_in_ends(rig: Rig) -> None:
    rig.user.simulator.organization.revoke_sessions("ada@example.com")


def check_added(rig: Rig) -> None:
    """Whatever came of it, what somebody wrote is there, and a second run ends it."""
    assert b"[new]\nregion = us-east-1\n" in rig.user.credentials.read_bytes()
    rig.user.migrate("--map", f"prod={ADMIN}")
    assert rig.user.credentials.read_bytes().strip() == b"[new]\nregion = us-east-1"
    assert rig.user.cloud.status(rig.key) == "Inactive"


def check_changed(rig: Rig) -> None:
    if rig.user.credentials.exists() and rig.user.credentials.read_bytes():
        assert b"output = text" in rig.user.credentials.read_bytes()
    rig.user.migrate("--map", f"prod={ADMIN}")
    assert rig.is_migrated()


def check_signed_out(rig: Rig) -> None:
    rig.user.ok("login", "--no-sync")
    rig.second_run_ends_it()


DISTURBANCES = {
    "a section is added": (somebody_adds_a_section, check_added),
    "its section is changed": (somebody_changes_the_section, check_changed),
    "the sign-in ends": (the_sign_in_ends, check_signed_out),
}


def disturbed_at(rig: Rig, name: str, step: int) -> None:
    what, check = DISTURBANCES[name]
    calls = range(calls_of(rig))[::step]
    for number in calls:
        rig.go_back("original", "Active")
        disturbed(rig, number, lambda: what(rig))
        rig.promises_hold()
        check(rig)
    print(f"\n{name} at {len(calls)} calls to IAM and STS: nothing lost, a second run each came to the same end")


@pytest.mark.parametrize("name", DISTURBANCES)
def test_i2_i4_disturbed_at_some_calls_nothing_is_lost_and_a_second_run_ends_it(rig, name):
    disturbed_at(rig, name, 9)


@pytest.mark.soak
@pytest.mark.parametrize("name", DISTURBANCES)
def test_i2_i4_disturbed_at_every_call_nothing_is_lost_and_a_second_run_ends_it(rig, name):
    disturbed_at(rig, name, 1)


def locked_at(home: Path, simulator, cloud, secret_service, step: int) -> None:
    """Lock the real keyring at a call; unlocked again, a second run ends it."""
    user = Migrant(home, simulator, cloud)
    user.use_secret_service(secret_service.variables)
    user.first_day()
    key = user.key()
    user.has(section("prod", key))
    original = user.both()
    user.ok(*MIGRATE)
    calls = range(len(cloud.log))[::step]
    user.ok(*UNDO)
    try:
        for number in calls:
            wanted = len(cloud.log) + number
            cloud.before_call = lambda now, wanted=wanted: secret_service.lock() if now == wanted else None
            done = user.run(*MIGRATE)
            cloud.before_call = lambda _now: None
            secret_service.kill()
            secret_service.start()
            if done.returncode and user.both() == original:
                assert cloud.status(key) == "Active"
            user.run(*MIGRATE)
            user.run(*MIGRATE)
            assert cloud.status(key) == "Inactive"
            assert not user.credentials.exists()
            assert user.key_leaks() == []
            user.ok(*UNDO)
            assert (user.both(), cloud.status(key)) == (original, "Active")
        print(f"\na real keyring locks at {len(calls)} calls: nothing lost, a second run each came to the same end")
    finally:
        user.stop_agent()


def test_i2_a_keyring_that_locks_at_some_calls_loses_nothing(home, simulator, cloud, secret_service):
    locked_at(home, simulator, cloud, secret_service, 9)


@pytest.mark.soak
def test_i2_a_keyring_that_locks_at_every_call_loses_nothing(home, simulator, cloud, secret_service):
    locked_at(home, simulator, cloud, secret_service, 1)
