"""What is signed, and what the database says of it, in step.

What is published is what is signed. The order makes a kill at any point harmless: the blob is
durable before its row, the row before the signature, the signature before the mark `published`. The
marks are brought into line with the signatures at each start; a blob without a row is never served.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import structlog
from sqlalchemy import Connection

from gaia.errors import GaiaError, TrustError
from gaia.model.artifact import Artifact
from gaia.model.publication import Publication
from gaia.server.blobs import Blobs, storage_error
from gaia.server.catalogue import Catalogue
from gaia.server.deeds import Deed
from gaia.server.store import audit, releases
from gaia.server.store.database import Database
from gaia.server.store.releases import State, Stored
from gaia.trust.repository import Mode, Repository

log = structlog.get_logger()


class Ledger:
    """Changes what is signed, one change at a time, and keeps the catalogue.

    All methods block; none is to be called on the event loop, `catalogue` excepted.
    """

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        repository: Repository,
        now: Callable[[], datetime],
    ) -> None:
        self.database = database
        self.blobs = blobs
        self.repository = repository
        self.now = now
        self._lock = threading.Lock()
        self._catalogue = Catalogue()

    def catalogue(self) -> Catalogue:
        """What is published now."""
        return self._catalogue

    def start(self) -> None:
        """Finish what a crash has interrupted, then read the catalogue.

        In convenience mode all that was published is signed again where the trust repository does
        not have it, as one from an older backup than the database. Where a key is missing for that,
        it waits, and is tried again at the next start.

        Raises:
            GaiaError: the database or the trust repository cannot be used.
        """
        with self._lock:
            with self.database.write() as connection:
                for row in releases.rows(connection):
                    if row.state is State.STORED and not self.held(row.artifact):
                        releases.remove_unpublished(connection, row.tag, row.artifact.filename)
                rows = releases.rows(connection)
                if self.repository.mode is Mode.CONVENIENCE:
                    self._sign_again(rows)
                releases.mark(connection, self.repository.roles.publication())
            self._refresh()

    def _sign_again(self, rows: list[Stored]) -> None:
        try:
            with _storage():
                self.repository.change(lambda before: _with_rows(before, rows))
        except TrustError as error:
            log.error("what was uploaded cannot be signed", code=error.code, reason=error.message)

    def renew(self) -> bool:
        """Re-sign what nears its expiry; whether anything did. Marks that a failed write has left
        behind are brought into line.

        Raises:
            Refused: `no-space`, `database-unavailable` or `storage-unavailable`.
            TrustError: a key is missing.
        """
        # Also when a key is missing, heartbeats have to carry the timestamp that was renewed.
        with self.exclusively():
            with _storage():
                renewed = self.repository.renew()
            with self.database.write() as connection:
                releases.mark(connection, self.repository.roles.publication())
            return renewed

    def held(self, artifact: Artifact) -> bool:
        """Whether the blob is here."""
        return self.blobs.holds(artifact.sha256, artifact.size)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """One change at a time; the catalogue is read anew at its end, however it ends."""
        with self._lock:
            try:
                yield
            except BaseException:
                with suppress(GaiaError):
                    self._refresh()
                raise
            self._refresh()

    @contextmanager
    def change(self, deed: Deed) -> Iterator[Connection]:
        """A change of what is signed, with its marks and its entry in the same transaction.

        The write lock comes first: a locked database is found out before anything is signed. Only
        to be used within `exclusively`.

        Raises:
            Refused: `no-space`, `database-unavailable` or `storage-unavailable`.
        """
        with self.database.write() as connection, _storage():
            yield connection
            releases.mark(connection, self.repository.roles.publication())
            audit.append(connection, [deed.entry(self.now())])

    def _refresh(self) -> None:
        with self.database.read() as connection:
            published = releases.load(connection)
            rows = releases.rows(connection)
        self._catalogue = Catalogue(
            releases={release.tag: release for release in published},
            pointers=dict(self.repository.pointers()),
            root_version=self.repository.root_version,
            timestamp=self.repository.timestamp,
            pending=tuple(row for row in rows if row.state is State.STORED),
        )


def _with_rows(publication: Publication, rows: list[Stored]) -> Publication:
    """All rows published that were not withdrawn, and do not contradict what is signed."""
    for row in rows:
        signed = publication.artifact(row.tag, row.artifact.filename)
        fits = signed is None or signed.sha256 == row.artifact.sha256
        if fits and row.state is not State.WITHDRAWN and row.tag not in publication.withdrawn:
            publication = publication.with_artifact(row.tag, row.artifact)
            publication = publication.placed(row.tag, row.channel)
    return publication


@contextmanager
def _storage() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(error) from error
