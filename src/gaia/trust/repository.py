"""The trust repository in convenience mode: the server signs what is published, at once.

Whoever holds the server holds every key below root's. That is the price of a plain upload by curl;
strict mode keeps the signing keys off the server.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import TargetFile

from gaia.model.channel import Pointer, check_channel, pointer_over
from gaia.model.release import Release
from gaia.trust.edition import Contents, Edition
from gaia.trust.keys import KeyFolder
from gaia.trust.metadata_files import ROOT_FILE, MetadataFiles
from gaia.trust.pointer import from_target, to_target
from gaia.trust.roles import (
    GAIA_WORKER,
    ROOT,
    TIMESTAMP,
    artifact_path,
    channel_of,
    channel_role,
    pointer_path,
)
from gaia.trust.root import RootChain
from gaia.trust.signatory import Signatory


class Repository:
    """A standard TUF repository with consistent snapshots (6.2), and the keys to sign it.

    Every change is a new edition: new files first, each durable, `timestamp.json` last. A crash at
    any point leaves clients with the edition before. Safe to use from several threads.
    """

    def __init__(
        self,
        folder: MetadataFiles,
        keys: KeyFolder,
        now: Callable[[], datetime],
        roots: RootChain,
        edition: Edition | None,
    ) -> None:
        self._folder = folder
        self._signatory = Signatory(keys, now)
        self._now = now
        self._roots = roots
        self._lock = threading.Lock()
        self._edition = edition or self._advance(None, {GAIA_WORKER: {}})

    @classmethod
    def open(cls, folder: Path, keys: Path, now: Callable[[], datetime]) -> Repository:
        """The repository in `folder`; on first use, with new keys and nothing published.

        Nothing is signed when there is one already: see `publish` and `renew`.

        Args:
            keys: folder of the private keys.
            now: the time, in UTC.

        Raises:
            TrustError: `repository-damaged`, `key-missing`, `key-unreadable` or `key-mismatch`.
            OSError: the folders cannot be written.
        """
        files, key_folder = MetadataFiles.open(folder), KeyFolder(keys)
        roots = RootChain.open(files, key_folder, now())
        return cls(files, key_folder, now, roots, Edition.load(files, roots.newest))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the first root's file, hexadecimal: what `--trust-root` takes."""
        return self._roots.fingerprint

    @property
    def root_version(self) -> int:
        """Version of the newest root."""
        return self._roots.newest.version

    @property
    def timestamp(self) -> str:
        """Text of the newest timestamp.json."""
        return self._edition.timestamp.data.decode()

    def pointers(self) -> Mapping[str, Pointer]:
        """The signed pointer of every channel that has a release."""
        found = {}
        for role, targets in self._edition.contents.items():
            channel = channel_of(role)
            if channel is not None and (target := targets.get(pointer_path(channel))) is not None:
                found[channel] = from_target(channel, target)
        return found

    def expiries(self) -> Mapping[str, datetime]:
        """When each role expires."""
        expiries = {d.role: d.signed.expires for d in self._edition.documents()}
        return {ROOT: self._roots.newest.expires} | expiries

    def read(self, name: str) -> bytes | None:
        """What `GET /tuf/{name}` answers: the file as it is on disk; None for any other name.

        Raises:
            OSError: it cannot be read.
        """
        return self._folder.read(self._roots.name if name == ROOT_FILE else name)

    def publish(self, releases: Sequence[Release]) -> None:
        """Sign that these, and no others, are the published releases.

        Only roles whose content changes are signed. On any error, the edition before stays.

        Raises:
            InvalidInput: `invalid-channel`.
            TrustError: a key is missing or is not the one that the metadata names.
            OSError: the folder cannot be written.
        """
        channels: dict[str, list[Release]] = {
            channel: []
            for role in self._edition.delegated
            if (channel := channel_of(role)) is not None
        }
        for release in releases:
            channels.setdefault(check_channel(release.channel), []).append(release)
        contents = {GAIA_WORKER: dict(_artifact_targets(releases))} | {
            channel_role(channel): _pointer_targets(channel, members)
            for channel, members in channels.items()
        }
        with self._lock:
            self._edition = self._advance(self._edition, contents)

    def renew(self) -> bool:
        """Sign again what nears its expiry; whether there was anything.

        Raises:
            TrustError: a key is missing or is not the one that the metadata names.
            OSError: the folder cannot be written; the edition before stays.
        """
        with self._lock:
            before = self._edition
            self._edition = self._advance(before, before.contents)
            return self._edition is not before

    def renew_root(self, root_keys: Path) -> None:
        """Sign the next root, with the keys that the operator has brought back.

        Raises:
            TrustError: `root-keys-missing` or `key-unreadable`.
            OSError: the folder cannot be written; nothing was changed.
        """
        with self._lock:
            self._roots.renew(KeyFolder(root_keys), self._now())

    def _advance(self, last: Edition | None, contents: Contents) -> Edition:
        edition = self._signatory.next_edition(self._roots.newest, last, contents)
        if edition is last:
            return edition
        kept = {document.name for document in last.documents()} if last else set()
        for document in edition.documents():
            if document.name not in kept or document.role == TIMESTAMP:
                self._folder.write(document.name, document.data)
        self._folder.prune({document.name for document in edition.documents()})
        return edition


def _artifact_targets(releases: Iterable[Release]) -> Iterable[tuple[str, TargetFile]]:
    for release in releases:
        for artifact in release.artifacts:
            path = artifact_path(release.tag, artifact.filename)
            yield path, TargetFile(artifact.size, {"sha256": artifact.sha256}, path)


def _pointer_targets(channel: str, releases: Iterable[Release]) -> dict[str, TargetFile]:
    signed = pointer_over(releases)
    return {} if signed is None else {pointer_path(channel): to_target(channel, signed)}
