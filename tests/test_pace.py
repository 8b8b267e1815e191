"""The pace against token buckets, in a time of its own: nothing here waits, so nothing depends on the machine."""

from __future__ import annotations

import heapq
import itertools
import threading

import pytest

from awssso_helper import pace
from awssso_helper.model import Deadline
from awssso_helper.pace import Pace

WORKERS = 32


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Bucket:
    """What a service lets through: `rate` a second in the long run, `burst` at once."""

    def __init__(self, clock: Clock, rate: float, burst: int) -> None:
        self.clock, self.rate, self.burst = clock, rate, burst
        self.left, self.at = float(burst), clock.now

    def admits(self) -> bool:
        self.left = min(self.burst, self.left + (self.clock.now - self.at) * self.rate)
        self.at = self.clock.now
        if self.left < 1:
            return False
        self.left -= 1
        return True


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


class World:
    """Workers who have calls to make, a service that takes `latency` seconds for each, and what came of it."""

    def __init__(self, clock: Clock, bucket: Bucket, latency: float) -> None:
        self.clock, self.bucket, self.latency = clock, bucket, latency
        self.pace = Pace(WORKERS)
        self.served = self.refused = 0
        self.served_at: list[float] = []
        self.sent_at: list[float] = []
        self._events: list[tuple[float, int, str, float, object]] = []
        self._numbers = itertools.count()

    def run(self, calls: int) -> float:
        """Make so many calls, each until it is served; gives the seconds that took."""
        began, self.to_do = self.clock.now, calls
        end = self.served + calls
        while self.served < end:
            while self.to_do and self._may_go():
                self._send()
            coming = [self._events[0][0]] if self._events else []
            if self.to_do and self.pace._under_way < int(self.pace._at_once):
                coming.append(self.pace._next)
            self.clock.now = max(self.clock.now, min(coming))
            while self._events and self._events[0][0] <= self.clock.now:
                self._happen(*heapq.heappop(self._events)[2:])
        return self.clock.now - began

    def _may_go(self) -> bool:
        return self.pace._wait() <= 0

    def _send(self) -> None:
        turn = self.pace.turn(Deadline(60))
        sent_at = turn.__enter__()
        self.sent_at.append(sent_at)
        self.to_do -= 1
        self._later(self.latency / 2, "arrives", sent_at, turn)

    def _happen(self, what: str, sent_at: float, turn) -> None:
        if what == "arrives":
            self._later(self.latency / 2, "served" if self.bucket.admits() else "refused", sent_at, turn)
            return
        turn.__exit__(None, None, None)
        if what == "served":
            self.served += 1
            self.served_at.append(self.clock.now)
            self.pace.answered()
        else:
            self.refused += 1
            self.to_do += 1
            self.pace.refused(sent_at)

    def _later(self, seconds: float, *what) -> None:
        heapq.heappush(self._events, (self.clock.now + seconds, next(self._numbers), *what))


@pytest.mark.parametrize("latency", [0.005, 0.04, 0.1, 0.2])
@pytest.mark.parametrize(("rate", "burst"), [(60, 20), (20, 5), (100, 100), (10, 1)])
def test_it_finds_the_rate_of_a_bucket_and_keeps_to_it(clock, latency, rate, burst):
    world = World(clock, Bucket(clock, rate, burst), latency)
    seconds = world.run(2000)
    assert seconds < 1.2 * (2000 - burst) / rate
    assert world.refused < 0.03 * 2000


def test_where_nothing_is_refused_all_workers_are_busy(clock):
    world = World(clock, Bucket(clock, 1e9, 10**9), 0.1)
    world.run(500)
    assert world.pace._rate == 0
    assert int(world.pace._at_once) == WORKERS
    assert world.refused == 0


def test_a_limit_that_falls_is_followed_at_once_and_one_that_rises_in_time(clock):
    world = World(clock, Bucket(clock, 60, 20), 0.05)
    world.run(1000)
    world.bucket.rate = 15
    before = world.refused
    assert world.run(300) < 1.4 * 300 / 15
    assert world.refused - before < 40
    world.bucket.rate = 60
    world.run(1500)
    last = [at for at in world.served_at if at > clock.now - 10]
    assert len(last) > 0.8 * 10 * 60


def test_what_was_under_way_at_a_refusal_is_no_second_one(clock):
    budget = Pace(WORKERS)
    for _ in range(20):
        budget.answered()
    clock.now += 1
    turns = [budget.turn(Deadline(60)) for _ in range(8)]
    sent = [turn.__enter__() for turn in turns]
    clock.now += 0.1
    budget.refused(sent[0])
    rate = budget._rate
    clock.now += 0.5
    for each in sent[1:]:
        budget.refused(each)
    assert budget._rate == rate
    clock.now += 0.1
    budget.refused(clock.now)
    assert budget._rate < rate


@pytest.mark.parametrize(("asked", "waits"), [(0.0, pace._PAUSE), (5.0, 5.0)])
def test_after_a_refusal_there_is_a_pause_as_long_as_the_service_asks(clock, asked, waits):
    budget = Pace(WORKERS)
    budget.answered()
    budget.refused(clock.now, asked)
    assert budget._wait() == pytest.approx(waits)
    clock.now += waits
    assert budget._wait() <= 0


def test_a_service_that_only_refuses_is_asked_ever_more_slowly_and_never_not_at_all(clock):
    budget = Pace(WORKERS)
    for _ in range(50):
        clock.now += 1
        budget.refused(clock.now)
    assert budget._rate == pace._SLOWEST
    clock.now += 1 / pace._SLOWEST
    assert budget._wait() <= 0


def test_at_the_deadline_the_turn_comes_anyway():
    budget = Pace(1)
    entered = []
    with budget.turn(Deadline(60)):
        # Nobody comes back, and two wait: one for the time, one for the other.
        threads = [
            threading.Thread(target=lambda: entered.append(budget.turn(Deadline(0.05)).__enter__())) for _ in "ab"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(entered) == 2


def test_hours_without_a_refusal_are_no_overflow(clock):
    budget = Pace(WORKERS)
    budget.answered()
    budget.refused(clock.now)
    clock.now += 1
    budget.answered()
    budget.refused(clock.now)
    clock.now += 1e7
    budget.answered()
    assert budget._rate > 0
