"""Values in a vault of small items: whole, or in parts where a backend keeps no long ones; each write is read back.

Killed at any moment, the old or the new value is there. The parts of a value have names of their own, and become valid
with the one item that names them.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from typing import NamedTuple, Protocol

from awssso_helper.errors import KeyringError, KeyringLockedError, KeyringMissingError, KeyringTimeoutError

LONGEST_WHOLE = 1280
"""UTF-16 units that every backend keeps in one item: CRED_MAX_CREDENTIAL_BLOB_SIZE of Windows is 2,560 bytes."""

_HEAD = re.compile(r"awssso-parts:1:([ab]):([0-9]{1,3}):([0-9a-f]{64})")
_HEAD_START = "awssso-parts:"
_GENERATIONS = "ab"
_TRIES = 3


class Vault(Protocol):
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


def read(vault: Vault, key: str) -> str | None:
    """Give a value, None where there is none, or the empty string where somebody damaged its parts.

    Raises:
        KeyringError: an item cannot be read.
    """
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


def write(vault: Vault, key: str, value: str) -> None:
    """Store a value and read it back; after an error the old one is there, where the backend makes that possible.

    Raises:
        KeyringError: the backend does not keep the value, or an item cannot be read or written.
    """
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


def delete(vault: Vault, key: str) -> None:
    """Remove a value and all its parts; one that is not there is no error.

    Raises:
        KeyringError: the backend does not let go of an item.
    """
    head = _head(vault.get(key))
    _remove(vault, key)
    for generation in _GENERATIONS:
        _remove_parts(vault, key, generation, 0, head)


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


def _write_parts(vault: Vault, key: str, value: str, old: str | None) -> None:
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
    vault: Vault, key: str, generation: str, value: str, *, is_limited: bool
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


def _refusal(vault: Vault, name: str, text: str) -> KeyringError | None:
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


def _restore(vault: Vault, key: str, old: str | None) -> None:
    """Have the old value back after an attempt that may have damaged it."""
    with contextlib.suppress(KeyringError):
        if vault.get(key) == old:
            return
        if old is None:
            vault.remove(key)
        else:
            vault.set(key, old)


def _clear(vault: Vault, key: str, generation: str, start: int, head: _Head | None) -> None:
    """Remove parts that no head names any more; that they stay is no failure, the value is safe without."""
    with contextlib.suppress(KeyringError):
        _remove_parts(vault, key, generation, start, head)


def _remove_parts(vault: Vault, key: str, generation: str, start: int, head: _Head | None) -> None:
    """Remove the parts of a generation from `start` on, as many as `head` names and all that follow."""
    end = head.total if head is not None and head.generation == generation else start
    while vault.get(_part(key, generation, end)) is not None:
        end += 1
    # From the last one, so that a kill leaves no gap that would hide the rest from the next search.
    for number in reversed(range(start, end)):
        _remove(vault, _part(key, generation, number))


def _remove(vault: Vault, name: str) -> None:
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
