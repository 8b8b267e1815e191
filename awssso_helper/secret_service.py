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
    """Items by service and name in the default collection: what keyring's backends can, for one thread at a time."""

    def __init__(self, *, may_prompt: bool) -> None:
        """With `may_prompt` a person may be asked to unlock it; without, what is locked is an error."""
        self._may_prompt = may_prompt
        self._collection: secretstorage.Collection | None = None

    def connect(self) -> None:
        """Find out whether it is there, locked or not."""
        self._connected()

    def open(self) -> None:
        """Connect and unlock."""
        self._again_if_stale(self._unlocked)

    def close(self) -> None:
        """Let go of the connection."""
        collection, self._collection = self._collection, None
        if collection is not None:
            collection.connection.close()

    def get_password(self, service: str, username: str) -> str | None:
        """Give an item.

        Raises:
            UnicodeDecodeError: it is no text.
        """
        return self._again_if_stale(lambda: self._get(service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Store an item in the place of the one that has its name."""
        self._again_if_stale(lambda: self._set(service, username, password))

    def delete_password(self, service: str, username: str) -> None:
        """Remove an item, one where there are several of its name."""
        self._again_if_stale(lambda: self._delete(service, username))

    def _get(self, service: str, username: str) -> str | None:
        item = self._found(service, username)
        if item is None:
            return None
        self._unlock(item)
        text: str = item.get_secret().decode("utf-8")
        return text

    def _set(self, service: str, username: str, password: str) -> None:
        attributes = {"service": service, "username": username, "application": _APPLICATION}
        label = f"Password for '{username}' on '{service}'"
        self._unlocked().create_item(label, attributes, password.encode("utf-8"), replace=True)

    def _delete(self, service: str, username: str) -> None:
        item = self._found(service, username)
        if item is None:
            raise ItemNotFoundException("there is no such item")
        item.delete()

    def _found(self, service: str, username: str) -> secretstorage.Item | None:
        return next(self._unlocked().search_items({"service": service, "username": username}), None)

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
