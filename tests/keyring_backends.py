"""Keyring backends with the faults that real ones have, named through settings. Several processes share their file.

None of them locks anything: what parallel processes do to each other, `store` has to prevent.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError, PasswordSetError

FILE = "AWSSSO_TEST_KEYRING"
"""The variable that names the file."""
KILLED_AT = "AWSSSO_TEST_KILLED_AT"
"""The variable that says at which change (set or delete, from 1) the process dies, before it is done."""

LIMIT = 1280


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


class Shared(KeyringBackend):
    """Keeps everything, in one JSON file that is read, changed and written as a whole."""

    priority = 5

    @property
    def file(self) -> Path:
        return Path(os.environ[FILE])

    def items(self) -> dict[str, str]:
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def write(self, items: dict[str, str]) -> None:
        temporary = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        temporary.write_text(json.dumps(items))
        temporary.replace(self.file)

    def get_password(self, service: str, username: str) -> str | None:
        return self.items().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self.write({**self.items(), f"{service} {username}": password})

    def delete_password(self, service: str, username: str) -> None:
        items = self.items()
        if items.pop(f"{service} {username}", None) is None:
            raise PasswordDeleteError("no such item")
        self.write(items)


class Limited(Shared):
    """Windows: CredWrite refuses more than 2,560 bytes of UTF-16."""

    def set_password(self, service: str, username: str, password: str) -> None:
        if units(password) > LIMIT:
            raise PasswordSetError(f"(1783, 'CredWrite', 'The stub received bad data') for {password}")
        super().set_password(service, username, password)


class Truncating(Shared):
    """Keeps the beginning, and says that all is well (99designs/keyring#99)."""

    def set_password(self, service: str, username: str, password: str) -> None:
        kept = password.encode("utf-16-le")[: 2 * LIMIT].decode("utf-16-le", "ignore")
        super().set_password(service, username, kept)


class Losing(Shared):
    """Says that all is well, and keeps what it had before."""

    def set_password(self, service: str, username: str, password: str) -> None:
        pass


class Mangling(Shared):
    """Keeps something else than it was given, unless that is what it had at the very beginning."""

    def set_password(self, service: str, username: str, password: str) -> None:
        super().set_password(service, username, password if password == "old" else password[:-1])


class Locked(Shared):
    """Does not open."""

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("it is locked")

    set_password = delete_password = get_password


class Quoting(Shared):
    """Puts what it was given, or has found, into its errors."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError(f"cannot keep {password}")

    def get_password(self, service: str, username: str) -> str | None:
        found = super().get_password(service, username)
        if found is not None:
            found.encode().join([b"\xff", b""]).decode()
        return found


class Hanging(Shared):
    """Answers no change while the file `hang` is beside its own."""

    def set_password(self, service: str, username: str, password: str) -> None:
        while self.file.with_name("hang").exists():
            time.sleep(0.01)
        super().set_password(service, username, password)


class Dying(Limited):
    """Kills its process in the middle of a change."""

    changes = 0

    def write(self, items: dict[str, str]) -> None:
        self.changes += 1
        if self.changes == int(os.environ.get(KILLED_AT, "0")):
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(items)


class PlaintextShared(Shared):
    """Is one that nobody should get by accident."""
