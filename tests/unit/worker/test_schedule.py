"""When the next heartbeat is due."""

import math

import pytest

from gaia.worker.schedule import LONGEST_BACKOFF, LONGEST_INTERVAL, Schedule


def schedule(interval: float = 5.0) -> Schedule:
    """At time 0, with the middle of every range for chance."""
    return Schedule(interval, lambda: 0.0, lambda: 0.5)


def test_the_first_heartbeat_is_due_at_once() -> None:
    assert schedule().remaining == 0


@pytest.mark.parametrize(
    ("asked", "left"),
    [(0.2, 5.0), (30.0, 30.0), (-1.0, 5.0), (math.nan, 5.0), (math.inf, LONGEST_INTERVAL)],
)
def test_the_server_may_ask_for_more_but_not_for_silence(asked: float, left: float) -> None:
    timer = schedule()
    timer.answered(asked)
    assert timer.remaining == pytest.approx(left)
    assert timer.interval == pytest.approx(left)


def test_failures_back_off_up_to_a_cap() -> None:
    timer = schedule()
    waits = []
    for _ in range(12):
        timer.failed(None)
        waits.append(timer.remaining)
    assert waits == sorted(waits)
    assert waits[0] > 0
    assert waits[-1] <= LONGEST_BACKOFF
    timer.answered(0.2)
    timer.failed(None)
    assert timer.remaining == waits[0]


def test_retry_after_is_obeyed_within_reason() -> None:
    timer = schedule()
    timer.failed(60.0)
    assert timer.remaining == 60.0
    timer.failed(math.inf)
    assert timer.remaining == LONGEST_INTERVAL
