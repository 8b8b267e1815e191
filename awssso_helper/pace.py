"""How fast to ask: as many calls at once as the service likes, and no faster than it lets through.

AWS publishes no limit for the access portal; what is known is a token bucket shared by all who ask (PAINS 2). So calls
grow while all is well, and after the first refusal a rate is found just below the one that is served.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awssso_helper.model import Deadline

_AT_FIRST = 4
# A refusal stands for all calls that were under way with it: they are one event.
_EVENT = 0.2
_PAUSE = 0.25
_FIRST_GUESS = 0.5
_LOOKED_BACK = 1.0
# The search from a first guess cuts deep; near the limit a small cut is enough.
_DEEP_CUT, _SMALL_CUT = 0.7, 0.93
_SEARCH = 3
# Growth of the rate, a second: while it is searched for; near the limit; and when the limit has moved away.
_SEARCHING, _NEAR, _FAR = 0.5, 0.015, 0.15
_QUIET = 4.0
_MORE_AT_ONCE = 0.5
_SLOWEST = 0.5


class Pace:
    """One budget for all calls to one service. Safe for threads."""

    def __init__(self, most: int) -> None:
        """Allow `most` calls at once when all is well."""
        self._most = most
        self._at_once = float(min(_AT_FIRST, most))
        self._under_way = 0
        self._rate = 0.0
        self._next = 0.0
        self._cuts = 0
        self._cut_at = 0.0
        self._grown_at = 0.0
        self._answered: list[float] = []
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def turn(self, deadline: Deadline) -> Iterator[None]:
        """Wait for one call's turn, then hold it. At the deadline the turn comes anyway: the call will say so."""
        with self._changed:
            while (wait := self._wait()) > 0 and not deadline.passed():
                self._changed.wait(min(wait, deadline.remaining()))
            self._under_way += 1
            self._next = time.monotonic() + (1 / self._rate if self._rate else 0.0)
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify()

    def _wait(self) -> float:
        """Give the seconds after which it is worth looking again; a call that comes back wakes us sooner."""
        if self._under_way >= int(self._at_once):
            return _LOOKED_BACK
        return self._next - time.monotonic()

    def answered(self) -> None:
        """Hear that the service served a call."""
        with self._changed:
            now = time.monotonic()
            if self._rate:
                self._rate *= 1 + self._growth(now) * min(1.0, now - self._grown_at)
                self._grown_at = now
            else:
                self._answered = [at for at in self._answered if at > now - _LOOKED_BACK] + [now]
            self._at_once = min(self._most, self._at_once + (1 / self._at_once if self._cuts else _MORE_AT_ONCE))
            # One more may go than came back just now.
            self._changed.notify()

    def _growth(self, now: float) -> float:
        if now - self._cut_at > _QUIET:
            return _FAR
        return _SEARCHING if self._cuts == 1 else _NEAR

    def refused(self, retry_after: float = 0.0) -> None:
        """Hear that the service wants fewer calls, and nothing before `retry_after` seconds."""
        with self._changed:
            now = time.monotonic()
            if now - self._cut_at < _EVENT:
                return
            self._cut_at = self._grown_at = now
            self._cuts += 1
            if not self._rate:
                recent = [at for at in self._answered if at > now - _LOOKED_BACK]
                span = max(now - recent[0], 0.05) if recent else _LOOKED_BACK
                self._rate = max(_SLOWEST, _FIRST_GUESS * len(recent) / span)
                self._answered = []
            else:
                self._rate = max(_SLOWEST, self._rate * (_DEEP_CUT if self._cuts <= _SEARCH else _SMALL_CUT))
            self._next = now + max(_PAUSE, retry_after)
            self._at_once = max(1.0, self._at_once / 2)
