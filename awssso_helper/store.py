"""The credential store: get, put and delete a secret in the keyring; what its backends can and cannot do.

An answer comes before the deadline, a value counts as written when it was read back, and a keyring that cannot
be read is never an empty one (SECURITY D1-D8). Only here is `keyring` imported, and only when it is asked.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import re
import sys
import threading
import weakref
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar

from awssso_helper import files, memory_vault
from awssso_helper.errors import (
    AwsssoError,
    BusyError,
    KeyringError,
    KeyringLockedError,
    KeyringMissingError,
    KeyringTimeoutError,
)
from awssso_helper.model import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from keyring.backend import KeyringBackend

    from awssso_helper.environment import Environment

T = TypeVar("T")

SERVICE = "awssso"
PLAINTEXT_FILE = "plaintext-file"
LONGEST_WHOLE = 1280
"""UTF-16 units that every backend keeps in one item: CRED_MAX_CREDENTIAL_BLOB_SIZE of Windows is 2,560 bytes."""

_SECRET_SERVICE = "keyring.backends.SecretService.Keyring"  # noqa: S105 - a class
_KWALLET = "keyring.backends.kwallet.DBusKeyring"
_LIBSECRET = "keyring.backends.libsecret.Keyring"
_MACOS = "keyring.backends.macOS.Keyring"
_WINDOWS = "keyring.backends.Windows.WinVaultKeyring"
_KEEPS_LONG = frozenset({_SECRET_SERVICE, _KWALLET, _LIBSECRET, _MACOS})
_UNSAFE = re.compile(r"plaintext|null|fail|chainer|^keyrings\.alt\.", re.IGNORECASE)

_KEY = re.compile(r"[A-Za-z0-9_:/-]{1,100}")
_HEAD = re.compile(r"awssso-parts:1:([ab]):([0-9]{1,3}):([0-9a-f]{64})")
_HEAD_START = "awssso-parts:"
_GENERATIONS = "ab"
_TRIES = 3
_SECONDS_FOR_A_NAME = 3.0
# A part of the time left is no less than so many seconds, as long as there are so many.
_LEAST_SECONDS = 1.5

_LOCKED = frozenset({"KeyringLocked", "LockedException", "PromptDismissedException", "KeychainDenied"})
_MISSING = frozenset({"NoKeyringError", "InitError", "SecretServiceNotAvailableException"})
_MAC_NOBODY_TO_ASK = -25308  # errSecInteractionNotAllowed: over ssh, or in the background
_UNLOCK_HINT = "unlock the keyring of your desktop session, then try again"


class Store:
    """Secrets by key, kept by the keyring that the settings choose. Any thread may ask.

    A key is a short opaque word of `[A-Za-z0-9_:/-]`: keyrings show it to every program on the bus. A process
    that forks needs a store of its own on each side.
    """

    # Where nobody is asked, a keyring opens in milliseconds, and answers in as many once it is our turn; on a machine
    # that forty calls at once keep busy in seconds. With this part of the time left for either, an SDK whose deadline
    # is the default one hears within 3 seconds that it hangs. A write has more of it: it may be of what a refresh token
    # was used up for.
    reading_share: ClassVar[float] = 0.5
    writing_share: ClassVar[float] = 0.6

    def __init__(
        self, environment: Environment, setting: str, *, may_prompt: bool, memory: memory_vault.OwnMemory | None = None
    ) -> None:
        """Choose by `setting`, which is `Settings.keyring`; nothing is opened before the first call.

        With `may_prompt` a locked keyring may ask the person to unlock it, without it is an error at once. `memory` is
        for the agent, which is the one that others ask for items in memory.
        """
        self._environment = environment
        self._setting = setting
        self._memory = memory
        self._may_prompt = may_prompt
        self._worker = _Worker()
        self._opened: list[_Vault] = []
        # The worker may wait for a dead keyring for ever: what it holds is closed from here, at exit at the latest.
        weakref.finalize(self, _dismiss, self._worker, self._opened)

    def get(self, key: str, deadline: Deadline) -> str | None:
        """Give the value, or None where the keyring answered that there is none.

        A value whose parts somebody damaged, or that is no text, comes as the empty string, which no format of ours
        accepts: as an error it would stand in the way of the login and the logout that repair it.

        Raises:
            KeyringMissingError: no backend here keeps a secret safe.
            KeyringLockedError: it is locked, and nobody unlocked it or may be asked to.
            KeyringTimeoutError: it did not answer in time; where nobody may be asked, a part of it is enough to know.
            KeyringError: it failed otherwise.
        """
        return self._ask(lambda vault: _value(vault, _word(key)), deadline, self.reading_share)

    def put(self, key: str, value: str, deadline: Deadline) -> None:
        """Store a value, whole or in parts, and read it back.

        Killed at any moment, the old or the new value is there; after an error the old one is, where the backend
        makes that possible. A write that did not end in time goes on as long as this process lives.

        Raises:
            KeyringError: as for `get`, or it does not keep the value.
        """
        if self._may_prompt:
            self._ask(lambda vault: _write(vault, _word(key), value), deadline)
        else:
            self._queue(lambda vault: _write(vault, _word(key), value), deadline, self.writing_share)

    def delete(self, key: str, deadline: Deadline) -> None:
        """Remove the value and all its parts; one that is not there is no error.

        Raises:
            KeyringError: as for `get`, or the backend does not let go of it.
        """
        self._ask(lambda vault: _delete(vault, _word(key)), deadline)

    def backend_name(self) -> str:
        """Give the dotted name of the backend class in use, or `plaintext-file`.

        Raises:
            KeyringError: as for `get`; waits three seconds at most.
        """
        return self._worker.run(lambda: self._vault().name, Deadline(_SECONDS_FOR_A_NAME))

    def keeps_long(self) -> bool:
        """Say whether the backend is known to keep items longer than LONGEST_WHOLE in one piece.

        Raises:
            KeyringError: as for `backend_name`.
        """
        return bool(self._worker.run(lambda: self._vault().keeps_long, Deadline(_SECONDS_FOR_A_NAME)))

    def _ask(self, task: Callable[[_Vault], T], deadline: Deadline, share: float = 1.0) -> T:
        """Open the keyring, and have a task done in our turn."""
        patience = 1.0 if self._may_prompt else share
        # Before the lock: a person who is asked to unlock takes long, and others must not wait for that; and a keyring
        # that is locked or hangs is told without waiting for those who have found the same.
        self._worker.run(lambda: self._vault().open(), _part_of(deadline, patience))
        return self._queue(task, deadline, patience)

    def _queue(self, task: Callable[[_Vault], T], deadline: Deadline, patience: float) -> T:
        """Have a task done in our turn, which stays ours until it is done: who comes after finds what it wrote."""
        turn = threading.Event()

        def job() -> T:
            vault = self._vault()
            with _alone(self._environment.lock_dir / "keyring.lock", deadline):
                turn.set()
                vault.open()
                return task(vault)

        # The others of this user may be before us, and each takes as long as it takes; from our turn on it is the
        # keyring that we wait for.
        return self._worker.run(job, deadline, turn, patience)

    def _vault(self) -> _Vault:
        if not self._opened:
            vault = self._memory or _chosen(self._environment, self._setting, may_prompt=self._may_prompt)
            self._opened.append(vault)
        return self._opened[0]


def _word(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError("a key of the store is a short word of [A-Za-z0-9_:/-]")
    return key


@contextlib.contextmanager
def _alone(lock: Path, deadline: Deadline) -> Iterator[None]:
    """Keep the other processes of this user away: the Secret Service falls over under many clients (PAINS 23)."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(files.locked(lock, deadline))
        except BusyError as error:
            raise KeyringTimeoutError(
                "another awssso process waits for the keyring", hint="answer its unlock prompt, or end that process"
            ) from error
        if deadline.passed():
            raise _too_late()
        yield


# One thread that may hang


class _Job:
    """A task and what came of it."""

    def __init__(self, task: Callable[[], Any], turn: threading.Event) -> None:
        self.task = task
        self.turn = turn
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.task()
        except BaseException as error:  # noqa: BLE001 - it is raised again where somebody waits for it
            self.error = error
        self.done.set()
        self.turn.set()


class _Worker:
    """A daemon thread for calls that may never return: who waits for one goes on, and the process can end."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._overdue: threading.Event | None = None

    def run(
        self, task: Callable[[], T], deadline: Deadline, turn: threading.Event | None = None, patience: float = 1.0
    ) -> T:
        """Have a task done before the deadline; from its `turn` on, within the part `patience` of the time left.

        Raises:
            KeyringTimeoutError: it was not, or an earlier one still hangs.
        """
        if self._overdue is not None and not self._overdue.is_set():
            raise _too_late()
        job = _Job(task, turn or threading.Event())
        self._start()
        self._jobs.put(job)
        job.turn.wait(deadline.remaining())
        if not job.done.wait(_part_of(deadline, patience).remaining()):
            self._overdue = job.done
            raise _too_late()
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def end(self) -> None:
        """Let the thread end when it comes back."""
        self._jobs.put(None)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=_work, args=(self._jobs,), name="keyring", daemon=True)
                self._thread.start()


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job.run()
        del job  # it holds a secret, and the next one may be hours away


def _dismiss(worker: _Worker, opened: list[_Vault]) -> None:
    worker.end()
    for vault in opened:
        vault.close()


def _part_of(deadline: Deadline, share: float) -> Deadline:
    return deadline.sooner(max(deadline.remaining() * share, _LEAST_SECONDS))


def _too_late() -> KeyringTimeoutError:
    return KeyringTimeoutError("the keyring does not answer", hint="unlock it or restart it, then try again")


# Values, whole and in parts


class _Vault(Protocol):
    """A place for short strings, as simple as backends are. Every error is a KeyringError."""

    name: str
    keeps_long: bool | None
    """Items longer than LONGEST_WHOLE are kept: yes, no, or to be found out."""

    def open(self) -> None:
        """Connect and unlock, where that is a step of its own."""

    def get(self, name: str) -> str | None:
        """Give an item."""

    def set(self, name: str, text: str) -> None:
        """Store an item."""

    def remove(self, name: str) -> None:
        """Remove an item that is there."""

    def close(self) -> None:
        """Let go of connections."""


class _Head(NamedTuple):
    """What stands in the place of a value that is kept in parts: which generation of them is the valid one."""

    generation: str
    total: int
    digest: str

    def text(self) -> str:
        return f"{_HEAD_START}1:{self.generation}:{self.total}:{self.digest}"


def _head(stored: str | None) -> _Head | None:
    match = _HEAD.fullmatch(stored or "")
    return _Head(match[1], int(match[2]), match[3]) if match else None


def _part(key: str, generation: str, number: int) -> str:
    return f"{key}.{generation}{number}"


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def _value(vault: _Vault, key: str) -> str | None:
    for _ in range(_TRIES):
        stored = vault.get(key)
        head = _head(stored)
        if head is None:
            return stored
        parts = [vault.get(_part(key, head.generation, number)) for number in range(head.total)]
        value = "".join(part or "" for part in parts)
        if _digest(value) == head.digest:
            return value
        # A writer on another machine or without our lock came in between: what it wrote is complete by now.
    return ""


def _write(vault: _Vault, key: str, value: str) -> None:
    old = vault.get(key)
    fits = _units(value) <= LONGEST_WHOLE
    if value.startswith(_HEAD_START) or not (fits or vault.keeps_long):
        _write_parts(vault, key, value, old)
        return
    refusal = _refusal(vault, key, value)
    if refusal is None:
        if _head(old) is not None:
            for generation in _GENERATIONS:
                _clear(vault, key, generation, 0, _head(old))
        return
    _restore(vault, key, old)
    if fits:
        raise refusal
    _write_parts(vault, key, value, old)


def _write_parts(vault: _Vault, key: str, value: str, old: str | None) -> None:
    """Write the parts beside those that are valid, then the head that makes them valid."""
    before = _head(old)
    generation = "b" if before is not None and before.generation == "a" else "a"
    pieces, refusal = _store_parts(vault, key, generation, value, is_limited=before is not None and before.total > 1)
    if refusal is None:
        refusal = _refusal(vault, key, _Head(generation, len(pieces), _digest(value)).text())
        if refusal is not None:
            _restore(vault, key, old)
    if refusal is not None:
        _clear(vault, key, generation, 0, None)
        raise refusal
    _clear(vault, key, generation, len(pieces), None)
    _clear(vault, key, "a" if generation == "b" else "b", 0, before)


def _store_parts(
    vault: _Vault, key: str, generation: str, value: str, *, is_limited: bool
) -> tuple[list[str], KeyringError | None]:
    """Store a generation of parts: one long part where the backend may keep that, else short ones."""
    may_be_long = vault.keeps_long is None and not is_limited
    if may_be_long and _refusal(vault, _part(key, generation, 0), value) is None:
        return [value], None
    pieces = _pieces(value)
    for number, piece in enumerate(pieces):
        refusal = _refusal(vault, _part(key, generation, number), piece)
        if refusal is not None:
            return pieces, refusal
    return pieces, None


def _refusal(vault: _Vault, name: str, text: str) -> KeyringError | None:
    """Store an item and read it back; give the reason where the backend does not keep it."""
    try:
        vault.set(name, text)
    except (KeyringLockedError, KeyringMissingError, KeyringTimeoutError):
        raise
    except KeyringError as error:
        return error
    if vault.get(name) == text:
        return None
    return KeyringError(
        f"the keyring ({vault.name}) does not keep what it is given", hint="choose another one: setting `keyring`"
    )


def _restore(vault: _Vault, key: str, old: str | None) -> None:
    """Have the old value back after an attempt that may have damaged it."""
    with contextlib.suppress(KeyringError):
        if vault.get(key) == old:
            return
        if old is None:
            vault.remove(key)
        else:
            vault.set(key, old)


def _clear(vault: _Vault, key: str, generation: str, start: int, head: _Head | None) -> None:
    """Remove parts that no head names any more; that they stay is no failure, the value is safe without."""
    with contextlib.suppress(KeyringError):
        _remove_parts(vault, key, generation, start, head)


def _remove_parts(vault: _Vault, key: str, generation: str, start: int, head: _Head | None) -> None:
    """Remove the parts of a generation from `start` on, as many as `head` names and all that follow."""
    end = head.total if head is not None and head.generation == generation else start
    while vault.get(_part(key, generation, end)) is not None:
        end += 1
    # From the last one, so that a kill leaves no gap that would hide the rest from the next search.
    for number in reversed(range(start, end)):
        _remove(vault, _part(key, generation, number))


def _delete(vault: _Vault, key: str) -> None:
    head = _head(vault.get(key))
    _remove(vault, key)
    for generation in _GENERATIONS:
        _remove_parts(vault, key, generation, 0, head)


def _remove(vault: _Vault, name: str) -> None:
    """Remove an item; the Secret Service may hold several of one name."""
    for _ in range(_TRIES):
        if vault.get(name) is None:
            return
        vault.remove(name)
    if vault.get(name) is not None:
        raise KeyringError("the keyring does not let go of an item", hint="remove the items named awssso by hand")


def _units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _pieces(value: str) -> list[str]:
    """Cut a value into pieces of at most LONGEST_WHOLE units; no character is cut in two."""
    # A character has two units at most, so this many always fit; tokens are ASCII, and take the longer step.
    step = LONGEST_WHOLE if value.isascii() else LONGEST_WHOLE // 2
    return [value[start : start + step] for start in range(0, len(value), step)] or [""]


# Backends


def _chosen(environment: Environment, setting: str, *, may_prompt: bool) -> _Vault:
    """Build the backend that settings, variable or platform name, never by keyring's own search.

    That search imports what the working directory's or the user's files name (SECURITY 0.7).
    """
    if setting == PLAINTEXT_FILE:
        return _PlainFiles(environment.data_dir / "secrets")
    if setting == memory_vault.MEMORY:
        return memory_vault.AgentMemory(environment)
    _shut_out_influences()
    advice = (
        "install or start a keyring (gnome-keyring), or write keyring = memory (gone when the agent ends) "
        f"or keyring = plaintext-file in {environment.settings_file}"
    )
    if setting:
        return _named(setting, advice, may_prompt=may_prompt)
    variable = environment.variables.get("PYTHON_KEYRING_BACKEND", "").strip()
    if variable:
        found = _named(variable, advice, may_prompt=may_prompt)
        _demand_safe(found, f"write keyring = {variable} in {environment.settings_file} if you want that")
        return found
    for name in _own_backends(environment):
        with contextlib.suppress(KeyringMissingError):
            found = _named(name, advice, may_prompt=may_prompt)
            found.connect()
            return found
    raise KeyringMissingError("there is no keyring on this machine that keeps a secret safe", hint=advice)


def _shut_out_influences() -> None:
    """Remove the variables that set attributes of every backend, and keep `keyring` from logging."""
    import logging  # noqa: PLC0415 - keyring imports it anyway; a plain file does not need it

    for variable in list(os.environ):
        if variable.startswith("KEYRING_PROPERTY_"):
            del os.environ[variable]
    logging.getLogger("keyring").setLevel(logging.CRITICAL + 1)


def _own_backends(environment: Environment) -> tuple[str, ...]:
    """Name the platform's own backends, best first."""
    if "KDE" in environment.variables.get("XDG_CURRENT_DESKTOP", "").split(":"):
        free_desktop: tuple[str, ...] = (_KWALLET, _SECRET_SERVICE, _LIBSECRET)
    else:
        free_desktop = (_SECRET_SERVICE, _KWALLET, _LIBSECRET)
    return {"darwin": (_MACOS,), "win32": (_WINDOWS,)}.get(sys.platform, free_desktop)


def _named(name: str, advice: str, *, may_prompt: bool) -> _Keyring:
    """Build the backend with this dotted name.

    Raises:
        KeyringMissingError: there is none of this name, or it cannot work here.
    """
    if name == _SECRET_SERVICE:
        return _SecretService(may_prompt=may_prompt)
    module, _, class_name = name.rpartition(".")
    try:
        backend_class = getattr(importlib.import_module(module), class_name)
        backend_class.priority  # noqa: B018 - raises where the backend cannot work
        backend = backend_class()
    except Exception as error:
        raise KeyringMissingError(
            f"the keyring {name} does not work here ({type(error).__name__})", hint=advice
        ) from error
    from keyring.backend import KeyringBackend  # noqa: PLC0415 - see the top

    if not isinstance(backend, KeyringBackend):
        raise KeyringMissingError(f"{name} is no keyring backend", hint=advice)
    return _Keyring(backend, name)


def _demand_safe(vault: _Keyring, advice: str) -> None:
    """Refuse a backend that loses what it is given, or keeps it for everyone to read."""
    names = (f"{each.__module__}.{each.__qualname__}" for each in type(vault.backend).__mro__)
    if any(_UNSAFE.search(name) for name in names):
        raise KeyringMissingError(f"PYTHON_KEYRING_BACKEND names {vault.name}, which keeps no secret safe", hint=advice)


class _Keyring:
    """A backend of the `keyring` library."""

    def __init__(self, backend: KeyringBackend, name: str) -> None:
        self.backend = backend
        self.name = name
        self.keeps_long = True if name in _KEEPS_LONG else False if name == _WINDOWS else None

    def connect(self) -> None:
        """Find out whether the keyring is there, locked or not; its class has told already."""

    def open(self) -> None:
        """Open nothing: each call does."""

    def get(self, name: str) -> str | None:
        return _asked("read", _text, self.backend.get_password, SERVICE, name)

    def set(self, name: str, text: str) -> None:
        _asked("write", self.backend.set_password, SERVICE, name, text)

    def remove(self, name: str) -> None:
        _asked("change", self.backend.delete_password, SERVICE, name)

    def close(self) -> None:
        """Hold nothing."""


class _SecretService(_Keyring):
    """keyring's backend for the Secret Service, as `_secret_service` changes it."""

    def __init__(self, *, may_prompt: bool) -> None:
        super().__init__(_asked("start", _secret_service, may_prompt), _SECRET_SERVICE)
        self._held: Any = self.backend

    def connect(self) -> None:
        _asked("reach", self._held.connect)

    def open(self) -> None:
        _asked("open", self._held.open)

    def close(self) -> None:
        self._held.let_go()


class _PlainFiles:
    """A directory of ours with a file for each item: what a user gets who asks for it by name."""

    name = PLAINTEXT_FILE
    keeps_long: bool | None = True

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self) -> None:
        files.private_dir(self._directory)

    def get(self, name: str) -> str | None:
        content = files.read(self._path(name))
        return None if content is None else _text(content.decode)

    def set(self, name: str, text: str) -> None:
        files.sweep(self._directory)
        files.replace(self._path(name), _asked("write", text.encode))

    def remove(self, name: str) -> None:
        _asked("change", self._path(name).unlink)

    def close(self) -> None:
        """Hold nothing."""

    def _path(self, name: str) -> Path:
        return self._directory / hashlib.sha256(name.encode()).hexdigest()


def _secret_service(may_prompt: bool) -> KeyringBackend:  # noqa: C901 - the class cannot be made before the import
    """Build keyring's Secret Service backend, changed in two ways.

    It keeps one connection, because many short-lived ones crash gnome-keyring (PERFORMANCE 2), and it prompts only
    where it may.
    """
    from keyring.backends import SecretService  # noqa: PLC0415 - see the top
    from keyring.errors import KeyringLocked  # noqa: PLC0415

    class HeldSecretService(SecretService.Keyring):
        collection: Any = None

        def connect(self) -> None:
            if self.collection is None:
                self.collection = _collection(may_prompt)

        def open(self) -> None:
            self._again_if_stale(self.get_preferred_collection)

        def let_go(self) -> None:
            collection, self.collection = self.collection, None
            if collection is not None:
                del vars(collection.connection)["close"]
                collection.connection.close()

        def get_preferred_collection(self) -> Any:
            self.connect()
            self.unlock(self.collection)
            return self.collection

        def unlock(self, item: Any) -> None:
            if not item.is_locked():
                return
            if not may_prompt:
                raise KeyringLocked("nobody may be asked to unlock it now")
            super().unlock(item)  # type: ignore[no-untyped-call]  # keyring's backends are untyped

        def get_password(self, service: str, username: str) -> Any:
            return self._again_if_stale(super().get_password, service, username)

        def set_password(self, service: str, username: str, password: str) -> None:
            self._again_if_stale(super().set_password, service, username, password)

        def delete_password(self, service: str, username: str) -> None:
            self._again_if_stale(super().delete_password, service, username)

        def _again_if_stale(self, call: Callable[..., T], *arguments: str) -> T:
            was_held = self.collection is not None
            try:
                return call(*arguments)
            except Exception as error:
                # A daemon that was restarted knows our session no more; one that is locked or says no is alive.
                if not was_held or _kind(error) is KeyringLockedError:
                    raise
            self.let_go()
            return call(*arguments)

    return HeldSecretService()  # type: ignore[no-untyped-call]  # keyring's backends are untyped


def _collection(may_prompt: bool) -> Any:
    """Connect to the default collection, and have the connection outlive the calls of keyring, which close it."""
    import secretstorage  # noqa: PLC0415 - keyring's own library on this platform
    from secretstorage.exceptions import ItemNotFoundException  # noqa: PLC0415
    from secretstorage.util import open_session  # noqa: PLC0415

    connection = secretstorage.dbus_init()
    try:
        # Where there is none, `get_default_collection` makes one, which prompts for its password.
        find = secretstorage.get_default_collection if may_prompt else secretstorage.Collection
        collection = find(connection)
        collection.session = open_session(connection)
    except ItemNotFoundException as error:
        connection.close()
        raise KeyringLockedError("the keyring has no default collection yet", hint="awssso login") from error
    except BaseException:
        connection.close()
        raise
    vars(connection)["close"] = _nothing
    return collection


def _nothing() -> None:
    """Stand in for a close that is not wanted."""


# Errors


def _asked(act: str, call: Callable[..., T], *arguments: Any) -> T:
    """Call a backend and put its errors in our words, without the secret that it was given or has found."""
    try:
        return call(*arguments)
    except AwsssoError:
        raise
    except Exception as error:  # noqa: BLE001 - backends raise anything, and none of it may pass for "no such item"
        # What failed on the secret itself may quote it, in its text or in its arguments.
        is_discreet = act != "write" and not isinstance(error, UnicodeError)
        fault = _fault(act, error, f": {_first_line(error)}" if is_discreet else f" ({type(error).__name__})")
        cause = error if is_discreet else None
    # Out here, where the error of the backend is not attached by itself.
    raise fault from cause


def _text(call: Callable[..., T], *arguments: str) -> T | str:
    """Give what a backend holds; bytes that are no text are not of ours, whoever put them there (SECURITY D7)."""
    try:
        return call(*arguments)
    except UnicodeDecodeError:
        return ""


def _fault(act: str, error: Exception, reason: str) -> KeyringError:
    kind = _kind(error)
    if kind is KeyringLockedError:
        return kind(f"the keyring is locked{reason}", hint=_UNLOCK_HINT)
    if kind is KeyringTimeoutError:
        return _too_late()
    return kind(f"cannot {act} the keyring{reason}", hint="awssso doctor")


def _kind(error: Exception) -> type[KeyringError]:
    names = {each.__name__ for each in type(error).__mro__}
    if names & _LOCKED or error.args[:1] == (_MAC_NOBODY_TO_ASK,):
        return KeyringLockedError
    if isinstance(error, TimeoutError):
        return KeyringTimeoutError
    if names & _MISSING or isinstance(error, (FileNotFoundError, ImportError)):
        return KeyringMissingError
    return KeyringError


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0].rstrip(".")[:200] or type(error).__name__
