"""Where fetched role credentials wait for the next asker: in the keyring without an agent, in memory with one.

What is kept is the finished `credential_process` document, so that nobody builds or parses it on the way out.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from awssso_helper import files
from awssso_helper.model import Role, Secret, epoch_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from awssso_helper.model import Deadline
    from awssso_helper.store import Store


@dataclass(frozen=True, slots=True)
class CachedDocument:
    """A `credential_process` document; times are epoch seconds."""

    text: Secret
    fetched_at: int
    expires_at: int

    def left(self) -> float:
        """Seconds until these credentials expire; negative when they have."""
        return self.expires_at - time.time()


class RoleCache(Protocol):
    """A place for documents by role. Errors are KeyringErrors, never "nothing"."""

    def get(self, role: Role, deadline: Deadline) -> CachedDocument | None:
        """Give the document, expired or not, or None."""

    def put(self, role: Role, document: CachedDocument, deadline: Deadline) -> None:
        """Keep a document in the place of the last one."""

    def forget(self, session: str, deadline: Deadline) -> None:
        """Drop every document of a session."""


class MemoryCache:
    """Documents in this process only. Safe for threads."""

    def __init__(self) -> None:
        self._documents: dict[Role, CachedDocument] = {}
        self._lock = threading.Lock()

    def get(self, role: Role, _deadline: Deadline | None = None) -> CachedDocument | None:
        """Give the document, expired or not, or None."""
        return self._documents.get(role)

    def put(self, role: Role, document: CachedDocument, _deadline: Deadline) -> None:
        """Keep a document; those that expired go on the way."""
        with self._lock:
            self._documents = {each: kept for each, kept in self._documents.items() if kept.left() > 0}
            self._documents[role] = document

    def forget(self, session: str, _deadline: Deadline | None = None) -> None:
        """Drop every document of a session."""
        with self._lock:
            self._documents = {each: kept for each, kept in self._documents.items() if each.session != session}

    def held(self) -> dict[Role, int]:
        """Give when the credentials of each role expire, in epoch seconds."""
        return {role: kept.expires_at for role, kept in self._documents.items() if kept.left() > 0}


class KeyringCache:
    """Documents in the credential store, one item a role, with an index of their expirations in a file."""

    def __init__(self, store: Store, *, state_dir: Path, lock_dir: Path) -> None:
        self._store = store
        self._index = Index(state_dir, lock_dir)

    def get(self, role: Role, deadline: Deadline) -> CachedDocument | None:
        """Give the document, expired or not; what cannot be read is None."""
        text = self._store.get(role_key(role), deadline)
        return None if text is None else _document(text, role)

    def put(self, role: Role, document: CachedDocument, deadline: Deadline) -> None:
        """Keep a document. The index first: whatever is in the store is then known to `forget`."""
        self._index.add(role, document.expires_at, deadline)
        self._store.put(role_key(role), f"{document.fetched_at} {document.text.reveal()}", deadline)

    def forget(self, session: str, deadline: Deadline) -> None:
        """Drop every document of a session."""
        for word in self._index.expirations(session):
            self._store.delete(role_key(Role.from_word(word)), deadline)
        self._index.empty(session, deadline)


class Index:
    """Which roles have credentials in the store, until when. Holds no secret, so `list` needs no keyring."""

    def __init__(self, state_dir: Path, lock_dir: Path) -> None:
        self._directory = state_dir / "credentials"
        self._lock_dir = lock_dir

    def expirations(self, session: str) -> dict[str, int]:
        """Give `Role.word` to epoch seconds, expired ones too: they are in the store still."""
        try:
            index = json.loads(files.read(self._file(session)) or b"{}")
        except (ValueError, RecursionError):
            return {}
        return {word: end for word, end in index.items() if isinstance(end, int)} if isinstance(index, dict) else {}

    def add(self, role: Role, expires_at: int, deadline: Deadline) -> None:
        """Note a role."""
        self._amend(role.session, lambda index: {**index, role.word(): expires_at}, deadline)

    def empty(self, session: str, deadline: Deadline) -> None:
        """Forget a session."""
        self._amend(session, lambda _index: {}, deadline)

    def _amend(self, session: str, change: Callable[[dict[str, int]], dict[str, int]], deadline: Deadline) -> None:
        files.private_dir(self._directory)
        files.amend(
            self._file(session),
            lambda _text: json.dumps(change(self.expirations(session)), sort_keys=True).encode(),
            lock_dir=self._lock_dir,
            deadline=deadline,
        )

    def _file(self, session: str) -> Path:
        return self._directory / f"{session_key(session)}.json"


def session_key(session: str) -> str:
    """Give the key of a session's item in the store."""
    return f"session-{_digest(session)}"


def role_key(role: Role) -> str:
    """Give the key of a role's item in the store."""
    return f"role-{_digest(role.word())}"


def _digest(text: str) -> str:
    """Keep names out of keyring attributes and file names, where strangers' names do not belong (SECURITY D8)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _document(text: str, role: Role) -> CachedDocument | None:
    fetched_at, _, document = text.partition(" ")
    try:
        values = json.loads(document)
        if values["Version"] != 1 or values["AccountId"] != role.account_id:
            return None
        return CachedDocument(Secret(document), int(fetched_at), epoch_of(values["Expiration"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
