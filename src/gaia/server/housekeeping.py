"""What the server does without being asked: the audit log to disk, signatures renewed in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from gaia.errors import GaiaError, TrustError
from gaia.server.auth import Authenticator
from gaia.server.expiry_watch import ExpiryWatch
from gaia.server.journal import Journal
from gaia.server.ledger import Ledger
from gaia.server.store import tokens
from gaia.server.store.database import Database

log = structlog.get_logger()

FLUSH_INTERVAL = 2.0
"""Seconds between two writes of the audit log and of the tokens' last use."""

RENEWAL_INTERVAL = 600.0
"""Seconds between two looks at what nears its expiry."""


@dataclass
class Housekeeping:
    """Runs beside the requests. What fails is tried again at the next turn."""

    database: Database
    authenticator: Authenticator
    journal: Journal
    ledger: Ledger
    watch: ExpiryWatch
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _complained: bool = False

    async def run(self) -> None:
        """Until `stop`, and a last time then."""
        renewal = 0.0
        while not self._stopping.is_set():
            if time.monotonic() >= renewal:
                await self._attempt(self.renew)
                await self._attempt(self.watch.look)
                renewal = time.monotonic() + RENEWAL_INTERVAL
            try:
                await asyncio.wait_for(self._stopping.wait(), FLUSH_INTERVAL)
            except TimeoutError:
                await self._attempt(self.flush)
        await self._attempt(self.flush)

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stopping.set()

    def renew(self) -> None:
        """Re-sign what nears its expiry."""
        if self.ledger.renew():
            log.info("signatures renewed")

    def flush(self) -> None:
        """Write what waits in memory."""
        self.journal.flush()
        used = self.authenticator.take_last_used()
        if used:
            with self.database.write() as connection:
                tokens.save_last_used(connection, used)

    async def _attempt(self, work: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(work)
        except GaiaError as error:
            if not self._complained:
                say = log.error if isinstance(error, TrustError) else log.warning
                say("housekeeping waits", code=error.code, reason=error.message, hint=error.hint)
            self._complained = True
        except Exception:
            log.exception("housekeeping failed")
        else:
            self._complained = False
