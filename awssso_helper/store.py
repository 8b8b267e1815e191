"""The credential store: get, put and delete a secret in the keyring, one process at a time.

An answer comes before the deadline, a value counts as written when it was read back, and a keyring that cannot
be read is never an empty one (SECURITY D1-D8).
"""

from __future__ import annotations

import contextlib
import re
import threading
import weakref
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from awssso_helper import detached, files, keyrings, vault_items
from awssso_helper.errors import BusyError, KeyringTimeoutError
from awssso_helper.model import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from awssso_helper import memory_vault
    from awssso_helper.environment import Environment
    from awssso_helper.vault_items import Vault

T = TypeVar("T")

_KEY = re.compile(r"[A-Za-z0-9_:/-]{1,100}")
_SECONDS_FOR_A_NAME = 3.0
# A part of the time left is no less than so many seconds, as long as there are so many.
_LEAST_SECONDS = 1.5


class Store:
    """Secrets by key, kept by the keyring that the settings choose. Any thread may ask.

    A key is a short opaque word of `[A-Za-z0-9_:/-]`: keyrings show it to every program on the bus. A process
    that forks needs a store of its own on each side.
    """

    # Where nobody is asked, a keyring opens in milliseconds, and answers in as many once it is our turn; on a machine
    # that forty calls at once keep busy in seconds. With this part of the time left for either, an SDK whose deadline
    # is the default one hears within 3 seconds that it hangs. A write may matter more than its asker: it goes on where
    # the process stays, and where none can (Windows) it has all the time there is.
    reading_share: ClassVar[float] = 0.5
    writing_share: ClassVar[float] = 0.5 if detached.can_be_here() else 1.0

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
        self._opened: list[Vault] = []
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
        return self._ask(lambda vault: vault_items.read(vault, _word(key)), deadline, self.reading_share)

    def put(self, key: str, value: str, deadline: Deadline) -> None:
        """Store a value, whole or in parts, and read it back.

        Killed at any moment, the old or the new value is there; after an error the old one is, where the backend
        makes that possible. A write that has begun and does not end in time goes on as long as this process lives; one
        whose turn did not come is not done.

        Raises:
            KeyringError: as for `get`, or it does not keep the value.
        """
        if self._may_prompt:
            self._ask(lambda vault: vault_items.write(vault, _word(key), value), deadline)
        else:
            self._queue(lambda vault: vault_items.write(vault, _word(key), value), deadline, self.writing_share)

    def delete(self, key: str, deadline: Deadline) -> None:
        """Remove the value and all its parts; one that is not there is no error.

        Raises:
            KeyringError: as for `get`, or the backend does not let go of it.
        """
        self._ask(lambda vault: vault_items.delete(vault, _word(key)), deadline)

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

    def _ask(self, task: Callable[[Vault], T], deadline: Deadline, share: float = 1.0) -> T:
        """Open the keyring, and have a task done in our turn."""
        patience = 1.0 if self._may_prompt else share
        # Before the lock: a person who is asked to unlock takes long, and others must not wait for that; and a keyring
        # that is locked or hangs is told without waiting for those who have found the same.
        self._worker.run(lambda: self._vault().open(), _part_of(deadline, patience))
        return self._queue(task, deadline, patience)

    def _queue(self, task: Callable[[Vault], T], deadline: Deadline, patience: float) -> T:
        """Have a task done in our turn, which stays ours until it is done: who comes after finds what it wrote."""
        turn = threading.Event()

        def job() -> T:
            with _alone(self._environment.lock_dir / "keyring.lock", deadline):
                turn.set()
                vault = self._vault()
                vault.open()
                return task(vault)

        # The others of this user may be before us, and each takes as long as it takes; from our turn on it is the
        # keyring that we wait for.
        return self._worker.run(job, deadline, turn, patience)

    def _vault(self) -> Vault:
        if not self._opened:
            vault = self._memory or keyrings.chosen(self._environment, self._setting, may_prompt=self._may_prompt)
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
                "other awssso processes are still at the keyring", hint="answer its prompt, or try again in a moment"
            ) from error
        if deadline.passed():
            raise keyrings.too_late()
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
            raise keyrings.too_late()
        job = _Job(task, turn or threading.Event())
        self._start()
        self._jobs.put(job)
        job.turn.wait(deadline.remaining())
        if not job.done.wait(_part_of(deadline, patience).remaining()):
            self._overdue = job.done
            raise keyrings.too_late()
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


def _dismiss(worker: _Worker, opened: list[Vault]) -> None:
    worker.end()
    for vault in opened:
        vault.close()


def _part_of(deadline: Deadline, share: float) -> Deadline:
    return deadline.sooner(max(deadline.remaining() * share, _LEAST_SECONDS))
