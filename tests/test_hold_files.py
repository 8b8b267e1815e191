"""Files under fire: kill -9 and errors at every system call of every command that writes one, on real processes.

The oracle is the same for all: each file is the old one or the new one, the next command leaves nothing behind, and
what a command says fits what it did. `make soak` strikes at every call, `make test` at a spread sample of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from sandbox import START_URL
from siege import SECONDS, Done, Keep, Point, Stable, contents, spread, stable_of, temporaries
from test_files import NEW, OLD, begin, config, started, strace

from awssso_helper.model import Role
from awssso_helper.role_cache import role_key, session_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIXTURES = (config, strace)
READER = "corp/210987654321/ReadOnlyAccess"
CONFIGURE = ("configure", "-S", "corp", "--start-url", START_URL, "--region", "us-east-1")
# What touches neither a file nor another program; whatever a kill finds there, it finds beside it too.
ELSEWHERE = {
    "brk", "clock_nanosleep", "clone3", "exit", "exit_group", "futex", "geteuid", "gettid", "getuid", "ioctl",
    "madvise", "mmap", "mprotect", "mremap", "munmap", "rseq", "rt_sigaction", "rt_sigprocmask", "sched_yield",
    "set_robust_list", "uname",
}  # fmt: skip
# What errors a file system, a quota or a limit can bring. EINTR is left out: Python repeats such a call for ever.
ERRORS = ("ENOSPC", "EIO", "EDQUOT", "EROFS", "EACCES", "EPERM", "EMFILE", "ENFILE", "ENOMEM", "ESTALE")
WITH_ERRORS = {
    "openat", "read", "write", "close", "flock", "fsync", "rename", "unlink", "mkdir", "fchmod", "fchown",
    "chmod", "newfstatat", "getdents64", "lseek", "access", "getrandom", "flistxattr", "listxattr", "fgetxattr",
    "getxattr", "fsetxattr", "readlink", "ftruncate",
}  # fmt: skip
# Files that a command does without: what can be found again and what only makes it nicer; an index that a login which
# finds a token has no reason to empty; backups, whose names have the time in them.
UNNEEDED = (".journal", "/awssso/shelf.json", "/awssso/recent.json", "/awssso/credentials/", "/awssso/backups/")
FOREIGN = "[profile of-mine]\nregion = eu-west-1\n\n[default]\noutput = json\n"
KEYS = "[of-mine]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = the-users-own\n"


@dataclass(frozen=True, slots=True)
class Siege:
    """A command, the state that it begins in, and the files whose two contents are known to the byte."""

    arguments: tuple[str, ...]
    prepare: Callable[[Stable], None]


def _nothing(_stable: Stable) -> None:
    """Begin on a machine that has files of AWS, and none of ours."""


def _configured(stable: Stable) -> None:
    assert stable.run(*CONFIGURE).status == 0


def _signed_in(stable: Stable) -> None:
    _configured(stable)
    assert stable.run("login", "--no-sync", "--no-browser").status == 0


def _synced(stable: Stable) -> None:
    _signed_in(stable)
    assert stable.run("sync").status == 0
    assert stable.run("credential-process", READER).status == 0


def _changed(stable: Stable) -> None:
    _synced(stable)
    organization = stable.sandbox.simulator.organization
    organization.add_permission_set("Newcomer", 3600)
    organization.assign(organization.users[0], "210987654321", "Newcomer")


def _linked(stable: Stable) -> None:
    """Let the config file be a symbolic link into a repository of dotfiles."""
    _signed_in(stable)
    config = stable.sandbox.config
    (stable.sandbox.home / "dotfiles").mkdir()
    config.rename(stable.sandbox.home / "dotfiles" / "aws-config")
    config.symlink_to("../dotfiles/aws-config")


def _with_old_token(stable: Stable) -> None:
    organization = stable.sandbox.simulator.organization
    organization.access_token_life = 0
    # Each strike begins with the same refresh token.
    organization.rotates_refresh_tokens = False
    _signed_in(stable)
    organization.access_token_life = 3600


def _with_broken_launcher(stable: Stable) -> None:
    _synced(stable)
    path = stable.sandbox.home / ".local" / "share" / "awssso" / "bin" / "awssso"
    path.write_text(path.read_text()[:300])


def _with_news(stable: Stable) -> None:
    _synced(stable)
    news = stable.sandbox.home / ".local" / "state" / "awssso" / "news.json"
    news.write_text('["gained something"]')
    news.chmod(0o600)


def _with_start_file(stable: Stable) -> None:
    """Let a shell's start file be one in a repository of dotfiles, with somebody's token in it."""
    _synced(stable)
    home = stable.sandbox.home
    (home / "dotfiles").mkdir()
    (home / "dotfiles" / "bashrc").write_text("export TOKEN=the-users-own\n")
    (home / ".bashrc").symlink_to("dotfiles/bashrc")


SIEGES = {
    "configure": Siege(CONFIGURE, _nothing),
    "configure again with a setting": Siege((*CONFIGURE, "--default-region", "eu-west-1"), _configured),
    "login": Siege(("login", "--no-sync", "--no-browser"), _configured),
    "login again": Siege(("login", "--no-sync", "--no-browser", "--force"), _synced),
    "first sync": Siege(("sync",), _signed_in),
    "sync with changes": Siege(("sync",), _changed),
    "sync through a link": Siege(("sync",), _linked),
    "credential-process": Siege(("credential-process", READER), _signed_in),
    "credential-process with a refresh": Siege(("credential-process", READER), _with_old_token),
    "repair of the launcher": Siege(("list",), _with_broken_launcher),
    "news": Siege(("list",), _with_news),
    "completions": Siege(("completions", "bash", "--install"), _with_start_file),
    "what was used last": Siege(("env", "production.ReadOnlyAccess"), _synced),
    "logout": Siege(("logout",), _synced),
}


class Field:
    """One siege laid: the home before, the files after, and everything that is asked after each strike."""

    def __init__(self, siege: Siege, stable: Stable, keep: Keep) -> None:
        self.siege = siege
        self.stable = stable
        self.keep = keep
        home = stable.sandbox.home
        aws = home / ".aws"
        aws.mkdir()
        (aws / "config").write_text(FOREIGN)
        (aws / "credentials").write_text(KEYS)
        for path in aws.iterdir():
            path.chmod(0o600)
        siege.prepare(stable)
        keep.save("before")
        self.before = contents(home)
        self.points = stable.points(*siege.arguments, skipped=ELSEWHERE)
        self.after = contents(home)

    def struck(self, point: Point, how: str) -> Done:
        self.keep.restore("before")
        return self.stable.struck(point, how, *self.siege.arguments)

    def demand_whole(self, context: object) -> None:
        """Every file is the old one or the new one; one that tells times or holds tokens is at least a whole one."""
        now = contents(self.stable.sandbox.home)
        for path, old in self.before.items():
            if path.startswith(".aws/") or path in self.after:
                assert path in now, (context, f"{path} is gone")
            if path == ".aws/credentials":
                assert now[path] == old, (context, path)
        for path, content in now.items():
            if path.endswith(".journal") or path in temporaries(self.stable.sandbox.home):
                continue
            if "/awssso/backups/" in path:
                # Its name ends with the digest of the whole of it.
                assert path.endswith(hashlib.sha256(content).hexdigest()[:12]), (context, path)
                continue
            known = (self.before.get(path), self.after.get(path))
            assert content in known or is_whole(content), (context, path, content[:200])

    def is_done(self, path: str) -> bool:
        """Say whether a file is as it is after the command, or one that is another one each time."""
        now = contents(self.stable.sandbox.home)
        return (path in now) == (path in self.after) and (now.get(path) == self.after.get(path) or is_whole(now[path]))

    def demand_recovery(self, context: object, *, runs_again: bool) -> None:
        """The next command that has time for it works and sweeps; the same one once more ends as it would have."""
        done = self.stable.run("list")
        assert done.status == 0, (context, done)
        assert temporaries(self.stable.sandbox.home) == [], context
        if runs_again:
            done = self.stable.run(*self.siege.arguments)
            assert done.status == 0, (context, done)
            self.demand_end(context)

    def demand_end(self, context: object) -> None:
        for path in self.after:
            if not any(each in path for each in UNNEEDED):
                assert self.is_done(path), (context, path)

    def demand_that_the_former_person_is_forgotten(self, context: object) -> None:
        """Once the keyring has a new sign-in, it has no credentials of the one before."""
        now = contents(self.stable.sandbox.home)
        if token_in(now) != token_in(self.before):
            assert now.get(item(role_key(Role.from_word(READER)))) is None, context


def item(key: str) -> str:
    """Give the file in which the plain keyring of these tests keeps an item."""
    return f".local/share/awssso/secrets/{hashlib.sha256(key.encode()).hexdigest()}"


def token_in(files: dict[str, bytes]) -> str | None:
    values = json.loads(files.get(item(session_key("corp")), b"{}"))
    return values.get("token") and values["token"]["access_token"]


def is_whole(content: bytes) -> bool:
    """Say whether this is JSON of ours to its end: what a keyring holds, or an index, or an inventory."""
    try:
        text = content.decode()
        # What is kept of a role has the time before it.
        head, _, rest = text.partition(" ")
        return isinstance(json.loads(rest if head.isdigit() else text), dict | list)
    except ValueError:
        return False


@pytest.fixture(params=SIEGES)
def field(request, sandbox, tmp_path, strace) -> Iterator[Field]:
    sandbox.settings("keyring = plaintext-file", "agent = off")
    with stable_of(sandbox, tmp_path / "stable") as stable:
        yield Field(SIEGES[request.param], stable, Keep(sandbox.home, tmp_path / "homes"))


def killed_everywhere(field: Field, points: list[Point]) -> Counter[str]:
    told: Counter[str] = Counter()
    for number, point in enumerate(points):
        done = field.struck(point, "signal=KILL")
        if not done.struck:
            # Threads do not take the same turns each time.
            told["missed"] += 1
            continue
        field.demand_whole(point)
        if field.siege is SIEGES["login again"]:
            field.demand_that_the_former_person_is_forgotten(point)
        told["left a temporary file"] += bool(temporaries(field.stable.sandbox.home))
        field.demand_recovery(point, runs_again=number % 5 == 0)
        told["kills"] += 1
    return told


def failed_everywhere(field: Field, strikes: list[tuple[Point, str]]) -> Counter[str]:
    told: Counter[str] = Counter()
    for number, (point, error) in enumerate(strikes):
        context = (field.siege.arguments, str(point), error)
        done = field.struck(point, f"error={error}")
        if not done.struck:
            told["missed"] += 1
            continue
        field.demand_whole(context)
        demand_honesty(field, done, context)
        field.demand_recovery(context, runs_again=number % 5 == 0)
        told["errors"] += 1
        told["survived"] += done.status == 0
    return told


def demand_honesty(field: Field, done: Done, context: object) -> None:
    """What it said fits what it did."""
    assert "Traceback" not in done.error, (context, done)
    assert "this is a mistake of awssso" not in done.error, (context, done)
    if done.status == 0:
        # A launcher that could not be repaired is the next command's, since this one has work of its own.
        if field.siege is not SIEGES["repair of the launcher"]:
            field.demand_end(context)
        return
    if done.status == 6:
        now = contents(field.stable.sandbox.home)
        for path in (".aws/config", ".config/awssso/config", "dotfiles/aws-config"):
            assert now.get(path) == field.before.get(path), (context, done, path)
    assert done.status in {-9, 1, 2, 3, 4, 5, 6}, (context, done)


def all_strikes(points: list[Point]) -> list[tuple[Point, str]]:
    """Every call that can fail, with each error, once and from there on; in an order that has no order."""
    strikes = [
        (point, error + more)
        for point in points
        if point.call in WITH_ERRORS
        for error in ERRORS
        for more in ("", "+")
        if more == "" or point.call in {"write", "fsync", "rename", "openat"}
    ]
    random.Random(6).shuffle(strikes)
    return strikes


def test_h1_h11_g9_kills_and_errors_anywhere_in_a_command_leave_whole_files_and_true_words(field):
    points = spread(field.points, 9)
    told = killed_everywhere(field, points)
    strikes = all_strikes(field.points)
    told += failed_everywhere(field, strikes[:8])
    # Threads do not take the same turns each time, on a busy machine least of all.
    if told["kills"] < 5:
        told += killed_everywhere(field, [each for each in spread(field.points, 14) if each not in points])
    if told["errors"] < 4:
        told += failed_everywhere(field, strikes[8:24])
    assert told["kills"] >= 5, told
    assert told["errors"] >= 4, told


@pytest.mark.soak
def test_h1_g9_soak_a_kill_at_every_call_of_every_command(field, figures):
    told = killed_everywhere(field, spread(field.points, 160))
    figures(**told)


@pytest.mark.soak
def test_h1_h11_soak_errors_at_every_call_of_every_command(field, figures):
    told = failed_everywhere(field, all_strikes(field.points)[:115])
    figures(**told)


# Many at once


@pytest.fixture
def stable(sandbox, tmp_path) -> Iterator[Stable]:
    sandbox.settings("keyring = plaintext-file", "agent = off")
    with stable_of(sandbox, tmp_path / "stable") as ready:
        yield ready


def lost_updates(stable: Stable, count: int) -> int:
    """Let so many commands each add a session to one file at once, with a reader; gives how many are missing."""
    config = stable.sandbox.config
    config.parent.mkdir(exist_ok=True)
    config.write_text(FOREIGN)
    running = [
        stable.start("configure", "-S", f"s{number}", "--start-url", START_URL, "--region", "us-east-1", stops=True)
        for number in range(count)
    ]
    for each in running:
        os.kill(each.pid, signal.SIGCONT)
    texts = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            texts.append(config.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    done = [each.end() for each in running]
    is_over.set()
    reader.join()
    assert {(each.status, each.out) for each in done} == {(0, "")}, done
    assert all(text.startswith(FOREIGN) for text in texts)
    assert all(text.count("[sso-session") == text.count("sso_region = us-east-1\n") for text in texts)
    text = config.read_text()
    return sum(f"[sso-session s{number}]" not in text for number in range(count))


def test_h7_commands_that_write_one_file_at_once_lose_nothing(stable):
    assert lost_updates(stable, 40) == 0


@pytest.mark.soak
def test_h7_soak_a_hundred_writers_at_once_twenty_times_lose_nothing(stable, figures):
    lost = sum(lost_updates(stable, 100) for _ in range(20))
    figures(updates=2000, lost_updates=lost)
    assert lost == 0


# The AWS CLI takes no lock: it reads the file, empties it and writes it anew. Its own code, ready to run, many times.
# A disk that is slow (20 ms before it empties a file, 20 ms after) makes happen often what else happens seldom.
AWS_GROOM = r"""
import builtins, os, signal, sys, time
from awscli.clidriver import create_clidriver
plain_open, slowness = open, float(sys.argv[2])
def slow_open(file, mode="r", *more, **named):
    if "w" not in mode or str(file) != os.environ["AWS_CONFIG_FILE"]:
        return plain_open(file, mode, *more, **named)
    time.sleep(slowness)
    opened = plain_open(file, mode, *more, **named)
    time.sleep(slowness)
    return opened
builtins.open = slow_open
pids = []
for number in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        driver = create_clidriver()
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(driver.main(["configure", "set", "region", "us-west-2", "--profile", f"w{number}"]))
    pids.append(pid)
for pid in pids:
    os.waitpid(pid, os.WUNTRACED)
print(*pids, flush=True)
print(*[os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids], flush=True)
"""


def beside_the_aws_cli(stable: Stable, ours: int, theirs: int, slowness: float = 0.02) -> dict[str, int]:
    """Let commands of ours and of the AWS CLI write one file at once; gives what was lost of whom."""
    config = stable.sandbox.config
    config.parent.mkdir(exist_ok=True)
    # Of a section that is there it writes the file anew; a new one it appends.
    config.write_text(FOREIGN + "".join(f"\n[profile w{number}]\nregion = none\n" for number in range(theirs)))
    user = {**stable.sandbox.variables, "AWS_CONFIG_FILE": str(config)}
    groom = subprocess.Popen(
        [sys.executable, "-c", AWS_GROOM, str(theirs), str(slowness)],
        env=user, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    begun = [
        stable.start("configure", "-S", f"s{number}", "--start-url", START_URL, "--region", "us-east-1", stops=True)
        for number in range(ours)
    ]
    pids = [each.pid for each in begun] + [int(word) for word in groom.stdout.readline().split()]
    random.Random(7).shuffle(pids)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    done = [each.end() for each in begun]
    assert set(groom.communicate(timeout=SECONDS)[0].split()) <= {"0"}
    text = config.read_text()
    for each in done:
        # Lost is what was said to be there and is not; a command that gave up has said so.
        assert each.status in (0, 1, 5, 6), each
        assert each.status == 0 or each.error.count("hint:") == 1, each
        assert "Traceback" not in each.error
    return {
        "ours": ours,
        "ours_refused": sum(each.status != 0 for each in done),
        "ours_lost": sum(
            each.status == 0 and f"[sso-session s{number}]" not in text for number, each in enumerate(done)
        ),
        "of_the_AWS_CLI": theirs,
        "of_these_lost": sum(f"[profile w{number}]\nregion = us-west-2\n" not in text for number in range(theirs)),
        "sections_lost": sum(f"[profile w{number}]" not in text for number in range(theirs)),
    }


def test_h7_beside_the_aws_cli_nothing_of_ours_and_no_section_is_lost(stable):
    told = beside_the_aws_cli(stable, 8, 8)
    assert (told["ours_lost"], told["sections_lost"]) == (0, 0), told


@pytest.mark.soak
def test_h7_soak_beside_fifty_of_the_aws_cli_nothing_of_fifty_of_ours_is_lost(stable, figures):
    for ours, slowness in ((0, 0.02), (50, 0.02), (50, 0.02), (50, 0.0)):
        told = beside_the_aws_cli(stable, ours, 50, slowness)
        figures(**told, slowness=slowness)
        assert (told["ours_lost"], told["sections_lost"]) == (0, 0), told


@pytest.mark.soak
def test_h1_soak_a_quarter_of_a_million_reads_during_writes_see_whole_files(config, figures):
    program = (
        "number = 0\nwhile True:\n    number += 1\n"
        "    files.replace(Path(sys.argv[1]), (b'old\\n' * 700, b'new\\n' * 1500)[number % 2])\n"
        "    print(number, flush=True)\n"
    )
    writer = started(program, config)
    begin(writer)
    seen: Counter[bytes] = Counter()
    drained = threading.Thread(target=writer.stdout.read)
    drained.start()
    for _ in range(250_000):
        with config.open("rb", buffering=0) as stream:
            seen[stream.readall()] += 1
    writer.kill()
    drained.join()
    writer.communicate()
    assert set(seen) == {OLD, NEW}
    figures(reads=sum(seen.values()), short_or_mixed=0)
