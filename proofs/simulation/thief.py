"""A server of someone who has stolen the online key: its snapshots and timestamps are sound."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from pathlib import Path

import msgspec
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile, Snapshot, T, Targets, Timestamp

from gaia.model.artifact import Artifact
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.protocol.worker import (
    DirectiveMessage,
    Experiments,
    HeartbeatAnswer,
    Registered,
    Tuf,
)
from gaia.trust.contents import to_contents
from gaia.trust.document import Document
from gaia.trust.edition import Edition
from gaia.trust.keys import KeyFolder
from gaia.trust.metadata_files import MetadataFiles
from gaia.trust.roles import GAIA_WORKER, SNAPSHOT, TIMESTAMP, channel_role, lifetime
from proofs.simulation.network import Reply, Request
from proofs.simulation.releases import CHANNEL, FILENAME

EVIL = b"#!evil" + bytes(4090)
"""What the thief wants to see running."""

_EVIL_TAG = Tag.parse("v66.6.6")
_FAR = 1 << 40
_CHANNEL_ROLE = channel_role(CHANNEL)


class Thief:
    """Answers in the server's place.

    Args:
        folder: the server's, as it was at the theft.
        plot: one of `proofs.simulation.faults.PLOTS`.
    """

    def __init__(self, folder: Path, now: datetime, plot: str) -> None:
        files = MetadataFiles(folder / "tuf")
        edition = Edition.load(files)
        if edition is None:
            raise RuntimeError("the server has signed nothing yet")
        self._files = files
        self._roles = edition.roles
        self._now = now
        self._plot = plot
        self._keys: list[CryptoSigner] = KeyFolder(folder / "keys").trusted(
            edition.roles.root.roles[TIMESTAMP].keyids
        )
        self._forged: dict[str, bytes] = {}
        ahead = _FAR if plot == "ahead" else 1
        meta = dict(edition.snapshot.signed.meta)
        if plot == "forge":
            meta |= self._forge()
        elif plot == "roll-back":
            meta |= self._oldest(_CHANNEL_ROLE, GAIA_WORKER)
        snapshot = self._sign(SNAPSHOT, Snapshot(edition.snapshot.version + ahead, meta=meta))
        timestamp = Timestamp(edition.timestamp.version + ahead, snapshot_meta=snapshot.reference)
        self._timestamp = self._sign(TIMESTAMP, timestamp)
        self._forged[snapshot.name] = snapshot.data

    def answer(self, request: Request) -> Reply | None:
        """Whatever serves the plot."""
        match request.path.strip("/").split("/"):
            case ["api", "workers", "register"]:
                return Reply(200, msgspec.json.encode(Registered("0" * 32)))
            case ["api", "workers", "heartbeat", _]:
                return Reply(200, msgspec.json.encode(self._directive()))
            case ["tuf", name]:
                data = self._forged.get(name) or self._files.read(name)
                return Reply(404, b"") if data is None else Reply(200, data)
            case _:
                return Reply(200, EVIL)

    def _directive(self) -> HeartbeatAnswer:
        pointer = self._roles.publication().pointers.get(CHANNEL)
        tags = sorted(pointer.tags) if pointer is not None else []
        tag = _EVIL_TAG if self._plot == "forge" or not tags else tags[0]
        if self._plot == "highest" and tags:
            tag = tags[-1]
        elif self._plot == "evil-bytes" and pointer is not None:
            tag = pointer.current
        return HeartbeatAnswer(
            status="ok",
            latest_version=str(tag),
            force_update=True,
            directive=DirectiveMessage("update", "newer-release", str(tag), FILENAME),
            experiments=Experiments(str(tag), hashlib.sha256(EVIL).hexdigest(), len(EVIL)),
            tuf=Tuf(self._roles.root.version, self._timestamp.data.decode()),
            interval=1.0,
        )

    def _forge(self) -> dict[str, MetaFile]:
        """A release of the thief's own, signed with the only key that he has."""
        artifact = Artifact(FILENAME, len(EVIL), hashlib.sha256(EVIL).hexdigest())
        publication = Publication().with_artifact(_EVIL_TAG, artifact).placed(_EVIL_TAG, CHANNEL)
        meta = {}
        for role, content in to_contents(publication).items():
            signed = Targets(self._roles.versions[role] + 1, targets=dict(content))
            document = self._sign(role, signed)
            self._forged[document.name] = document.data
            meta[f"{role}.json"] = document.reference
        return meta

    def _oldest(self, *roles: str) -> dict[str, MetaFile]:
        """The first versions of roles that the server still has."""
        meta = {}
        for role in roles:
            name = re.compile(rf"(\d+)\.{re.escape(role)}\.json")
            found = (name.fullmatch(each) for each in self._files.names())
            versions = sorted(int(match[1]) for match in found if match)
            if versions:
                data = self._files.read(f"{versions[0]}.{role}.json") or b""
                document = Document.parse(Targets, role, f"{versions[0]}.{role}.json", data)
                meta[f"{role}.json"] = document.reference
        return meta

    def _sign(self, role: str, signed: T) -> Document[T]:
        signed.expires = self._now + lifetime(role)
        return Document.sign(role, signed, self._keys)
