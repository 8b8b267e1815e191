"""The keyrings of the platforms, one like the other: which one counts, its items, its errors in our words.

Only here is `keyring` imported, and only when it is asked; never by its own search, which imports what files and
variables name (SECURITY 0.7). The Secret Service needs none of it: see `secret_service`.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import re
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from awssso_helper import files, memory_vault
from awssso_helper.errors import (
    AwsssoError,
    KeyringError,
    KeyringLockedError,
    KeyringMissingError,
    KeyringTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keyring.backend import KeyringBackend

    from awssso_helper.environment import Environment
    from awssso_helper.secret_service import SecretService
    from awssso_helper.vault_items import Vault

T = TypeVar("T")

SERVICE = "awssso"
PLAINTEXT_FILE = "plaintext-file"

_SECRET_SERVICE = "keyring.backends.SecretService.Keyring"  # noqa: S105 - a class
_KWALLET = "keyring.backends.kwallet.DBusKeyring"
_LIBSECRET = "keyring.backends.libsecret.Keyring"
_MACOS = "keyring.backends.macOS.Keyring"
_WINDOWS = "keyring.backends.Windows.WinVaultKeyring"
_KEEPS_LONG = frozenset({_SECRET_SERVICE, _KWALLET, _LIBSECRET, _MACOS})
_UNSAFE = re.compile(r"plaintext|null|fail|chainer|^keyrings\.alt\.", re.IGNORECASE)

_LOCKED = frozenset({"KeyringLocked", "LockedException", "PromptDismissedException", "KeychainDenied"})
_MISSING = frozenset({"NoKeyringError", "InitError", "SecretServiceNotAvailableException"})
_MAC_NOBODY_TO_ASK = -25308  # errSecInteractionNotAllowed: over ssh, or in the background
_UNLOCK_HINT = "unlock the keyring of your desktop session, then try again"


def chosen(environment: Environment, setting: str, *, may_prompt: bool) -> Vault:
    """Build the backend that settings, variable or platform name; it may be locked, and hang where it is asked.

    Raises:
        KeyringMissingError: no backend here keeps a secret safe, or the one that is named does not work.
    """
    if setting == PLAINTEXT_FILE:
        return _PlainFiles(environment.data_dir / "secrets")
    if setting == memory_vault.MEMORY:
        return memory_vault.AgentMemory(environment)
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
    import logging  # noqa: PLC0415 - keyring imports it anyway; the others do not need it

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
    _shut_out_influences()
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
    """A backend of the `keyring` library, or one that is like those."""

    def __init__(self, backend: KeyringBackend | SecretService, name: str) -> None:
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
    """The Secret Service, which is opened once, and not by each call."""

    backend: SecretService

    def __init__(self, *, may_prompt: bool) -> None:
        super().__init__(_asked("start", _secret_service, may_prompt), _SECRET_SERVICE)

    def connect(self) -> None:
        _asked("reach", self.backend.connect)

    def open(self) -> None:
        _asked("open", self.backend.open)

    def close(self) -> None:
        self.backend.close()


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


def _secret_service(may_prompt: bool) -> SecretService:
    from awssso_helper.secret_service import SecretService  # noqa: PLC0415 - where it is used, SecretStorage is loaded

    return SecretService(may_prompt=may_prompt)


# Errors


def too_late() -> KeyringTimeoutError:
    """Give the error for a keyring that did not answer in time."""
    return KeyringTimeoutError("the keyring does not answer", hint="unlock it or restart it, then try again")


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
        return too_late()
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
