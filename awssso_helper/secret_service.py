"""The Secret Service of Linux desktops (GNOME, KDE, KeePassXC), through SecretStorage and one connection that is kept.

The items are those of `keyring`, to the letter: what that library stored is found, and it finds ours. To load it for
these few lines took longer than all the rest that a call without an agent loads. Many short connections crash
gnome-keyring (PERFORMANCE 2), so one is kept.
Every error is one of SecretStorage, of jeepney, or of the system.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import secretstorage
from secretstorage.exceptions import (
    ItemNotFoundException,
    LockedException,
    PromptDismissedException,
)
from secretstorage.util import open_session

from awssso_helper.errors import KeyringLockedError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# What keyring's backend gives each item beside service and username.
_APPLICATION = "Python keyring library"


class SecretService:
    """The items of one service, by name, in the default collection. Not for two threads at once."""

    def __init__(self, service: str, *, may_prompt: bool) -> None:
        """With `may_prompt` a person may be asked to unlock it; without, what is locked is an error."""
        self._service = service
        self._may_prompt = may_prompt
        self._collection: secretstorage.Collection | None = None

    def connect(self) -> None:
        """Find out whether it is there, locked or not."""
        self._connected()

    def open(self) -> None:
        """Connect and unlock."""
        self._again_if_stale(self._unlocked)

    def get(self, name: str) -> str | None:
        """Give an item.

        Raises:
            UnicodeDecodeError: it is no text.
        """
        return self._again_if_stale(lambda: self._get(name))

    def set(self, name: str, text: str) -> None:
        """Store an item in the place of the one that has its name."""
        self._again_if_stale(lambda: self._set(name, text))

    def remove(self, name: str) -> None:
        """Remove an item, one where there are several of its name."""
        self._again_if_stale(lambda: self._remove(name))

    def close(self) -> None:
        """Let go of the connection."""
        collection, self._collection = self._collection, None
        if collection is not None:
            collection.connection.close()

    def _get(self, name: str) -> str | None:
        for item in self._unlocked().search_items(self._attributes(name)):
            self._unlock(item)
            return item.get_secret().decode("utf-8")
        return None

    def _set(self, name: str, text: str) -> None:
        attributes = {**self._attributes(name), "application": _APPLICATION}
        label = f"Password for '{name}' on '{self._service}'"
        self._unlocked().create_item(label, attributes, text.encode("utf-8"), replace=True)

    def _remove(self, name: str) -> None:
        for item in self._unlocked().search_items(self._attributes(name)):
            item.delete()
            return
        raise ItemNotFoundException("there is no such item")

    def _attributes(self, name: str) -> dict[str, str]:
        return {"service": self._service, "username": name}

    def _connected(self) -> secretstorage.Collection:
        if self._collection is None:
            self._collection = _default_collection(may_prompt=self._may_prompt)
        return self._collection

    def _unlocked(self) -> secretstorage.Collection:
        collection = self._connected()
        self._unlock(collection)
        return collection

    def _unlock(self, locked: secretstorage.Collection | secretstorage.Item) -> None:
        if not locked.is_locked():
            return
        if not self._may_prompt:
            raise LockedException("nobody may be asked to unlock it now")
        locked.unlock()
        if locked.is_locked():
            raise PromptDismissedException("it was not unlocked")

    def _again_if_stale(self, call: Callable[[], T]) -> T:
        was_held = self._collection is not None
        try:
            return call()
        except (LockedException, PromptDismissedException, UnicodeError):
            # It is alive.
            raise
        except Exception:
            # A daemon that was restarted knows our session no more.
            if not was_held:
                raise
        self.close()
        return call()


def _default_collection(*, may_prompt: bool) -> secretstorage.Collection:
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
    return collection
