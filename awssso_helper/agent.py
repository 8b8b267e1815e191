"""The agent: `credentials` behind a unix socket, what ssh-agent is to keys.

Role credentials are in its memory only. It keeps those that are in use fresh ahead of time, makes many askers cost
one call, and ends by itself. One thread serves all sockets; calls that may take time are made by a pool.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import selectors
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from awssso_helper import files, warm
from awssso_helper.agent_client import as_bytes
from awssso_helper.credentials import Credentials
from awssso_helper.errors import AwsssoError, BusyError, KeyringError, RefusedError
from awssso_helper.model import Deadline, Role, Secret, unquoted_word, utc_text
from awssso_helper.role_cache import CachedDocument, MemoryCache
from awssso_helper.store import Store
from awssso_helper.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awssso_helper.environment import Environment
    from awssso_helper.settings import Settings

_WORKERS = 16
_MOST_CONNECTIONS = 512
_LONGEST_REQUEST = 4096
_REQUEST_SECONDS = 2.0
_TICK_SECONDS = 1.0
_ROUND_SECONDS = 15.0
# Credentials that were asked for this lately are kept fresh.
_LATELY = 3600.0
# How long before they would be too old to give, and how long to leave a role alone after a failure.
_AHEAD = 300.0
_PAUSE = 60.0
_TIME_TO_SPEAK = 0.3
_RENEW_SECONDS = 60.0
# With nothing in hand (signed out, or the session ended) there is nothing to stay for.
_EMPTY_SECONDS = 600.0
_AUDIT_LIMIT = 10 << 20


@dataclass(slots=True)
class _Asker:
    """One connection: what came so far, what is still to go, until when it may take."""

    connection: socket.socket
    pid: int
    ends_at: float
    received: bytearray = field(default_factory=bytearray)
    is_served: bool = False


@dataclass(slots=True)
class _Use:
    """How a role is used: when it was last asked for (monotonic), and until when it is left alone."""

    asked_at: float
    rests_until: float = 0.0


class Agent:
    """The resident. `serve` returns when it is time to go."""

    def __init__(self, environment: Environment, settings: Settings, listener: socket.socket) -> None:
        self._environment = environment
        self._settings = settings
        self._listener = listener
        self._cache = MemoryCache()
        self._store = Store(environment, settings.keyring, may_prompt=False)
        self._credentials = Credentials.of_user(environment, settings, self._store, cache=self._cache)
        self._context = warm.context(as_bytes(environment))
        self._selector = selectors.DefaultSelector()
        self._askers: dict[socket.socket, _Asker] = {}
        self._waiting: dict[Role, list[_Asker]] = {}
        self._uses: dict[Role, _Use] = {}
        self._done: queue.SimpleQueue[tuple[Role, bytes]] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="awssso-agent")
        self._wake_in, self._wake_out = socket.socketpair()
        self._settings_seen = self._seen_settings()
        self._started_at = time.time()
        self._last_asked = time.monotonic()
        self._next_round = time.monotonic() + _ROUND_SECONDS
        self._is_ending = False

    def serve(self) -> None:
        """Answer until a signal, a request, long idleness or the end of all sessions ends it."""
        for each in (self._listener, self._wake_in):
            each.setblocking(False)
            self._selector.register(each, selectors.EVENT_READ)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end_on_signal)
        self._wake_out.setblocking(False)
        signal.set_wakeup_fd(self._wake_out.fileno(), warn_on_full_buffer=False)
        while not self._is_ending:
            for key, _ in self._selector.select(_TICK_SECONDS):
                self._attend(key.fileobj)
            self._deliver()
            self._drop_the_slow()
            self._look_around()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _end_on_signal(self, *_: object) -> None:
        self._is_ending = True

    # Sockets

    def _attend(self, source: Any) -> None:
        if source is self._listener:
            self._accept()
        elif source is self._wake_in:
            with contextlib.suppress(BlockingIOError):
                self._wake_in.recv(4096)
        elif source in self._askers:
            self._receive(self._askers[source])

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if warm.peer_uid(connection) != os.getuid():
            connection.close()
            return
        if len(self._askers) >= _MOST_CONNECTIONS:
            oldest = min((each for each in self._askers.values() if not each.is_served), key=_ends_at, default=None)
            self._hang_up(oldest) if oldest else connection.close()
        connection.setblocking(False)
        asker = _Asker(connection, _peer_pid(connection), time.monotonic() + _REQUEST_SECONDS)
        self._askers[connection] = asker
        self._selector.register(connection, selectors.EVENT_READ)
        # The request is mostly here already: one turn of the loop less.
        self._receive(asker)

    def _receive(self, asker: _Asker) -> None:
        try:
            piece = asker.connection.recv(_LONGEST_REQUEST + 1)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        asker.received += piece
        if not piece or len(asker.received) > _LONGEST_REQUEST:
            self._hang_up(asker)
        elif asker.received.endswith(b"\n") and not asker.is_served:
            asker.is_served = True
            asker.ends_at = time.monotonic() + warm.PATIENCE
            self._serve(asker, bytes(asker.received[:-1]).split(b" "))

    def _answer(self, asker: _Asker, answer: bytes) -> None:
        # A whole answer fits into any socket's buffer; whoever does not take it is not waited for.
        with contextlib.suppress(OSError):
            asker.connection.send(answer)
        self._hang_up(asker)

    def _hang_up(self, asker: _Asker) -> None:
        if self._askers.pop(asker.connection, None):
            self._selector.unregister(asker.connection)
            asker.connection.close()

    def _drop_the_slow(self) -> None:
        now = time.monotonic()
        for asker in [each for each in self._askers.values() if each.ends_at < now]:
            self._hang_up(asker)

    # Requests

    def _serve(self, asker: _Asker, words: list[bytes]) -> None:
        if len(words) < 4 or words[0] != b"awssso":  # noqa: PLR2004 - name, version, context, verb
            self._hang_up(asker)
            return
        version, context, verb, rest = words[1], words[2], words[3], words[4:]
        if version != warm.VERSION.encode():
            # An upgrade: the asker goes on without us, and starts one of its own kind.
            self._answer(asker, warm.MISS + b"\n")
            self._is_ending = True
            return
        if verb == b"get" and context != self._context:
            self._answer(asker, warm.MISS + b"\n")
            return
        self._last_asked = time.monotonic()
        try:
            self._do(asker, verb, rest)
        except AwsssoError as error:
            self._answer(asker, _refusal(error))

    def _do(self, asker: _Asker, verb: bytes, rest: Sequence[bytes]) -> None:
        if verb == b"get" and len(rest) == 1:
            self._give(asker, Role.from_word(rest[0].decode("utf-8", "replace")))
        elif verb == b"forget" and len(rest) == 1:
            self._forget(unquoted_word(rest[0].decode("ascii", "replace")))
            self._answer(asker, b"0\n")
        elif verb == b"status":
            self._answer(asker, b"0" + json.dumps(self._facts()).encode() + b"\n")
        elif verb == b"stop":
            self._answer(asker, b"0\n")
            self._is_ending = True
        else:
            self._answer(asker, warm.MISS + b"\n")

    def _give(self, asker: _Asker, role: Role) -> None:
        self._audit(asker, role)
        use = self._uses.setdefault(role, _Use(0.0))
        use.asked_at = time.monotonic()
        cached = self._cache.get(role)
        if cached is not None and self._credentials.is_fresh(cached):
            self._answer(asker, _document(cached.text))
        elif role in self._waiting:
            self._waiting[role].append(asker)
        else:
            self._waiting[role] = [asker]
            self._pool.submit(self._fetch, role)

    def _fetch(self, role: Role) -> None:
        """Run in the pool; the answer goes back to the serving thread."""
        try:
            deadline = Deadline(self._settings.deadline - _TIME_TO_SPEAK)
            answer = _document(self._credentials.document(role, deadline))
        except AwsssoError as error:
            answer = _refusal(error)
        except Exception as error:  # noqa: BLE001 - an agent outlives a mistake of ours; the asker hears its type
            answer = _refusal(AwsssoError(f"unexpected {type(error).__name__} in the agent", hint="awssso agent stop"))
        self._done.put((role, answer))
        with contextlib.suppress(OSError):
            self._wake_out.send(b"\0")

    def _deliver(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                role, answer = self._done.get_nowait()
                if answer[:1] != b"0" and role in self._uses:
                    self._uses[role].rests_until = time.monotonic() + _PAUSE
                for asker in self._waiting.pop(role, []):
                    self._answer(asker, answer)

    def _forget(self, session: str) -> None:
        self._credentials.forget_session(session)
        self._uses = {role: use for role, use in self._uses.items() if role.session != session}

    # What it does by itself

    def _look_around(self) -> None:
        now = time.monotonic()
        if now < self._next_round:
            return
        self._next_round = now + _ROUND_SECONDS
        if self._has_reason_to_end(now - self._last_asked):
            self._is_ending = True
            return
        for role, use in self._uses.items():
            if now - use.asked_at < _LATELY and now > use.rests_until and self._is_ageing(role):
                self._renew(role)

    def _has_reason_to_end(self, idle: float) -> bool:
        limit = self._settings.agent_idle if self._cache.held() else _EMPTY_SECONDS
        return idle > limit or not _is_still_here(self._listener) or self._settings_seen != self._seen_settings()

    def _seen_settings(self) -> object:
        """Give what tells whether the settings file is still the one that we read."""
        try:
            status = self._environment.settings_file.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _is_ageing(self, role: Role) -> bool:
        cached = self._cache.get(role)
        return cached is not None and not self._credentials.is_fresh(_later(cached))

    def _renew(self, role: Role) -> None:
        if role not in self._waiting:
            self._waiting[role] = []
            self._pool.submit(self._fetch_ahead, role)

    def _fetch_ahead(self, role: Role) -> None:
        try:
            self._credentials.renew(role, Deadline(_RENEW_SECONDS))
        except AwsssoError:
            self._uses[role].rests_until = time.monotonic() + _PAUSE
        self._fetch(role)

    # What it tells

    def _facts(self) -> dict[str, Any]:
        held = self._cache.held()
        return {
            "pid": os.getpid(),
            "version": warm.VERSION,
            "started": utc_text(self._started_at),
            "keyring": _keyring_name(self._store),
            "roles": [{"role": role.word(), "expires": utc_text(end)} for role, end in sorted(held.items())],
        }

    def _audit(self, asker: _Asker, role: Role) -> None:
        if not self._settings.agent_audit:
            return
        line = {
            "time": utc_text(time.time()),
            "role": role.word(),
            "pid": asker.pid,
            "executable": _executable(asker.pid),
            "parent_pid": _parent(asker.pid),
            "parent_executable": _executable(_parent(asker.pid)),
        }
        _append(self._environment.audit_file, json.dumps(line))


def _ends_at(asker: _Asker) -> float:
    return asker.ends_at


def _later(cached: CachedDocument) -> CachedDocument:
    """Give the same as it will be when it is time to have a new one."""
    return CachedDocument(cached.text, cached.fetched_at, int(cached.expires_at - _AHEAD))


def _document(text: Secret) -> bytes:
    return b"0" + text.reveal().encode("ascii") + b"\n"


def _refusal(error: AwsssoError) -> bytes:
    return b"%d%s\n" % (error.exit_status, one_line(error).encode("ascii"))


def _keyring_name(store: Store) -> str:
    try:
        return store.backend_name()
    except KeyringError as error:
        return error.message


def _is_still_here(listener: socket.socket) -> bool:
    """Say whether our socket is still in its place; else nobody can find us (the runtime directory is gone)."""
    try:
        return os.stat(listener.getsockname()).st_uid == os.getuid()  # noqa: PTH116 - the kernel's own form of a path
    except OSError:
        return False


# Who asks


def _peer_pid(connection: socket.socket) -> int:
    if not hasattr(socket, "SO_PEERCRED"):
        return 0
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[:4], sys.byteorder)


def _executable(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/exe").readlink()) if pid else ""
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        return int(
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[1]
        )
    except (OSError, IndexError, ValueError):
        return 0


def _append(path: Path, line: str) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(descriptor).st_size < _AUDIT_LIMIT:
                os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)


# Being the process


def run(environment: Environment, settings: Settings) -> int:
    """Be the agent. Gives the exit status; 0 also when another one serves already."""
    _detach()
    lock = files.private_dir(environment.lock_dir) / "agent.lock"
    try:
        with files.locked(lock, Deadline(0)):
            _serve(environment, settings)
    except BusyError:
        pass
    return 0


def _serve(environment: Environment, settings: Settings) -> None:
    listener, path = _listen(environment)
    try:
        Agent(environment, settings, listener).serve()
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _detach() -> None:
    """Leave the asker's session and files behind, and let nobody look into this process (SECURITY E4)."""
    os.closerange(3, 65536)
    with contextlib.suppress(OSError):
        os.setsid()
    os.chdir("/")
    os.umask(0o077)
    _be_undumpable()


def _be_undumpable() -> None:
    import resource  # noqa: PLC0415 - POSIX only

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        pr_set_dumpable = 4
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_dumpable, 0, 0, 0, 0)


def _listen(environment: Environment) -> tuple[socket.socket, Path]:
    """Bind in the first directory that is ours alone, or can be made so.

    Raises:
        RefusedError: there is none.
    """
    for raw in warm.directories(as_bytes(environment)):
        directory = Path(os.fsdecode(raw))
        if not directory.parent.is_dir():
            continue
        try:
            files.private_dir(directory)
        except RefusedError:
            continue
        path = directory / "agent.sock"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(warm.address(raw))
        path.chmod(0o600)
        listener.listen(_MOST_CONNECTIONS)
        return listener, path
    raise RefusedError("there is no private directory for the agent's socket", hint="set XDG_RUNTIME_DIR")
