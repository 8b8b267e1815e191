"""Bad service, to order: what a test can make the simulator do to a reply, and a throttle.

A `Fault` is a value; the HTTP face carries it out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one reply.

    With `error`, `status`, `body`, `redirect` or `huge` the operation is not performed: this is the reply instead.
    The others only harm the delivery of what the operation answered (or of the replacement), so that with
    `half_close` or `reset` a refresh token is rotated although the client never learns the new one.
    """

    error: str = ""
    """The exception's name; status, header and body follow from it, as in a genuine refusal."""
    status: int | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    redirect: str = ""
    """The Location; the status is 302 unless `status` says otherwise."""
    huge: int = 0
    """A body of so many blanks."""
    gzip: bool = False
    """Compress the body and say so in Content-Encoding; with `huge`, a bomb."""
    delay: float = 0
    """Seconds between performing the operation and the reply."""
    drip: float = 0
    """Seconds after each byte, head included."""
    half_close: bool = False
    """Promise the whole body, send half of it, close."""
    reset: bool = False
    """Close with RST in place of a reply."""

    @property
    def replaces(self) -> bool:
        """Whether the operation is not performed at all."""
        return bool(self.error or self.status or self.body is not None or self.redirect or self.huge)


class Throttle:
    """A token bucket: `burst` calls at once, `rate` a second in the long run. Not thread safe."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._left = float(burst)
        self._at = time.monotonic()

    def admits(self) -> bool:
        """Take a token if there is one."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
