"""The agent: `credentials` behind a unix socket, what ssh-agent is to keys.

Role credentials are in its memory only. It keeps those that are in use fresh ahead of time, makes many askers cost
one call, and ends by itself. One thread serves all sockets; calls that may take time are made by pools.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import importlib
import json
import math
import os
import queue
import selectors
import signal
import socket
import stat
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from awssso_helper import detached, files, memory_vault, warm
from awssso_helper.agent_client import peer_pid
from awssso_helper.credentials import Credentials
from awssso_helper.errors import (
    AwsssoError,
    BusyError,
    KeyringError,
    NetworkError,
    RefusedError,
)
from awssso_helper.model import Deadline, Role, Secret, unquoted_word, utc_text
from awssso_helper.role_cache import MemoryCache
from awssso_helper.store import Store
from awssso_helper.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from awssso_helper.environment import Environment
    from awssso_helper.settings import Settings

_WORKERS = 16
_RENEWERS = 4
_MOST_CONNECTIONS = 512
_FILES_FOR_OURSELVES = 64
_LONGEST_REQUEST = 4096
_REQUEST_SECONDS = 2.0
# How often connections are looked at while there are any, and the rest of the world.
_SWEEP_SECONDS = 0.1
_ROUND_SECONDS = 2.0
_BEAT_SECONDS = 1.0
# Credentials that were asked for this lately are kept fresh.
_LATELY = 3600.0
# How long before they would be too old to give, and how long to leave them alone after a try.
_AHEAD = 300.0
_PAUSE = 60.0
# A fetch ends so long before its asker's time, so that what is wrong can be said in its own words ...
_TIME_TO_SPEAK = 0.3
# ... and where it does not come back even so (a name server), the asker hears that.
_LAST_WORD = 0.15
# The part of that time which the keyring may take.
_KEYRING_SHARE = 0.4
_RENEW_SECONDS = 60.0
# With nothing in hand (signed out, or the session ended) there is nothing to stay for.
_EMPTY_SECONDS = 600.0
# What is on its way at the end may be a refreshed token that is not stored yet.
_LAST_SECONDS = 5.0
_SUCCESSION_SECONDS = 2 * _LAST_SECONDS
_AUDIT_LIMIT = 10 << 20


@dataclass(slots=True, eq=False)
class _Asker:
    """One connection: what came so far, what is still to go, until when it may take; which role it waits for."""

    connection: socket.socket
    pid: int
    ends_at: float
    received: bytearray = field(default_factory=bytearray)
    to_send: bytes = b""
    means: bytes = b""
    is_served: bool = False
    role: Role | None = None
    next_beat: float = math.inf


@dataclass(slots=True, eq=False)
class _Room:
    """What we hold of one SSO session. To forget it is to take a new one: what is on its way ends in the old."""

    credentials: Credentials
    cache: MemoryCache


@dataclass(slots=True)
class _Outcome:
    """What a fetch came to: the document, or the error."""

    document: Secret | None = None
    error: AwsssoError | None = None


# A role whose credentials are renewed, or a session whose token is.
_Renewed: TypeAlias = "Role | str"


class _PatientStore(Store):
    """The store for askers who wait: a keyring that hangs leaves time to say so."""

    # What a read may take is cut already, here below.
    reading_share = 1.0

    def get(self, key: str, deadline: Deadline) -> str | None:
        return super().get(key, deadline.sooner(deadline.remaining() * _KEYRING_SHARE))


class Agent:
    """The resident. `serve` returns when it is time to go."""

    def __init__(self, environment: Environment, settings: Settings, door: Door) -> None:
        self._environment = environment
        self._settings = settings
        self._door = door
        # The sessions themselves, where the settings have us hold them.
        self._memory = memory_vault.OwnMemory() if settings.keyring == memory_vault.MEMORY else None
        self._store = _PatientStore(environment, settings.keyring, may_prompt=False, memory=self._memory)
        self._keyring = "not asked yet"
        variables = environment.as_bytes()
        self._place, self._means = warm.place(variables), warm.means(variables)
        self._rooms: dict[str, _Room] = {}
        self._used: dict[Role, float] = {}
        self._rests: dict[_Renewed, float] = {}
        self._fetching: dict[Role, _Room] = {}
        self._renewing: dict[_Renewed, _Room] = {}
        self._selector = selectors.DefaultSelector()
        self._askers: dict[socket.socket, _Asker] = {}
        self._most_askers = _most_connections()
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._jobs: set[Future[None]] = set()
        self._fetchers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="fetch")
        # Apart, so that renewals that hang never keep an asker waiting.
        self._renewers = ThreadPoolExecutor(_RENEWERS, thread_name_prefix="renew")
        self._wake_in, self._wake_out = socket.socketpair()
        self._settings_seen = self._seen_settings()
        self._started_at = time.time()
        self._last_asked = time.monotonic()
        self._next_sweep = self._next_round = 0.0
        self._is_ending = False

    def serve(self) -> None:
        """Answer until a signal, a request, long idleness or the end of all sessions ends it."""
        for each in (self._door.listener, self._wake_in, self._wake_out):
            each.setblocking(False)
        for each in (self._door.listener, self._wake_in):
            self._selector.register(each, selectors.EVENT_READ)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end_on_signal)
        signal.set_wakeup_fd(self._wake_out.fileno(), warn_on_full_buffer=False)
        self._begin(self._renewers, _get_ready)
        while not self._is_ending:
            for key, _ in self._selector.select(_SWEEP_SECONDS if self._askers else _ROUND_SECONDS):
                self._attend(key.fileobj)
            for chore in (self._do_posted, self._sweep, self._look_around):
                # An agent outlives a mistake of ours; whoever waits for what was lost is dropped in time.
                with contextlib.suppress(Exception):
                    chore()
        self._end()

    def _end_on_signal(self, *_: object) -> None:
        self._is_ending = True

    def _end(self) -> None:
        """Take leave: nobody finds us any more, all is forgotten, and what is on its way may still be stored."""
        self._shut_the_door()
        self._rooms.clear()
        for asker in list(self._askers.values()):
            self._hang_up(asker)
        for pool in (self._fetchers, self._renewers):
            pool.shutdown(wait=False, cancel_futures=True)
        concurrent.futures.wait([job for job in self._jobs if not job.cancelled()], _LAST_SECONDS)

    def _shut_the_door(self) -> None:
        """Let nobody in any more: before an answer that sends its asker to the next agent, so that it finds none."""
        self._is_ending = True
        if self._door.listener.fileno() >= 0:
            self._selector.unregister(self._door.listener)
        self._door.close()

    # Sockets

    def _attend(self, source: Any) -> None:
        asker = self._askers.get(source)
        try:
            if source is self._door.listener:
                self._accept()
            elif source is self._wake_in:
                self._wake_in.recv(4096)
            elif asker is not None and asker.to_send:
                self._send(asker)
            elif asker is not None:
                self._receive(asker)
        except BlockingIOError:
            return
        except Exception:  # noqa: BLE001 - one asker must not end the agent for all
            if asker is not None:
                self._hang_up(asker)

    def _accept(self) -> None:
        try:
            connection, _ = self._door.listener.accept()
        except BlockingIOError:
            return
        except OSError:
            # Out of files, most likely: somebody has to go.
            if not self._makes_room():
                time.sleep(_SWEEP_SECONDS)
            return
        if warm.peer_uid(connection) != os.geteuid() or not self._has_room():
            connection.close()
            return
        connection.setblocking(False)
        asker = _Asker(connection, peer_pid(connection), time.monotonic() + _REQUEST_SECONDS)
        self._askers[connection] = asker
        self._selector.register(connection, selectors.EVENT_READ)
        # The request is mostly here already: one turn of the loop less.
        self._attend(connection)

    def _has_room(self) -> bool:
        return len(self._askers) < self._most_askers or self._makes_room()

    def _makes_room(self) -> bool:
        """Hang up on the oldest of those who have not said what they want; says whether there was one."""
        for asker in self._askers.values():
            if not asker.is_served:
                self._hang_up(asker)
                return True
        return False

    def _receive(self, asker: _Asker) -> None:
        piece = asker.connection.recv(_LONGEST_REQUEST + 1)
        asker.received += piece
        if not piece or len(asker.received) > _LONGEST_REQUEST:
            self._hang_up(asker)
        elif asker.received.endswith(b"\n") and not asker.is_served:
            asker.is_served = True
            asker.ends_at = time.monotonic() + _REQUEST_SECONDS
            self._serve(asker, bytes(asker.received[:-1]).split(b" "))

    def _answer(self, asker: _Asker, answer: bytes) -> None:
        if asker.connection not in self._askers:
            return
        asker.role = None
        asker.to_send = answer
        self._send(asker)

    def _send(self, asker: _Asker) -> None:
        try:
            sent = asker.connection.send(asker.to_send)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._hang_up(asker)
            return
        asker.to_send = asker.to_send[sent:]
        if not asker.to_send:
            self._hang_up(asker)
            return
        asker.ends_at = time.monotonic() + _REQUEST_SECONDS
        self._selector.modify(asker.connection, selectors.EVENT_WRITE)

    def _hang_up(self, asker: _Asker) -> None:
        if self._askers.pop(asker.connection, None):
            self._selector.unregister(asker.connection)
            asker.connection.close()

    def _sweep(self) -> None:
        """Drop who is too slow, and give those whose time is over the last word."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + _SWEEP_SECONDS
        for asker in list(self._askers.values()):
            if asker.ends_at < now:
                self._give_up(asker)
            elif asker.next_beat < now:
                asker.next_beat = now + _BEAT_SECONDS
                with contextlib.suppress(OSError):
                    asker.connection.send(b" ")

    def _give_up(self, asker: _Asker) -> None:
        if asker.role is None:
            self._hang_up(asker)
            return
        standby = self._usable(asker.role)
        late = NetworkError("no answer in time", hint="awssso status")
        self._answer(asker, _refusal(late) if standby is None else _document(standby))

    # Requests

    def _serve(self, asker: _Asker, words: list[bytes]) -> None:
        if len(words) < 5 or words[0] != b"awssso":  # noqa: PLR2004 - name, version, place, means, verb
            self._hang_up(asker)
            return
        version, place, asker.means, verb, rest = words[1], words[2], words[3], words[4], words[5:]
        is_outdated = version != warm.VERSION.encode() or not self._fits_settings()
        # Who only looks at an agent ends none, least of all from another installation.
        if is_outdated and verb != b"status":
            # An upgrade, or other settings: the asker goes on without us, and starts one of its own kind.
            self._shut_the_door()
            self._answer(asker, b"0\n" if verb == b"stop" else warm.MISS + b"\n")
            return
        if (verb == b"get" or verb in memory_vault.VERBS) and place != self._place:
            self._answer(asker, warm.MISS + b"\n")
            return
        self._last_asked = time.monotonic()
        try:
            self._do(asker, verb, rest)
        except AwsssoError as error:
            self._answer(asker, _refusal(error))

    def _do(self, asker: _Asker, verb: bytes, rest: Sequence[bytes]) -> None:
        if verb == b"get" and len(rest) in (1, 2):
            seconds = _seconds(rest[1]) if len(rest) > 1 else math.inf
            self._give(asker, Role.from_word(rest[0].decode("utf-8", "replace")), seconds)
        elif verb == b"forget" and len(rest) == 1:
            self._forget(unquoted_word(rest[0].decode("ascii", "replace")))
            self._answer(asker, b"0\n")
        elif verb == b"status":
            self._answer(asker, b"0" + json.dumps(self._facts()).encode() + b"\n")
        elif verb == b"stop":
            self._shut_the_door()
            self._answer(asker, b"0\n")
        elif verb in memory_vault.VERBS and self._memory is not None:
            self._answer(asker, self._memory.answer(verb, list(rest)) + b"\n")
        else:
            self._answer(asker, warm.MISS + b"\n")

    def _give(self, asker: _Asker, role: Role, seconds: float) -> None:
        now = time.monotonic()
        self._audit(asker, role)
        self._used[role] = now
        room = self._room(role.session)
        cached = room.cache.get(role)
        if cached is not None and room.credentials.is_fresh(cached):
            self._answer(asker, _document(cached.text))
            return
        asker.role = role
        asker.ends_at = now + min(seconds, self._settings.deadline) - _LAST_WORD
        if self._settings.deadline > warm.PATIENCE:
            asker.next_beat = now + _BEAT_SECONDS
        self._fetch(role)

    def _room(self, session: str) -> _Room:
        if session not in self._rooms:
            cache = MemoryCache()
            credentials = Credentials.of_user(self._environment, self._settings, self._store, cache=cache, stays=True)
            self._rooms[session] = _Room(credentials, cache)
        return self._rooms[session]

    def _usable(self, role: Role) -> Secret | None:
        room = self._rooms.get(role.session)
        cached = room.cache.get(role) if room else None
        return cached.text if room and cached and room.credentials.is_usable(cached) else None

    def _fetch(self, role: Role) -> None:
        if role in self._fetching:
            return
        room = self._room(role.session)
        self._begin(self._fetchers, functools.partial(self._fetched, role, room))
        self._fetching[role] = room

    def _fetched(self, role: Role, room: _Room) -> None:
        """Run in a pool; the outcome goes back to the serving thread."""
        deadline = Deadline(self._settings.deadline - _TIME_TO_SPEAK)
        outcome = _outcome_of(lambda: room.credentials.document(role, deadline))
        self._post(functools.partial(self._deliver, role, room, outcome))
        self._keyring = _keyring_name(self._store)

    def _deliver(self, role: Role, room: _Room, outcome: _Outcome) -> None:
        if self._fetching.get(role) is not room:
            # Forgotten meanwhile: this may be another person's by now.
            return
        del self._fetching[role]
        if outcome.document is None:
            self._used.pop(role, None)
        for asker in [each for each in self._askers.values() if each.role == role]:
            self._answer(asker, self._words(asker, outcome))

    def _words(self, asker: _Asker, outcome: _Outcome) -> bytes:
        if outcome.document is not None:
            return _document(outcome.document)
        error = outcome.error or NetworkError("no answer")
        if isinstance(error, (KeyringError, NetworkError)) and asker.means != self._means:
            # It may reach what we cannot; with nothing in hand we make place for an agent of its kind.
            if not self._held():
                self._shut_the_door()
            return warm.MISS + b"\n"
        return _refusal(error)

    def _forget(self, session: str) -> None:
        """Drop all of a session; who waits gets what is valid now."""
        self._rooms.pop(session, None)
        for renewed in [each for each in self._renewing if _session_of(each) == session]:
            del self._renewing[renewed]
        self._used = {role: used for role, used in self._used.items() if role.session != session}
        waiting = {asker.role for asker in self._askers.values() if asker.role and asker.role.session == session}
        for role in [each for each in self._fetching if each.session == session]:
            del self._fetching[role]
        for role in waiting:
            self._fetch(role)

    # Between the threads

    def _begin(self, pool: ThreadPoolExecutor, job: Callable[[], None]) -> None:
        """Have a pool do it.

        Raises:
            AwsssoError: there is no thread to be had.
        """
        self._jobs = {each for each in self._jobs if not each.done()}
        try:
            self._jobs.add(pool.submit(job))
        except RuntimeError as error:
            raise AwsssoError("the agent gets no thread", hint="awssso agent stop") from error

    def _post(self, call: Callable[[], None]) -> None:
        """Have the serving thread do it."""
        self._posted.put(call)
        with contextlib.suppress(OSError):
            self._wake_out.send(b"\0")

    def _do_posted(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._posted.get_nowait()()

    # What it does by itself

    def _look_around(self) -> None:
        now = time.monotonic()
        if now < self._next_round:
            return
        self._next_round = now + _ROUND_SECONDS
        if self._has_reason_to_end(now - self._last_asked):
            self._is_ending = True
            return
        self._used = {role: used for role, used in self._used.items() if now - used < _LATELY}
        self._rests = {each: until for each, until in self._rests.items() if now < until}
        self._rooms = {session: room for session, room in self._rooms.items() if self._is_needed(session, room)}
        for role in self._used:
            self._renew_if_ageing(role)

    def _has_reason_to_end(self, idle: float) -> bool:
        limit = self._settings.agent_idle if self._held() or self._holds_sessions() else _EMPTY_SECONDS
        return idle > limit or not self._door.is_open() or not self._fits_settings()

    def _holds_sessions(self) -> bool:
        return self._memory is not None and not self._memory.is_empty()

    def _fits_settings(self) -> bool:
        """Say whether we are what the settings file asks for; with sessions in hand we follow it instead of ending."""
        seen = self._seen_settings()
        if seen == self._settings_seen:
            return True
        if not self._holds_sessions():
            return False
        from awssso_helper import settings as own_settings  # noqa: PLC0415 - the room, beside the values

        try:
            settings = own_settings.load(self._environment.settings_file)
        except AwsssoError:
            # Whoever asks hears what is wrong from their own process; a slip of the pen costs no session.
            return True
        if settings.keyring != memory_vault.MEMORY or not settings.agent:
            return False
        self._settings, self._settings_seen = settings, seen
        self._rooms.clear()
        return True

    def _is_needed(self, session: str, room: _Room) -> bool:
        return bool(room.cache.held()) or any(role.session == session for role in (*self._used, *self._fetching))

    def _seen_settings(self) -> object:
        """Give what tells whether the settings file is still the one that we read."""
        try:
            status = os.stat(self._environment.settings_file)  # noqa: PTH116 - at each request
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _renew_if_ageing(self, role: Role) -> None:
        room = self._rooms.get(role.session)
        if room is None:
            return
        cached = room.cache.get(role)
        if cached is not None and not room.credentials.is_fresh(cached, ahead=_AHEAD):
            self._renew(role, room, lambda deadline: room.credentials.renew(role, deadline))
        if room.credentials.token_ends_soon(role.session):
            self._renew(role.session, room, lambda deadline: room.credentials.renew_token(role.session, deadline))

    def _renew(self, renewed: _Renewed, room: _Room, call: Callable[[Deadline], None]) -> None:
        if renewed in self._renewing or renewed in self._rests:
            return
        self._begin(self._renewers, functools.partial(self._renewal, renewed, room, call))
        self._renewing[renewed] = room

    def _renewal(self, renewed: _Renewed, room: _Room, call: Callable[[Deadline], None]) -> None:
        """Run in a pool. What fails is tried again after a pause; until then the old is good."""
        with contextlib.suppress(Exception):
            call(Deadline(_RENEW_SECONDS))
        self._post(functools.partial(self._note_renewal, renewed, room))

    def _note_renewal(self, renewed: _Renewed, room: _Room) -> None:
        if self._renewing.get(renewed) is not room:
            return
        del self._renewing[renewed]
        # Also after a success: near the end of a sign-in even a new token is an old one.
        self._rests[renewed] = time.monotonic() + _PAUSE

    # What it tells

    def _held(self) -> dict[Role, int]:
        return {role: end for room in self._rooms.values() for role, end in room.cache.held().items()}

    def _facts(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "version": warm.VERSION,
            "started": utc_text(self._started_at),
            "keyring": self._keyring,
            "holds_sessions": self._holds_sessions(),
            "roles": [{"role": role.word(), "expires": utc_text(end)} for role, end in sorted(self._held().items())],
        }

    def _audit(self, asker: _Asker, role: Role) -> None:
        if not self._settings.agent_audit:
            return
        parent = _parent(asker.pid)
        line = {
            "time": utc_text(time.time()),
            "role": role.word(),
            "pid": asker.pid,
            "executable": _executable(asker.pid),
            "parent_pid": parent,
            "parent_executable": _executable(parent),
        }
        _append(self._environment.audit_file, json.dumps(line))


def _get_ready() -> None:
    """Load the way to AWS now, beside the way to the keyring, and not when somebody waits for both."""
    importlib.import_module("awssso_helper.identity_center")


def _session_of(renewed: _Renewed) -> str:
    return renewed if isinstance(renewed, str) else renewed.session


def _outcome_of(call: Callable[[], Secret]) -> _Outcome:
    try:
        return _Outcome(document=call())
    except AwsssoError as error:
        return _Outcome(error=error)
    except Exception as error:  # noqa: BLE001 - an agent outlives a mistake of ours; the asker hears its type
        return _Outcome(error=AwsssoError(f"unexpected {type(error).__name__} in the agent", hint="awssso agent stop"))


def _seconds(word: bytes) -> float:
    """Read how long the asker waits; what is no number of seconds is no limit."""
    try:
        seconds = float(word)
    except ValueError:
        return math.inf
    return seconds if seconds > 0 else math.inf


def _document(text: Secret) -> bytes:
    return b"0" + text.reveal().encode("ascii") + b"\n"


def _refusal(error: AwsssoError) -> bytes:
    return b"%d%s\n" % (min(error.exit_status, 9), one_line(error).encode("ascii", "replace"))


def _keyring_name(store: Store) -> str:
    try:
        return store.backend_name()
    except KeyringError as error:
        return error.message


def _most_connections() -> int:
    """Give how many connections we may hold, with as many files allowed as the system lets us."""
    import resource  # noqa: PLC0415 - POSIX only

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _FILES_FOR_OURSELVES
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(hard, wanted), hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if soft < 0 else max(8, min(_MOST_CONNECTIONS, soft - _FILES_FOR_OURSELVES))


# Who asks


def _executable(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/exe").readlink()) if pid else ""
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(text.rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _append(path: Path, line: str) -> None:
    """Add a line to a file that is ours and stays below a size: a full one becomes the former one."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with contextlib.suppress(OSError):
        descriptor = os.open(path, flags, 0o600)
        try:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                os.write(descriptor, f"{line}\n".encode())
            if status.st_size > _AUDIT_LIMIT:
                path.replace(path.with_name(f"{path.name}.1"))
        finally:
            os.close(descriptor)


# Being the process


def main() -> int:
    """Be the agent as a process of its own. Gives the exit status; what is wrong is said in one line."""
    from awssso_helper import settings as own_settings  # noqa: PLC0415 - the room, beside the values that we are given
    from awssso_helper.environment import Environment  # noqa: PLC0415 - as above

    environment = Environment()
    try:
        return run(environment, own_settings.load(environment.settings_file))
    except AwsssoError as error:
        with contextlib.suppress(OSError):
            os.write(2, f"{one_line(error)}\n".encode("ascii", "replace"))
        return error.exit_status


def run(environment: Environment, settings: Settings) -> int:
    """Be the agent. Gives the exit status; 0 also when another one serves already.

    Raises:
        RefusedError: there is no place for its socket.
    """
    detached.settle()
    files.sweep_all(environment)
    lock = files.private_dir(environment.lock_dir) / "agent.lock"
    try:
        # One that is about to end holds it still.
        with files.locked(lock, Deadline(0 if _is_answering(environment) else _SUCCESSION_SECONDS)):
            door = Door.opened(environment)
            try:
                Agent(environment, settings, door).serve()
            finally:
                door.close()
    except BusyError:
        pass
    return 0


def _is_answering(environment: Environment) -> bool:
    connection = warm.connected(environment.as_bytes(), _TIME_TO_SPEAK)
    if connection is not None:
        connection.close()
    return connection is not None


class Door:
    """The socket in the file system. It may be taken away from us, or put by somebody else in its place."""

    def __init__(self, listener: socket.socket, path: Path) -> None:
        self.listener = listener
        self._path = path
        self._identity = _identity(path)

    @classmethod
    def opened(cls, environment: Environment) -> Door:
        """Bind in the first directory that is ours alone, or can be made so.

        Raises:
            RefusedError: there is none.
        """
        variables = environment.as_bytes()
        for raw in warm.directories(variables):
            with contextlib.suppress(RefusedError, OSError):
                return cls._opened_in(raw, is_runtime=raw == warm.directories(variables)[0])
        raise RefusedError("there is no private directory for the agent's socket", hint="set XDG_RUNTIME_DIR")

    @classmethod
    def _opened_in(cls, raw: bytes, *, is_runtime: bool) -> Door:
        directory = Path(os.fsdecode(raw))
        if is_runtime and not directory.parent.is_dir():
            # The system makes runtime directories. One of ours would be in its way.
            raise RefusedError(f"there is no {directory.parent}")
        files.private_dir(directory)
        path = directory / "agent.sock"
        _demand_nobody(raw)
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            warm.at_address(raw, listener.bind)
            path.chmod(0o600)
            listener.listen(_MOST_CONNECTIONS)
        except OSError:
            listener.close()
            raise
        return cls(listener, path)

    def is_open(self) -> bool:
        """Say whether our socket is still in its place; else nobody can find us."""
        return self._identity is not None and _identity(self._path) == self._identity

    def close(self) -> None:
        """Take the socket away, if it is ours still."""
        if self.is_open():
            with contextlib.suppress(OSError):
                self._path.unlink()
        self.listener.close()


def _demand_nobody(directory: bytes) -> None:
    """Make sure that nobody serves there: an agent with another state directory, and so with another lock."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            warm.at_address(directory, connection.connect)
        except OSError:
            return
    raise RefusedError("another agent serves there")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISSOCK(status.st_mode) else None
