"""The audit log as the rest of the server sees it: noted at once, written in batches."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from gaia.errors import GaiaError
from gaia.server.auth import Authenticator, Failure
from gaia.server.store import audit
from gaia.server.store.audit import Entry
from gaia.server.store.database import Database

_MAX_PENDING = 10_000


class Journal:
    """Entries wait in memory, so that a request never waits for the database because of them."""

    def __init__(
        self, database: Database, authenticator: Authenticator, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._authenticator = authenticator
        self._now = now
        self._pending: deque[Entry] = deque(maxlen=_MAX_PENDING)
        self._flushing = threading.Lock()

    def note(
        self, actor: str, action: str, subject: str, client: str, detail: dict[str, Any]
    ) -> None:
        """Add an entry."""
        at = self._now().isoformat(timespec="seconds")
        self._pending.append(Entry(at, actor, action, subject, client, detail))

    def flush(self) -> None:
        """Write what waits. When this fails, it waits on.

        Raises:
            Refused: `database-unavailable` or `no-space`.
        """
        with self._flushing:
            batch = [*self._take(), *map(_entry, self._authenticator.take_failures())]
            if not batch:
                return
            try:
                with self._database.write() as connection:
                    audit.append(connection, batch)
            except GaiaError:
                self._pending.extendleft(reversed(batch[-_MAX_PENDING:]))
                raise

    def _take(self) -> list[Entry]:
        return [self._pending.popleft() for _ in range(len(self._pending))]

    def latest(self, limit: int) -> Sequence[Entry]:
        """The newest entries, newest first, with everything noted before this call."""
        self.flush()
        with self._database.read() as connection:
            return audit.latest(connection, limit)


def _entry(failure: Failure) -> Entry:
    at = datetime.fromtimestamp(failure.at, UTC).isoformat(timespec="seconds")
    return Entry(at, failure.name, failure.code, client=failure.client)
