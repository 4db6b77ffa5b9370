"""From an uploaded file to a published artifact: whole, or not there.

The order makes a kill at any point harmless: the blob is durable before its row, the row before the
signature, the signature before the mark `published`. A row without the mark is published again at
the next start; a blob without a row is never served.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from gaia.errors import Conflict, GaiaError
from gaia.model.artifact import Artifact
from gaia.model.channel import DEFAULT_CHANNEL
from gaia.model.tag import Tag
from gaia.protocol.release import Uploaded
from gaia.server.blobs import Blobs, BlobWriter, storage_error
from gaia.server.catalogue import Catalogue
from gaia.server.store import audit, releases
from gaia.server.store.audit import Entry
from gaia.server.store.database import Database
from gaia.server.store.releases import State
from gaia.trust.repository import Repository


@dataclass(frozen=True)
class Upload:
    """What a publisher wants a file to be.

    Attributes:
        channel: None for the release's own, or the default of a new release.
        notes: None to leave the release's as they are.
        by: name of the publisher.
        client: the peer's address.
    """

    tag: Tag
    filename: str
    channel: str | None
    notes: str | None
    by: str
    client: str


class Publisher:
    """Publishes artifacts, one at a time, and keeps the catalogue.

    All methods block; none is to be called on the event loop, `catalogue` excepted.
    """

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        repository: Repository,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._repository = repository
        self._now = now
        self._lock = threading.Lock()
        self._catalogue = Catalogue()

    def catalogue(self) -> Catalogue:
        """What is published now."""
        return self._catalogue

    def start(self) -> None:
        """Finish what a crash has interrupted, then read the catalogue.

        All that is published is offered for signing once more: that signs nothing, unless the
        trust repository is an older one, from a backup, than the database.

        Raises:
            GaiaError: the database or the trust repository cannot be used.
        """
        with self._lock:
            with self._database.write() as connection:
                for tag, artifact in releases.stored(connection):
                    if not self._blobs.holds(artifact.sha256, artifact.size):
                        releases.remove_stored(connection, tag, artifact.filename)
            self._sign_and_mark()
            self._refresh()

    def check(self, upload: Upload) -> None:
        """Find out what can be known before the bytes come.

        Raises:
            Conflict: `channel-conflict`.
        """
        with self._database.read() as connection:
            _channel(connection, upload)

    def accept(self, upload: Upload, blob: BlobWriter) -> Uploaded:
        """Publish a sealed blob.

        Raises:
            Conflict: `file-conflict` or `channel-conflict`; nothing was changed.
            Refused: `no-space`, `database-unavailable` or `storage-unavailable`.
        """
        artifact = Artifact(upload.filename, blob.size, blob.sha256)
        with self._lock:
            with self._database.read() as connection:
                channel = _channel(connection, upload)
                present = releases.find(connection, upload.tag, upload.filename)
                self._check_bytes(upload, artifact, present)
            # Also when it is published already: this heals a blob that was damaged since.
            blob.place()
            if present is None:
                self._add(upload, artifact, channel)
            elif upload.notes is not None:
                self._change_notes(upload, upload.notes)
            if present is None or present.state is State.STORED:
                self._publish(upload, artifact)
            self._refresh()
        return Uploaded(
            status="ok",
            tag=str(upload.tag),
            filename=artifact.filename,
            size=artifact.size,
            sha256=artifact.sha256,
            channel=channel,
            published=True,
        )

    def renew(self) -> bool:
        """Re-sign what nears its expiry; whether anything did.

        Raises:
            Refused: `no-space` or `storage-unavailable`.
        """
        with self._lock:
            try:
                renewed = self._repository.renew()
            except OSError as error:
                raise storage_error(error) from error
            if renewed:
                self._refresh()
            return renewed

    def _check_bytes(
        self, upload: Upload, artifact: Artifact, present: releases.Stored | None
    ) -> None:
        if present is not None and present.artifact.sha256 != artifact.sha256:
            raise Conflict(
                "file-conflict",
                f"{upload.tag} already has a {upload.filename} with other bytes"
                f" (SHA-256 {present.artifact.sha256}); nothing was changed.",
                hint="A published file never changes: upload under a new tag.",
            )

    def _add(self, upload: Upload, artifact: Artifact, channel: str) -> None:
        now = self._now()
        with self._database.write() as connection:
            if releases.channel_of(connection, upload.tag) is None:
                releases.add_release(
                    connection, upload.tag, channel=channel, notes=upload.notes or "", now=now
                )
            elif upload.notes is not None:
                releases.set_notes(connection, upload.tag, upload.notes)
            releases.add_artifact(connection, upload.tag, artifact, now=now)

    def _change_notes(self, upload: Upload, notes: str) -> None:
        with self._database.write() as connection:
            releases.set_notes(connection, upload.tag, notes)

    def _publish(self, upload: Upload, artifact: Artifact) -> None:
        try:
            self._sign_and_mark(
                Entry(
                    at=self._now().isoformat(timespec="seconds"),
                    actor=upload.by,
                    action="publish",
                    subject=f"{upload.tag}/{upload.filename}",
                    client=upload.client,
                    detail={"sha256": artifact.sha256, "size": artifact.size},
                )
            )
        except GaiaError:
            # Refused means "nothing was changed". Should even this fail, the row waits for the
            # next start, which publishes it: whole, too.
            with suppress(GaiaError):
                with self._database.write() as connection:
                    releases.remove_stored(connection, upload.tag, upload.filename)
                self._sign_and_mark()
            raise

    def _sign_and_mark(self, *entries: Entry) -> None:
        # The write lock comes first: a locked database is found out before anything is signed.
        with self._database.write() as connection:
            releases.publish_all(connection)
            audit.append(connection, entries)
            try:
                self._repository.publish(releases.load(connection))
            except OSError as error:
                raise storage_error(error) from error

    def _refresh(self) -> None:
        with self._database.read() as connection:
            published = releases.load(connection)
        self._catalogue = Catalogue(
            releases={release.tag: release for release in published},
            pointers=dict(self._repository.pointers()),
            root_version=self._repository.root_version,
            timestamp=self._repository.timestamp,
        )


def _channel(connection: Connection, upload: Upload) -> str:
    """The channel that the upload goes to."""
    present = releases.channel_of(connection, upload.tag)
    if present is not None and upload.channel not in (None, present):
        raise Conflict(
            "channel-conflict",
            f"{upload.tag} belongs to the channel {present}, not to {upload.channel}.",
            hint="Leave channel out to add to the release, or upload under another tag.",
        )
    return present or upload.channel or DEFAULT_CHANNEL
