"""The fleet's way to disk: what changed is written once a second, in a thread."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import structlog

from gaia.errors import GaiaError
from gaia.planning.backoff import full_jitter
from gaia.server.fleet import Fleet, Worker
from gaia.server.store import workers
from gaia.server.store.database import Database

log = structlog.get_logger(__name__)

INTERVAL = 1.0
"""Seconds between two writes."""

_BATCH = 500
"""Workers in one statement: encoding it holds the interpreter for about a millisecond."""

_LONGEST_WAIT = 30.0
"""Seconds between two tries while the database refuses."""


class Flusher:
    """Stores a fleet. Heartbeats are answered whether the database is there or not.

    Args:
        interval: seconds between two writes.
    """

    def __init__(self, fleet: Fleet, database: Database, *, interval: float = INTERVAL) -> None:
        self._fleet = fleet
        self._database = database
        self._interval = interval
        self._stopping = asyncio.Event()
        self._failures = 0

    def load(self) -> None:
        """Fill the fleet with what is stored, once, before the first request.

        Raises:
            Refused: `database-unavailable`.
        """
        with self._database.read() as connection:
            self._fleet.load(workers.load_all(connection))

    async def run(self) -> None:
        """Write until `stop`, and once more then."""
        while not self._stopping.is_set():
            try:
                await asyncio.wait_for(self._stopping.wait(), self._wait())
            except TimeoutError:
                await self.flush()
        await self.flush()

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stopping.set()

    async def flush(self) -> bool:
        """Write what changed. On an error it is kept for the next time; False then."""
        changed = self._fleet.take_dirty()
        try:
            await asyncio.to_thread(self._save, changed)
        except Exception as error:
            self._fleet.mark_dirty(changed)
            self._failures += 1
            log.warning("fleet not stored", reason=str(error), kept=len(changed))
            if not isinstance(error, GaiaError):
                log.exception("fleet not stored: a fault of ours")
            return False
        self._failures = 0
        return True

    def _save(self, changed: Sequence[Worker]) -> None:
        for start in range(0, len(changed), _BATCH):
            with self._database.write() as connection:
                workers.save_batch(connection, changed[start : start + _BATCH])

    def _wait(self) -> float:
        if self._failures == 0:
            return self._interval
        return full_jitter(
            self._failures - 1,
            random.random(),  # noqa: S311
            base=self._interval,
            cap=_LONGEST_WAIT,
        )
