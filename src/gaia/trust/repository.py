"""The server's trust repository: signed roles, and the online roles that it signs itself."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import structlog
from tuf.api.metadata import Key

from gaia.errors import TrustError
from gaia.model.channel import Pointer
from gaia.model.publication import Publication
from gaia.trust.bundle import Bundle
from gaia.trust.convenience import ServerHeldKeys
from gaia.trust.drafting import Drafter
from gaia.trust.edition import Edition, Written
from gaia.trust.keys import ONLINE, KeyFolder
from gaia.trust.metadata_files import ROOT_FILE, VERSIONED, MetadataFiles
from gaia.trust.online import OnlineSigner, check_named
from gaia.trust.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, channel_role, due
from gaia.trust.signed_roles import SignedRoles, load_newest, load_roots
from gaia.trust.vetting import vetted

log = structlog.get_logger()


class Mode(StrEnum):
    """Who signs releases. It follows from where the keys are; nobody sets it."""

    CONVENIENCE = "convenience"
    STRICT = "strict"


class Repository:
    """A standard TUF repository with consistent snapshots (6.2).

    Every change is a new edition: new files first, each durable, `timestamp.json` last. A crash at
    any point leaves clients with the edition before. Safe to use from several threads.
    """

    def __init__(
        self,
        folder: MetadataFiles,
        keys: KeyFolder,
        now: Callable[[], datetime],
        edition: Edition,
    ) -> None:
        self._folder = folder
        self._keys = keys
        self._held = ServerHeldKeys(keys)
        self._online = OnlineSigner(keys, now)
        self._now = now
        self._lock = threading.Lock()
        self._edition = edition
        self._mode = self._derived_mode()

    @classmethod
    def open(cls, folder: Path, keys: Path, now: Callable[[], datetime]) -> Repository:
        """The repository in `folder`; on first use, with new keys and nothing published.

        A folder that holds signed roles and no timestamp yet comes from `gaia trust init`. In one
        that was in use, nothing is signed: see `renew`.

        Args:
            keys: folder of the private keys.
            now: the time, in UTC.

        Raises:
            TrustError: `repository-damaged`, `key-missing`, `key-unreadable` or
                `online-key-unnamed`.
            OSError: the folders cannot be written.
        """
        metadata, key_folder = MetadataFiles.open(folder), KeyFolder(keys)
        edition = Edition.load(metadata)
        if edition is None:
            roles = _first(metadata, ServerHeldKeys(key_folder), now())
            check_named(key_folder, roles.root)
            edition = OnlineSigner(key_folder, now).edition(roles, None)
            _write(metadata, edition, None)
        return cls(metadata, key_folder, now, edition)

    @property
    def mode(self) -> Mode:
        """Strict when none of the server's keys is trusted to sign a release."""
        return self._mode

    @property
    def roles(self) -> SignedRoles:
        """What is signed, the online roles excepted."""
        return self._edition.roles

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the first root's file, hexadecimal: what `--trust-root` takes."""
        return self.roles.fingerprint

    @property
    def root_version(self) -> int:
        """Version of the newest root."""
        return self.roles.root.version

    @property
    def timestamp(self) -> str:
        """Text of the newest timestamp.json."""
        return self._edition.timestamp.data.decode()

    def pointers(self) -> Mapping[str, Pointer]:
        """The signed pointer of every channel that has a release."""
        pointers = self.roles.publication().pointers
        return {channel: pointer for channel, pointer in pointers.items() if pointer is not None}

    def expiries(self) -> Mapping[str, datetime]:
        """When each role expires."""
        edition = self._edition
        online = {SNAPSHOT: edition.snapshot.signed.expires}
        online[TIMESTAMP] = edition.timestamp.signed.expires
        return {d.role: d.signed.expires for d in edition.roles.newest()} | online

    def versions(self) -> Mapping[str, int]:
        """Version of each role."""
        edition = self._edition
        online = {SNAPSHOT: edition.snapshot.version, TIMESTAMP: edition.timestamp.version}
        return edition.roles.versions | online

    def online_keys(self) -> Mapping[str, tuple[Key, bool]]:
        """The server's own keys by key ID, and whether the root names them for the timestamp."""
        trusted = self.roles.root.roles[TIMESTAMP].keyids
        keys = [signer.public_key for signer in self._keys.named(f"{ONLINE}*")]
        return {key.keyid: (key, key.keyid in trusted) for key in keys}

    def make_online_key(self) -> Key:
        """A new key for snapshot and timestamp, used once the root names it.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            return self._keys.obtain(f"{ONLINE}-{secrets.token_hex(4)}").public_key

    def read(self, name: str) -> bytes | None:
        """What `GET /tuf/{name}` answers: the file as it is on disk; None for any other name.

        A root is not shown before the edition that it belongs to.

        Raises:
            OSError: it cannot be read.
        """
        newest_root = f"{self.root_version}.{ROOT}.json"
        if name == ROOT_FILE:
            return self._folder.read(newest_root)
        match = VERSIONED.fullmatch(name)
        if match is not None and match["role"] == ROOT:
            return self._folder.read(name) if int(match["version"]) <= self.root_version else None
        return self._folder.read(name)

    def change(self, change: Callable[[Publication], Publication]) -> None:
        """Sign another publication with the keys that the server holds.

        Only roles whose content changes are signed. On any error, the edition before stays.

        Raises:
            GaiaError: as `change`.
            TrustError: `key-missing`; always so in strict mode.
            OSError: the folder cannot be written.
        """
        with self._lock:
            roles = self.roles
            before = roles.publication()
            publication = change(before)
            if publication == before:
                return
            drafter = Drafter(roles, self._now())
            for channel in publication.pointers:
                if channel_role(channel) not in roles.delegated:
                    self._held.draft_channel(drafter, channel_role(channel))
            drafter.publish(publication)
            self._sign(drafter)

    def renew(self) -> bool:
        """Sign again what nears its expiry, as far as the server holds the keys; whether it did.

        Raises:
            TrustError: a key is missing.
            OSError: the folder cannot be written; the edition before stays.
        """
        with self._lock:
            before, now = self._edition, self._now()
            try:
                self._renew(
                    d.role for d in before.roles.newest() if due(d.role, d.signed.expires, now)
                )
            finally:
                # Whatever keys are lost: the timestamp must not expire for it.
                self._advance(self.roles)
            return self._edition is not before

    def sign_all_anew(self) -> None:
        """Sign everything again that the server holds the keys of.

        After a restore from a backup the versions are ahead again of all that workers have seen.

        Raises:
            TrustError: a key is missing.
            OSError: the folder cannot be written; the edition before stays.
        """
        with self._lock:
            try:
                self._renew(self.roles.versions)
            finally:
                self._put(self._online.anew(self._edition))

    def accept(self, bundle: Bundle, check: Callable[[Publication], None]) -> None:
        """Put a bundle in place: all of it, or nothing was changed.

        Args:
            check: raises when what would be published cannot be served.

        Raises:
            Conflict, Refused, TrustError: as `vetted`; `online-key-missing` when the bundle's root
                names none of this server's online keys.
            OSError: the folder cannot be written.
        """
        with self._lock:
            before = self.roles
            roles = vetted(before, bundle, self._now())
            check(roles.publication())
            self._advance(roles)
            self._forget(before, roles)
            self._mode = self._derived_mode()

    def _renew(self, roles: Iterable[str]) -> None:
        """Sign each role anew, as far as its key is here; the first that was not is told last."""
        refusals = []
        for role in [*roles] if self._mode is Mode.CONVENIENCE else []:
            if role != ROOT:
                drafter = Drafter(self.roles, self._now())
                drafter.renew(role)
                try:
                    self._sign(drafter)
                except TrustError as error:
                    refusals.append(error)
        if refusals:
            raise refusals[0]

    def _sign(self, drafter: Drafter) -> None:
        drafts = drafter.bundle()
        if drafts:
            signed = self._held.sign(drafts, self.roles)
            self._advance(vetted(self.roles, signed, self._now()))

    def _advance(self, roles: SignedRoles) -> None:
        self._put(self._online.edition(roles, self._edition))

    def _forget(self, before: SignedRoles, after: SignedRoles) -> None:
        try:
            self._held.forget(before, after)
        except OSError as error:
            # What was asked for is done all the same.
            log.error("keys that are not trusted any more were not removed", reason=str(error))

    def _put(self, edition: Edition) -> None:
        if edition is not self._edition:
            _write(self._folder, edition, self._edition)
            self._edition = edition
            try:
                self._folder.prune(_names(edition))
            except OSError as error:
                log.warning("old signed files were not removed", reason=str(error))

    def _derived_mode(self) -> Mode:
        return Mode.CONVENIENCE if self._held.hold_any(self.roles) else Mode.STRICT


def _first(folder: MetadataFiles, held: ServerHeldKeys, now: datetime) -> SignedRoles:
    if folder.empty:
        root = held.first_root(now)
        folder.write(root.name, root.data)
    if any(name.endswith(f".{TARGETS}.json") for name in folder.names()):
        return load_newest(folder)
    return held.first_roles(load_roots(folder)[-1], now)


def _write(folder: MetadataFiles, edition: Edition, last: Edition | None) -> None:
    kept = _names(last) if last else set()
    for document in edition.documents():
        if document.name not in kept or document.role == TIMESTAMP:
            folder.write(document.name, document.data)


def _names(edition: Edition) -> set[str]:
    documents: list[Written] = list(edition.documents())
    return {document.name for document in documents}
