"""The keyring of a machine that has none: items in the agent's memory, and the way to them from other processes.

Nothing of it is ever in a file; when the agent ends, all is gone. Whoever runs as the user may ask for an item, as with
an unlocked keyring.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from awssso_helper import warm
from awssso_helper.errors import KeyringError, KeyringMissingError, KeyringTimeoutError

if TYPE_CHECKING:
    from awssso_helper.environment import Environment

MEMORY = "memory"
"""The value of the setting `keyring`, and the name of this vault."""


class OwnMemory:
    """The items as the agent itself has them. Safe for threads: each act is one on a dictionary."""

    name = MEMORY
    keeps_long: bool | None = True

    def __init__(self) -> None:
        self._items: dict[str, str] = {}

    def open(self) -> None:
        """Nothing is locked."""

    def get(self, name: str) -> str | None:
        """Give an item."""
        return self._items.get(name)

    def set(self, name: str, text: str) -> None:
        """Keep an item."""
        self._items[name] = text

    def remove(self, name: str) -> None:
        """Drop an item."""
        self._items.pop(name, None)

    def close(self) -> None:
        """Hold no connection."""

    def is_empty(self) -> bool:
        """Say whether nothing is kept."""
        return not self._items

    def answer(self, verb: bytes, words: list[bytes]) -> bytes:
        """Do what another process of this user asks for, and give the answer without its newline."""
        if verb == b"recall" and len(words) == 1:
            item = self.get(words[0].decode("ascii"))
            return b"1" if item is None else b"0" + base64.b64encode(item.encode("utf-8", "surrogatepass"))
        if verb == b"keep" and len(words) == 2:  # noqa: PLR2004 - name and value
            text = base64.b64decode(words[1], validate=True).decode("utf-8", "surrogatepass")
            self.set(words[0].decode("ascii"), text)
            return b"0"
        if verb == b"drop" and len(words) == 1:
            self.remove(words[0].decode("ascii"))
            return b"0"
        return warm.MISS


VERBS = frozenset({b"recall", b"keep", b"drop"})


class AgentMemory:
    """The items, asked for at the agent. Without an agent there are none."""

    name = MEMORY
    # A request is short (SECURITY E3), so longer values go in parts.
    keeps_long: bool | None = False

    def __init__(self, environment: Environment) -> None:
        self._variables = environment.as_bytes()

    def open(self) -> None:
        """Each act is a connection of its own."""

    def get(self, name: str) -> str | None:
        """Ask for an item."""
        answer = self._asked(b"recall", name.encode())
        if answer is None or answer[:1] != b"0":
            return None
        return base64.b64decode(answer[1:]).decode("utf-8", "surrogatepass")

    def set(self, name: str, text: str) -> None:
        """Have an item kept."""
        value = base64.b64encode(text.encode("utf-8", "surrogatepass"))
        if self._asked(b"keep", name.encode(), value) is None:
            raise KeyringMissingError(
                "no agent is there to hold the session in its memory", hint="awssso agent start, then awssso login"
            )

    def remove(self, name: str) -> None:
        """Have an item dropped."""
        self._asked(b"drop", name.encode())

    def close(self) -> None:
        """Hold no connection."""

    def _asked(self, verb: bytes, *words: bytes) -> bytes | None:
        answer = warm.asked(warm.request(verb, list(words), self._variables), self._variables)
        if answer is None:
            return None
        if answer[:1] == b"5":
            raise KeyringTimeoutError("the agent, which holds the session, does not answer", hint="awssso agent stop")
        if answer[:1] not in (b"0", b"1"):
            raise KeyringError("the agent does not hold sessions", hint="awssso agent stop, then awssso login")
        return answer
