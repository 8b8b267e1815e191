"""How fast to ask: as many calls at once as the service likes, and no faster than it lets through.

AWS publishes no limit for the access portal; what is known is a token bucket shared by all who ask (PAINS 2). Calls
grow while all is well. A refusal says that the bucket is empty at this moment, so what was served between two refusals,
divided by the time between them, is the bucket's own rate: from the second refusal on it is known, and kept to.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awssso_helper.model import Deadline

_AT_FIRST = 4
# More calls at once for each that was served, as long as none was refused.
_MORE_AT_ONCE = 0.5
# Nothing is sent for so long after a refusal, in which the bucket fills a little.
_PAUSE = 0.25
# The first refusal tells only what is too much. Of that a part, growing by so much a second, finds the second one.
_FIRST_PART, _SEARCHING = 0.8, 0.3
# A measured rate is gone below by so much, and tried to grow from by so much a second, twice as fast after each quiet
# time: the others that the bucket is shared with come and go.
_BELOW, _NEAR, _QUIET = 0.985, 0.003, 6.0
# ... and faster by this part of how far apart the rate that was refused and the one that was served are.
_DOUBT = 0.05
# Less time than this between two refusals measures badly.
_MEASURABLE, _DEEP_CUT = 0.4, 0.7
_MOST_GROWTH = 0.2
_SLOWEST = 0.5
_LOOKED_AGAIN = 1.0
_LONGEST_TURN = 3600.0


class Pace:
    """One budget for all calls to one service. Safe for threads."""

    def __init__(self, most: int) -> None:
        """Allow `most` calls at once when all is well."""
        self._most = most
        self._at_once = float(min(_AT_FIRST, most))
        self._under_way = 0
        self._changed = threading.Condition()
        self._turnstile = threading.Lock()
        # Calls a second; 0 until the service refused one.
        self._rate = 0.0
        self._next = 0.0
        self._grown_at = 0.0
        # The refusals so far: calls that were sent before the last cut belong to it.
        self._cut_at = 0.0
        self._is_measured = False
        self._nearing = _NEAR
        # When the bucket was seen empty last, and how many calls had been served until then.
        self._began_at = 0.0
        self._empty_at = 0.0
        self._served = self._served_until_empty = 0

    @contextlib.contextmanager
    def turn(self, deadline: Deadline) -> Iterator[float]:
        """Wait for one call's turn, then hold it; gives when the call is sent, which `refused` wants to know.

        At the deadline the turn comes anyway: the call will say so.
        """
        # One waits for the time to come, the others for that one: else all would wake up for each call.
        is_head = self._turnstile.acquire(timeout=min(deadline.remaining(), _LONGEST_TURN))
        try:
            now = self._taken_turn(deadline)
        finally:
            if is_head:
                self._turnstile.release()
        try:
            yield now
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify()

    def _taken_turn(self, deadline: Deadline) -> float:
        with self._changed:
            while (wait := self._wait()) > 0 and not deadline.passed():
                self._changed.wait(min(wait, deadline.remaining()))
            now = time.monotonic()
            self._began_at = self._began_at or now
            self._under_way += 1
            self._next = max(self._next, now - self._slack()) + 1 / self._rate if self._rate else now
            return now

    def _slack(self) -> float:
        """Give how late a call may be without the next ones being late too: threads wake up late, buckets do not."""
        return 2 / self._rate

    def _wait(self) -> float:
        """Give the seconds after which it is worth looking again; a call that comes back wakes us sooner."""
        if self._under_way >= int(self._at_once):
            return _LOOKED_AGAIN
        return self._next - time.monotonic()

    def answered(self) -> None:
        """Hear that the service served a call."""
        with self._changed:
            now = time.monotonic()
            self._served += 1
            if self._rate:
                self._rate *= 1 + self._growth(now) * min(1.0, now - self._grown_at)
                self._grown_at = now
            self._at_once = min(self._most, self._at_once + _MORE_AT_ONCE)
            # One more may go than came back just now.
            self._changed.notify()

    def _growth(self, now: float) -> float:
        if not self._is_measured:
            return _SEARCHING
        # Sixty doublings are far beyond the most, and hours are not too much for a float.
        doublings = min(60.0, (now - self._cut_at) / _QUIET)
        return min(_MOST_GROWTH, self._nearing * math.pow(2.0, doublings))

    def refused(self, sent_at: float, retry_after: float = 0.0) -> None:
        """Hear that the service wants fewer calls, and nothing before `retry_after` seconds."""
        with self._changed:
            now = time.monotonic()
            empty_at, served = self._empty_at, self._served - self._served_until_empty
            self._empty_at, self._served_until_empty = now, self._served
            if sent_at < self._cut_at:
                # It was under way when the one was refused for which we slowed down already.
                return
            refused_at = self._rate
            self._rate = max(_SLOWEST, self._rate_after(served, now - (empty_at or self._began_at)))
            # The limit is between the two: a bucket that was full for a while let more through than it seems.
            self._nearing = max(_NEAR, _DOUBT * (refused_at / self._rate - 1))
            self._is_measured = bool(empty_at)
            self._cut_at = self._grown_at = now
            self._next = now + max(_PAUSE, retry_after)

    def _rate_after(self, served: int, seconds: float) -> float:
        """Give the rate to go on with when so many calls were served in the seconds until the bucket was empty."""
        if not self._rate:
            # What the bucket held at first is in this, so it is too much.
            return _FIRST_PART * served / max(seconds, 0.05)
        if seconds < _MEASURABLE:
            return _DEEP_CUT * self._rate
        return min(self._rate, _BELOW * served / seconds)
