"""The audit log as the rest of the server sees it: who was turned away, written in batches."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from gaia.errors import GaiaError
from gaia.server.auth import Authenticator, Failure
from gaia.server.store import audit
from gaia.server.store.audit import Entry
from gaia.server.store.database import Database

_MAX_PENDING = 10_000


class Journal:
    """Failures wait in memory, so that a request never waits for the database because of them.

    What changes something is written with the change itself (`gaia.server.deeds`).
    """

    def __init__(self, database: Database, authenticator: Authenticator) -> None:
        self._database = database
        self._authenticator = authenticator
        self._pending: list[Entry] = []
        self._flushing = threading.Lock()

    def flush(self) -> None:
        """Write what waits. When this fails, it waits on.

        Raises:
            Refused: `database-unavailable` or `no-space`.
        """
        with self._flushing:
            batch = [*self._pending, *map(_entry, self._authenticator.take_failures())]
            self._pending = []
            if not batch:
                return
            try:
                with self._database.write() as connection:
                    audit.append(connection, batch)
            except GaiaError:
                self._pending = batch[-_MAX_PENDING:]
                raise

    def latest(self, limit: int) -> Sequence[Entry]:
        """The newest entries, newest first, with every failure before this call."""
        self.flush()
        with self._database.read() as connection:
            return audit.latest(connection, limit)


def _entry(failure: Failure) -> Entry:
    at = datetime.fromtimestamp(failure.at, UTC).isoformat(timespec="seconds")
    return Entry(at, failure.name, failure.code, client=failure.client)
