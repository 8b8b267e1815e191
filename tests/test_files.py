from __future__ import annotations

import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from awssso_helper import files
from awssso_helper.errors import AwsssoError, BusyError, RefusedError
from awssso_helper.model import Deadline

OLD = b"old\n" * 700
NEW = b"new\n" * 1500
SECONDS = 30.0


@pytest.fixture
def locks(home) -> Path:
    return home / "locks"


@pytest.fixture
def config(home) -> Path:
    directory = home / ".aws"
    directory.mkdir(mode=0o700)
    path = directory / "config"
    path.write_bytes(OLD)
    path.chmod(0o600)
    return path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def amended(path: Path, locks: Path, change, *, seconds: float = SECONDS) -> bool:
    return files.amend(path, change, lock_dir=locks, deadline=Deadline(seconds))


def started(program: str, *words: object) -> subprocess.Popen[str]:
    """A process that has its imports behind it, also those that `files` puts off, and begins when it is told to."""
    head = (
        "import hashlib, os, sys, resource, signal, time\nfrom pathlib import Path\nfrom awssso_helper import files\n"
        "from awssso_helper.errors import AwsssoError\nfrom awssso_helper.model import Deadline\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", head + "print('ready', flush=True)\nsys.stdin.readline()\n" + program, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def begin(process: subprocess.Popen[str]) -> None:
    process.stdin.write("go\n")
    process.stdin.flush()


def outcome(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


# What stays as it was


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
def test_h1_the_mode_stays(config, mode):
    config.chmod(mode)
    files.replace(config, NEW)
    assert config.read_bytes() == NEW
    assert stat.S_IMODE(config.stat().st_mode) == mode
    assert names(config.parent) == ["config"]


def test_h1_a_new_file_is_private_whatever_the_umask_and_so_is_its_directory(home):
    umask = os.umask(0)
    try:
        files.replace(home / "new" / "deep" / "config", NEW)
        files.replace(home / "new" / "open", NEW, new_mode=0o644)
    finally:
        os.umask(umask)
    assert stat.S_IMODE((home / "new" / "deep" / "config").stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "new" / "open").stat().st_mode) == 0o644
    assert stat.S_IMODE((home / "new").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "new" / "deep").stat().st_mode) == 0o700


def test_h1_the_owner_stays(config):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to somebody else")
    os.chown(config, 1234, 2345)
    files.replace(config, NEW)
    assert (config.stat().st_uid, config.stat().st_gid) == (1234, 2345)


def test_h1_extended_attributes_and_the_access_list_stay(config):
    acl = bytes.fromhex("0200000001000600ffffffff02000400d204000004000000ffffffff10000400ffffffff20000000ffffffff")
    try:
        os.setxattr(config, "user.note", b"mine")
        os.setxattr(config, "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"this file system keeps no attributes: {error.strerror}")
    mode = config.stat().st_mode
    files.replace(config, NEW)
    assert os.getxattr(config, "user.note") == b"mine"
    assert os.getxattr(config, "system.posix_acl_access") == acl
    assert config.stat().st_mode == mode


def test_a_default_access_list_of_the_directory_opens_nothing(config):
    acl = bytes.fromhex("0200000001000700ffffffff02000700d204000004000700ffffffff10000700ffffffff20000700ffffffff")
    config.chmod(0o640)
    try:
        os.setxattr(config.parent, "system.posix_acl_default", acl)
    except OSError as error:
        pytest.skip(f"this file system keeps no attributes: {error.strerror}")
    files.replace(config, NEW)
    assert "system.posix_acl_access" not in os.listxattr(config)
    assert stat.S_IMODE(config.stat().st_mode) == 0o640


def test_h2_a_symbolic_link_stays_one(config, home):
    dotfiles = home / "dotfiles"
    dotfiles.mkdir()
    config.rename(dotfiles / "aws-config")
    (home / "hop").symlink_to(dotfiles / "aws-config")
    config.symlink_to("../hop")
    files.replace(config, NEW)
    assert config.is_symlink()
    assert (dotfiles / "aws-config").read_bytes() == NEW
    assert names(dotfiles) == ["aws-config"]
    assert names(config.parent) == ["config"]


# What is refused


def refused(path: Path) -> str:
    before = names(path.parent)
    with pytest.raises(RefusedError) as caught:
        files.replace(path, NEW)
    assert names(path.parent) == before
    assert str(path) in caught.value.message
    assert caught.value.exit_status == 6
    return caught.value.message


def test_h2_links_that_lead_nowhere_are_refused(home):
    dangling, loop = home / "dangling", home / "loop"
    dangling.symlink_to(home / "nothing")
    loop.symlink_to(loop)
    assert "a symbolic link to nothing" in refused(dangling)
    assert "symbolic links" in refused(loop)
    assert dangling.is_symlink()
    assert loop.is_symlink()


def test_h3_a_file_with_two_names_is_refused(config, home):
    os.link(config, home / "other")
    assert "2 hard links" in refused(config)
    assert (home / "other").read_bytes() == OLD


def test_h2_a_link_to_another_users_file_is_refused(home):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to somebody else")
    (home / "theirs").write_bytes(OLD)
    os.chown(home / "theirs", 1234, 1234)
    (home / "link").symlink_to(home / "theirs")
    assert "another user's file" in refused(home / "link")
    assert (home / "theirs").read_bytes() == OLD


@pytest.mark.parametrize("kind", ["pipe", "directory", "device"])
def test_what_is_no_file_is_neither_read_nor_replaced(home, kind):
    path = Path("/dev/tty") if kind == "device" else home / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    with pytest.raises(RefusedError, match="not a regular file"):
        files.read(path)
    with pytest.raises(RefusedError, match="not a regular file"):
        files.replace(path, NEW)


def test_h3_a_directory_that_may_not_be_written_is_refused_in_words():
    directory = Path(tempfile.mkdtemp(prefix="awssso-"))
    try:
        (directory / "config").write_bytes(OLD)
        directory.chmod(0o555)
        process = started(
            "path = Path(sys.argv[1])\n"
            "if os.geteuid() == 0: os.chown(path, 65534, 65534); os.setgid(65534); os.setuid(65534)\n"
            "try: files.replace(path, b'new')\n"
            "except AwsssoError as error: print(error.exit_status, error.message)\n",
            directory / "config",
        )
        assert outcome(process) == (0, f"6 cannot replace {directory}/config: Permission denied\n")
        assert (directory / "config").read_bytes() == OLD
    finally:
        directory.chmod(0o700)
        shutil.rmtree(directory)


def test_h3_somebody_elses_file_is_refused_and_stays_theirs():
    directory = Path(tempfile.mkdtemp(prefix="awssso-"))
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to somebody else")
    try:
        (directory / "config").write_bytes(OLD)
        (directory / "config").chmod(0o666)
        directory.chmod(0o777)
        process = started(
            "os.setgid(65534); os.setuid(65534)\n"
            "try: files.replace(Path(sys.argv[1]), b'new')\n"
            "except AwsssoError as error: print(error.exit_status, error.message)\n",
            directory / "config",
        )
        assert outcome(process) == (0, f"6 cannot replace {directory}/config: Operation not permitted\n")
        assert (directory / "config").read_bytes() == OLD
        assert names(directory) == ["config"]
    finally:
        shutil.rmtree(directory)


def test_a_missing_file_is_not_an_empty_one(home):
    assert files.read(home / "missing") is None
    (home / "empty").touch()
    assert files.read(home / "empty") == b""


@pytest.mark.parametrize("kind", ["link", "open", "file", "theirs"])
def test_e7_a_private_directory_is_ours_alone_or_refused(home, kind):
    path = home / "private"
    if kind == "link":
        (home / "elsewhere").mkdir(mode=0o700)
        path.symlink_to(home / "elsewhere")
    elif kind == "open":
        path.mkdir()
        path.chmod(0o750)
    elif kind == "file":
        path.touch()
    elif os.geteuid() != 0:
        pytest.skip("only root can give a directory to somebody else")
    else:
        path.mkdir(mode=0o700)
        os.chown(path, 1234, 1234)
    with pytest.raises(RefusedError):
        files.private_dir(path)
    with pytest.raises(RefusedError), files.locked(path / "lock", Deadline(SECONDS)):
        pass


# Amending


def test_h8_no_change_is_no_write(config, locks):
    before = config.stat()
    assert amended(config, locks, lambda content: bytes(bytearray(content))) is False
    assert config.stat() == before or (config.stat().st_ino, config.stat().st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )
    assert amended(config.with_name("missing"), locks, lambda content: content) is False
    assert names(config.parent) == ["config"]


def test_h7_an_editor_that_saves_in_between_loses_nothing(config, locks):
    edits = iter([b"edit one\n", b"edit two\n"])

    def change(content: bytes) -> bytes:
        edit = next(edits, None)
        if edit is not None:
            with config.open("ab") as stream:
                stream.write(edit)
        return content + b"ours\n"

    assert amended(config, locks, change) is True
    assert config.read_bytes() == OLD + b"edit one\nedit two\nours\n"
    assert names(config.parent) == ["config"]


def test_h7_an_editor_that_saves_the_same_length_at_the_same_time_is_noticed(config, locks):
    before = config.stat()
    seen = []

    def change(content: bytes) -> bytes:
        seen.append(content)
        if len(seen) == 1:
            with config.open("r+b") as stream:
                stream.write(b"OLD")
            os.utime(config, ns=(before.st_atime_ns, before.st_mtime_ns))
        return content + b"ours\n"

    assert amended(config, locks, change) is True
    assert config.read_bytes() == b"OLD" + OLD[3:] + b"ours\n"


def test_h7_a_file_that_appears_in_between_is_not_overwritten(home, locks):
    path = home / "config"

    def change(content: bytes) -> bytes:
        if not path.exists():
            path.write_bytes(b"theirs\n")
        return content + b"ours\n"

    assert amended(path, locks, change) is True
    assert path.read_bytes() == b"theirs\nours\n"


def test_h7_an_editor_that_never_rests_ends_in_a_refusal(config, locks):
    count = 0

    def change(content: bytes) -> bytes:
        nonlocal count
        count += 1
        config.write_bytes(content + b"x")
        return content + b"ours\n"

    with pytest.raises(RefusedError, match="changed by another program"):
        amended(config, locks, change, seconds=0.3)
    assert count >= 5
    assert config.read_bytes() == OLD + b"x" * count
    assert names(config.parent) == ["config"]


def test_h7_a_program_that_writes_many_times_is_outlasted(config, locks):
    left = 12

    def change(content: bytes) -> bytes:
        nonlocal left
        if left:
            left -= 1
            config.write_bytes(content + b"x")
        return content + b"ours\n"

    assert amended(config, locks, change) is True
    assert config.read_bytes() == OLD + b"x" * 12 + b"ours\n"


def test_h7_a_file_that_a_program_has_emptied_and_not_yet_written_is_waited_for(config, locks):
    halves = threading.Event()

    def theirs() -> None:
        with config.open("wb", buffering=0) as stream:
            halves.set()
            time.sleep(0.05)
            stream.write(OLD + b"theirs\n")

    writer = threading.Thread(target=theirs)
    writer.start()
    assert halves.wait(10)
    seen = []
    assert amended(config, locks, lambda content: seen.append(content) or content + b"ours\n") is True
    writer.join()
    assert config.read_bytes() == OLD + b"theirs\nours\n"
    assert seen == [OLD + b"theirs\n"]


def test_h7_what_a_program_undoes_that_had_read_the_file_before_is_written_again(config, locks):
    def change(content: bytes) -> bytes:
        return content if b"ours\n" in content else content + b"ours\n"

    def theirs() -> None:
        while b"ours\n" not in config.read_bytes():
            time.sleep(0.001)
        config.write_bytes(OLD + b"theirs\n")

    writer = threading.Thread(target=theirs)
    writer.start()
    assert files.amend(config, change, lock_dir=locks, deadline=Deadline(60), is_shared=True) is True
    writer.join()
    assert config.read_bytes() == OLD + b"theirs\nours\n"


def test_h7_what_a_program_makes_unreadable_afterwards_is_said_and_not_called_unchanged(config, locks):
    def change(content: bytes) -> bytes:
        if content.startswith(b"broken"):
            raise RefusedError("config does not parse")
        return content if b"ours\n" in content else content + b"ours\n"

    def theirs() -> None:
        while b"ours\n" not in config.read_bytes():
            time.sleep(0.001)
        config.write_bytes(b"broken\n")

    writer = threading.Thread(target=theirs)
    writer.start()
    with pytest.raises(AwsssoError, match="was written, but config does not parse") as told:
        files.amend(config, change, lock_dir=locks, deadline=Deadline(60), is_shared=True)
    writer.join()
    assert told.value.exit_status == 1


@pytest.mark.parametrize("name", [".config.swp", ".#config", "#config#"])
def test_h7_the_mark_of_an_editor_is_seen_beside_the_file_and_where_its_link_leads(config, home, name):
    link = home / "elsewhere" / "config"
    link.parent.mkdir()
    link.symlink_to(config)
    assert files.editors_of(config) == files.editors_of(link) == []
    # Emacs's is a link to no file.
    (config.parent / name).symlink_to("somebody@somewhere.4711")
    assert files.editors_of(config) == files.editors_of(link) == [name]


def test_h7_parallel_amenders_lose_no_update(config, locks, home):
    link = home / "link"
    link.symlink_to(config)
    program = (
        "for number in range(10):\n"
        "    files.amend(Path(sys.argv[1]), lambda content: content + f'{sys.argv[3]} {number}\\n'.encode(),\n"
        "                lock_dir=Path(sys.argv[2]), deadline=Deadline(60))\n"
    )
    writers = [started(program, (config, link)[number % 2], locks, number) for number in range(6)]
    for writer in writers:
        begin(writer)
    assert [outcome(writer)[0] for writer in writers] == [0] * 6
    lines = config.read_bytes()[len(OLD) :].decode().splitlines()
    assert sorted(lines) == sorted(f"{writer} {number}" for writer in range(6) for number in range(10))
    assert link.is_symlink()


def test_h1_readers_see_the_old_file_or_the_new_one(config):
    writer = started(
        "for number in range(400): files.replace(Path(sys.argv[1]), (b'old\\n' * 700, b'new\\n' * 1500)[number % 2])\n"
        "print('done', flush=True)",
        config,
    )
    begin(writer)
    wrong: list[bytes] = []
    seen: set[bytes] = set()

    def read() -> None:
        while writer.poll() is None:
            content = config.read_bytes()
            seen.add(content)
            if content not in (OLD, NEW):
                wrong.append(content)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    assert outcome(writer) == (0, "done\n")
    for reader in readers:
        reader.join()
    assert wrong == []
    assert seen == {OLD, NEW}


# Locks


def test_a_lock_is_waited_for_until_the_deadline_and_no_longer(locks):
    with files.locked(locks / "lock", Deadline(SECONDS)):
        with pytest.raises(BusyError), files.locked(locks / "lock", Deadline(0.05)):
            pass
        with files.locked(locks / "other", Deadline(0.0)):
            pass
    with files.locked(locks / "lock", Deadline(0.0)):
        pass
    assert names(locks) == ["lock", "other"]


def test_a_lock_ends_with_its_holder_but_not_with_the_programs_it_started(locks):
    holder = started(
        "import subprocess\n"
        "with files.locked(Path(sys.argv[1]), Deadline(30)):\n"
        "    child = subprocess.Popen(['sleep', '60'], close_fds=False)\n"
        "    print(child.pid, flush=True)\n"
        "    time.sleep(60)\n",
        locks / "lock",
    )
    begin(holder)
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(BusyError), files.locked(locks / "lock", Deadline(0.05)):
            pass
        holder.kill()
        holder.wait()
        with files.locked(locks / "lock", Deadline(SECONDS)):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        holder.communicate()


def test_a_lock_file_that_is_a_link_is_refused(locks, home):
    files.private_dir(locks)
    (home / "precious").write_bytes(OLD)
    (locks / "lock").symlink_to(home / "precious")
    with pytest.raises(RefusedError), files.locked(locks / "lock", Deadline(SECONDS)):
        pass
    assert (home / "precious").read_bytes() == OLD


# Kills and errors

AMEND = (
    "try: print(files.amend(Path(sys.argv[1]), lambda content: b'new\\n' * 1500, lock_dir=Path(sys.argv[2]),\n"
    "                       deadline=Deadline(30)))\n"
    "except AwsssoError as error: print(error.exit_status, error.message)\n"
    "sys.stdout.flush(); os._exit(0)\n"
)
CALLS = ("openat", "flock", "write", "fchmod", "fsync", "rename", "close", "newfstatat,fstat,stat", "getrandom,read")


def followed(process: subprocess.Popen[str], trace: Path, calls: str, injection: str) -> subprocess.Popen[str]:
    """Put strace on a process that has not begun."""
    tracer = subprocess.Popen(
        ["strace", "-o", trace, "-e", f"trace={calls}", "-e", f"inject={calls}:{injection}", "-p", str(process.pid)],
        stderr=subprocess.PIPE,
        text=True,
    )
    first = tracer.stderr.readline()
    if "attached" not in first:
        process.kill()
        process.communicate()
        tracer.communicate()
        pytest.skip(f"strace may not trace here: {first.strip()}")
    return tracer


def traced(config: Path, locks: Path, calls: str, injection: str) -> tuple[int, str, bool]:
    """Amend under strace; give exit status, output, and whether the injection came to pass."""
    trace = config.parent.parent / "trace"
    process = started(AMEND, config, locks)
    tracer = followed(process, trace, calls, injection)
    status, output = outcome(process)
    tracer.communicate(timeout=60)
    text = trace.read_text()
    return status, output, "(INJECTED)" in text or "killed by SIGKILL" in text


@pytest.fixture
def strace():
    if shutil.which("strace") is None:
        pytest.skip("strace not installed (apt-get install strace)")


@pytest.mark.parametrize("calls", CALLS)
def test_h1_a_kill_at_any_system_call_leaves_the_old_file_or_the_new_one(config, locks, strace, calls):
    for number in range(1, 60):
        config.write_bytes(OLD)
        status, output, was_killed = traced(config, locks, calls, f"signal=KILL:when={number}")
        assert config.read_bytes() in (OLD, NEW)
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
        if not was_killed:
            break
        assert status == -signal.SIGKILL
        # The next amender is not kept waiting, and takes away what was left, secrets and all.
        amended(config, locks, lambda content: content + b"#")
        assert names(config.parent) == ["config"]
    assert number > 1
    assert (status, output) == (0, "True\n")


ERRORS = [
    ("openat", ("EACCES", "EMFILE", "EROFS")),
    ("flock", ("ENOLCK",)),
    ("write", ("ENOSPC", "EIO", "EDQUOT")),
    ("fchmod", ("EPERM",)),
    ("fsync", ("EIO",)),
    ("rename", ("EBUSY", "EXDEV", "EACCES", "ESTALE")),
    ("close", ("EIO",)),
    ("newfstatat,fstat,stat", ("ENOMEM",)),
]


@pytest.mark.parametrize(("calls", "errors"), ERRORS)
def test_h11_an_error_at_any_system_call_is_told_and_changes_nothing_or_is_survived(
    config, locks, strace, calls, errors
):
    came = 0
    for error in errors:
        for number in range(1, 60):
            config.write_bytes(OLD)
            config.chmod(0o640)
            status, output, was_injected = traced(config, locks, calls, f"error={error}:when={number}")
            if not was_injected:
                break
            if "True" in output or "did not confirm" in output:
                expected = NEW
            else:
                expected = OLD
                assert output == "" or output.startswith("6 cannot ")
            assert config.read_bytes() == expected
            assert stat.S_IMODE(config.stat().st_mode) == 0o640
            assert names(config.parent) == ["config"]
            # An error of the very last writes, of our own answer to a closed pipe, is not ours to tell.
            assert status == 0 or calls == "write"
            came += 1
    assert came >= len(errors)


def test_h1_the_new_file_is_on_disk_before_it_takes_the_place_and_the_place_before_we_say_so(config, locks, strace):
    # A power cut shows what this order prevents, on ext4 (noauto_da_alloc) and XFS; a test cannot cut the power.
    traced(config, locks, "fsync,rename,write", "delay_enter=0:when=1")
    trace = (config.parent.parent / "trace").read_text().splitlines()
    calls = [line.partition("(")[0] for line in trace if line.startswith(("write(", "fsync(", "rename("))]
    assert calls == ["write", "fsync", "rename", "fsync", "write"]


def test_h11_a_full_disk_leaves_the_old_file(config, locks):
    process = started(
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n" + AMEND,
        config,
        locks,
    )
    assert outcome(process) == (0, f"6 cannot replace {config}: File too large\n")
    assert config.read_bytes() == OLD
    assert names(config.parent) == ["config"]


def test_h1_a_kill_at_a_random_moment_leaves_the_old_file_or_the_new_one(config):
    chance = random.Random(8)
    program = (
        "for number in range(10**6):\n"
        "    files.replace(Path(sys.argv[1]), (b'old\\n' * 700, b'new\\n' * 1500)[number % 2])\n"
        "    print(number, flush=True)\n"
    )
    for _ in range(12):
        writer = started(program, config)
        begin(writer)
        for _ in range(chance.randrange(1, 40)):
            writer.stdout.readline()
        writer.kill()
        writer.communicate()
        assert config.read_bytes() in (OLD, NEW)
    files.sweep(config.parent)
    assert names(config.parent) == ["config"]


# Sweeping


def test_g9_a_sweep_takes_what_a_kill_left_and_nothing_else(config, home):
    left = config.with_name(".config.awssso-0123456789abcdef.tmp")
    left.write_bytes(NEW)
    kept = [
        config.with_name("config.awssso-0123456789abcdef.tmp"),
        config.with_name(".config.awssso-0123456789abcdeg.tmp"),
        config.with_name(".config.awssso-0123456789abcdef.tmp~"),
        config.with_name(".config.awssso-1111111111111111.tmp"),
        config.with_name(".config.awssso-2222222222222222.tmp"),
        config.with_name(".config.awssso-3333333333333333.tmp"),
    ]
    for path in kept[:3]:
        path.write_bytes(OLD)
    kept[3].symlink_to(config)
    os.mkfifo(kept[4])
    (home / "precious").write_bytes(OLD)
    os.link(home / "precious", kept[5])
    assert files.sweep(config.parent) == 1
    assert names(config.parent) == sorted(["config", *(path.name for path in kept)])
    assert files.sweep(home / "missing") == 0


def test_g9_a_sweep_leaves_other_users_files_alone(config):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to somebody else")
    theirs = config.with_name(".config.awssso-0123456789abcdef.tmp")
    theirs.write_bytes(NEW)
    os.chown(theirs, 1234, 1234)
    assert files.sweep(config.parent) == 0
    assert theirs.exists()


def test_g9_a_sweep_disturbs_no_writer(config):
    writer = started(
        "for number in range(300): files.replace(Path(sys.argv[1]), b'%d' % number)\nprint('done')", config
    )
    begin(writer)
    swept = 0
    while writer.poll() is None:
        swept += files.sweep(config.parent)
    assert outcome(writer) == (0, "done\n")
    assert config.read_bytes() == b"299"
    assert names(config.parent) == ["config"]


def test_a_sweep_between_the_creation_and_the_lock_of_a_temporary_file_disturbs_no_writer(config, home, strace):
    writer = started("files.replace(Path(sys.argv[1]), b'new')\nprint('done')", config)
    tracer = followed(writer, home / "trace", "flock", "delay_enter=300000:when=1")
    begin(writer)
    swept = 0
    while writer.poll() is None:
        swept += files.sweep(config.parent)
    tracer.communicate(timeout=60)
    # A writer that is put aside just then may lose its second file too.
    assert swept >= 1
    assert outcome(writer) == (0, "done\n")
    assert config.read_bytes() == b"new"
    assert names(config.parent) == ["config"]
