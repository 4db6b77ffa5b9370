"""Receiving an artifact's release: stored, and published as far as it is signed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from gaia.errors import Conflict, GaiaError
from gaia.model.artifact import Artifact
from gaia.model.channel import DEFAULT_CHANNEL
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.server.blobs import BlobWriter
from gaia.server.deeds import Author, Deed
from gaia.server.ledger import Ledger
from gaia.server.store import releases
from gaia.server.store.releases import State, Stored
from gaia.trust.repository import Mode
from gaia.trust.roles import GAIA_WORKER, channel_role


@dataclass(frozen=True)
class Upload:
    """What a publisher wants a file to be.

    Attributes:
        channel: None for the release's own, or the default of a new release.
        notes: None to leave the release's as they are.
    """

    tag: Tag
    filename: str
    channel: str | None
    notes: str | None
    by: Author


class Publisher:
    """Publishes artifacts. All methods block."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._database = ledger.database
        self._repository = ledger.repository

    def check(self, upload: Upload) -> None:
        """Find out what can be known before the bytes come.

        Raises:
            Conflict: `channel-conflict`.
        """
        with self._database.read() as connection:
            _channel(connection, upload)

    def accept(self, upload: Upload, blob: BlobWriter) -> Stored:
        """Store a sealed blob, and publish it as far as its signatures are there.

        Raises:
            Conflict: `file-conflict`, `channel-conflict` or `release-withdrawn`; nothing was
                changed.
            Refused: `no-space`, `database-unavailable` or `storage-unavailable`.
        """
        artifact = Artifact(upload.filename, blob.size, blob.sha256)
        with self._ledger.exclusively():
            with self._database.read() as connection:
                channel = _channel(connection, upload)
                present = releases.find(connection, upload.tag, upload.filename)
            # Whatever would be refused is refused before anything is stored.
            self._repository.roles.publication().with_artifact(upload.tag, artifact)
            # Also when it is published already: this heals a blob that was damaged since.
            blob.place()
            if not _same(present, artifact):
                self._add(upload, artifact, channel)
            elif upload.notes is not None:
                self._change_notes(upload, upload.notes)
            if present is None or present.state is not State.PUBLISHED:
                self._publish(upload, artifact, channel)
            with self._database.read() as connection:
                stored = releases.find(connection, upload.tag, upload.filename)
        if stored is None:
            raise _vanished(upload)
        return stored

    def missing(self, stored: Stored) -> list[str]:
        """The roles that have to sign a pending file first, in words."""
        roles = self._repository.roles
        found = []
        for role in (GAIA_WORKER, channel_role(stored.channel)):
            if role in roles.delegated:
                keys = sorted(keyid[:16] for keyid in roles.keys(role))
                asked = f"{roles.threshold(role)} of {len(keys)} keys ({', '.join(keys)})"
                found.append(f"{role}: signatures of {asked}")
            else:
                found.append(f"{role}: no keys are named for it yet")
        return found

    def _add(self, upload: Upload, artifact: Artifact, channel: str) -> None:
        now = self._ledger.now()
        with self._database.write() as connection:
            releases.remove_unpublished(connection, upload.tag, upload.filename)
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

    def _publish(self, upload: Upload, artifact: Artifact, channel: str) -> None:
        subject = f"{upload.tag}/{upload.filename}"
        detail = {"sha256": artifact.sha256, "size": artifact.size}
        if self._repository.mode is Mode.STRICT:
            with self._ledger.change(Deed(upload.by, "upload", subject, detail)):
                return
        before = self._repository.roles.publication()
        try:
            with self._ledger.change(Deed(upload.by, "publish", subject, detail)):
                self._repository.change(
                    lambda publication: publication.with_artifact(upload.tag, artifact).placed(
                        upload.tag, channel
                    )
                )
        except GaiaError:
            # Refused means "nothing was changed". Should even this fail, the row waits for the
            # next start, which publishes it: whole, too.
            with suppress(GaiaError, OSError):
                with self._database.write() as connection:
                    releases.remove_unpublished(connection, upload.tag, upload.filename)
                self._repository.change(lambda after: _back_to(before, after))
            raise


def _same(present: Stored | None, artifact: Artifact) -> bool:
    return (
        present is not None
        and present.artifact == artifact
        and present.state is not State.WITHDRAWN
    )


def _back_to(before: Publication, after: Publication) -> Publication:
    # A channel that is new since then cannot go again (TUF 5.5.5), but it can be empty.
    return replace(before, pointers={**dict.fromkeys(after.pointers), **before.pointers})


def _channel(connection: Connection, upload: Upload) -> str:
    """The channel that the upload goes to."""
    present = releases.channel_of(connection, upload.tag)
    if present is not None and upload.channel not in (None, present):
        raise Conflict(
            "channel-conflict",
            f"{upload.tag} belongs to the channel {present}, not to {upload.channel}.",
            hint="Leave channel out to add to the release; gaia release promote puts a release on "
            "another channel.",
        )
    return present or upload.channel or DEFAULT_CHANNEL


def _vanished(upload: Upload) -> Conflict:
    return Conflict(
        "upload-vanished",
        f"{upload.tag}/{upload.filename} was stored and is not there any more.",
        hint="Someone changed the database by hand: upload it again.",
    )
