"""When the next heartbeat is due."""

from __future__ import annotations

from collections.abc import Callable

from gaia.planning.backoff import full_jitter, jittered

LONGEST_BACKOFF = 300.0
"""Seconds. A server that is gone for days is asked at least this often."""

LONGEST_INTERVAL = 3600.0
"""Seconds. More than this no server may ask for: a worker must not be silenced for good."""


class Schedule:
    """Turns answers and failures into the time of the next heartbeat.

    Args:
        interval: seconds between heartbeats that the owner asked for.
        clock: monotonic seconds.
        chance: random numbers in [0, 1).

    Attributes:
        interval: seconds between heartbeats while the server answers.
    """

    def __init__(
        self, interval: float, clock: Callable[[], float], chance: Callable[[], float]
    ) -> None:
        self._wanted = self.interval = interval
        self._clock = clock
        self._chance = chance
        self._failures = 0
        self._due = clock()

    @property
    def remaining(self) -> float:
        """Seconds until the next heartbeat is due; zero or less when it is."""
        return self._due - self._clock()

    def answered(self, at_least: float) -> None:
        """The server answered, and asked to leave `at_least` seconds in between."""
        self._failures = 0
        self.interval = max(self._wanted, min(at_least, LONGEST_INTERVAL))
        self._due = self._clock() + jittered(self.interval, self._chance())

    def failed(self, retry_after: float | None) -> None:
        """No answer. A server that named a time is not asked before it."""
        wait = full_jitter(
            self._failures,
            self._chance(),
            base=self.interval,
            cap=max(LONGEST_BACKOFF, self.interval),
        )
        self._failures += 1
        self._due = self._clock() + max(wait, min(retry_after or 0.0, LONGEST_INTERVAL))
