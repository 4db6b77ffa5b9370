"""The online roles: snapshot and timestamp, signed by the server itself in both modes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tuf.api.metadata import Root, Snapshot, T, Timestamp

from gaia.errors import TrustError
from gaia.trust.document import Document
from gaia.trust.edition import ROOT_VERSION, Edition
from gaia.trust.keys import KeyFolder
from gaia.trust.roles import ROOT, SNAPSHOT, TIMESTAMP, due, lifetime, next_version
from gaia.trust.signed_roles import SignedRoles


class OnlineSigner:
    """Says which signed roles are the newest, and that they still are."""

    def __init__(self, keys: KeyFolder, now: Callable[[], datetime]) -> None:
        self._keys = keys
        self._now = now

    def edition(self, roles: SignedRoles, last: Edition | None) -> Edition:
        """The roles with a snapshot and a timestamp; `last` itself when nothing has to be signed.

        Raises:
            TrustError: `online-key-missing` or `key-unreadable`.
        """
        snapshot = self._snapshot(roles, last)
        timestamp = self._timestamp(roles, last, snapshot)
        if last is not None and timestamp is last.timestamp and roles is last.roles:
            return last
        return Edition(roles, snapshot, timestamp)

    def anew(self, last: Edition) -> Edition:
        """The same roles with another snapshot and timestamp, whether due or not.

        Raises:
            TrustError: `online-key-missing` or `key-unreadable`.
        """
        root, meta = last.roles.root, last.snapshot.signed.meta
        snapshot = self._sign(SNAPSHOT, Snapshot(self._version(last.snapshot), meta=meta), root)
        timestamp = self._next_timestamp(last.timestamp, snapshot, root)
        return Edition(last.roles, snapshot, self._sign(TIMESTAMP, timestamp, root))

    def _snapshot(self, roles: SignedRoles, last: Edition | None) -> Document[Snapshot]:
        document = last.snapshot if last else None
        meta = {f"{each.role}.json": each.reference for each in roles.newest() if each.role != ROOT}
        if document and document.signed.meta == meta and self._stands(document, roles.root):
            return document
        return self._sign(SNAPSHOT, Snapshot(self._version(document), meta=meta), roles.root)

    def _timestamp(
        self, roles: SignedRoles, last: Edition | None, snapshot: Document[Snapshot]
    ) -> Document[Timestamp]:
        document = last.timestamp if last else None
        signed = self._next_timestamp(document, snapshot, roles.root)
        if (
            document
            and document.signed.snapshot_meta == signed.snapshot_meta
            and document.signed.unrecognized_fields == signed.unrecognized_fields
            and self._stands(document, roles.root)
        ):
            return document
        return self._sign(TIMESTAMP, signed, roles.root)

    def _next_timestamp(
        self, last: Document[Timestamp] | None, snapshot: Document[Snapshot], root: Root
    ) -> Timestamp:
        fields = {ROOT_VERSION: root.version}
        meta = snapshot.reference
        return Timestamp(self._version(last), snapshot_meta=meta, unrecognized_fields=fields)

    def _stands(self, document: Document[T], root: Root) -> bool:
        expires, now = document.signed.expires, self._now()
        # Signed by a clock that was ahead of this one: workers refuse it for that.
        ahead = expires - now > lifetime(document.role)
        fresh = not (ahead or due(document.role, expires, now))
        return fresh and document.vouched_for_by(root)

    def _version(self, document: Document[T] | None) -> int:
        return next_version(document.signed.version if document else 0, self._now())

    def _sign(self, role: str, signed: T, root: Root) -> Document[T]:
        signed.expires = self._now() + lifetime(role)
        document = Document.sign(role, signed, self._keys.trusted(root.roles[role].keyids))
        if not document.vouched_for_by(root):
            self._keys.check()
            raise TrustError(
                "online-key-missing",
                f"The keys in {self._keys.folder} cannot sign {role}: the root trusts none of them "
                "to, or asks for more.",
                hint="Put the online key back from a backup, or replace it: "
                "gaia trust rotate online. Workers keep running meanwhile.",
            )
        return document


def check_named(keys: KeyFolder, root: Root) -> None:
    """Look whether a server with these keys can begin under this root.

    Raises:
        TrustError: `online-key-unnamed` or `key-unreadable`.
    """
    if not keys.trusted(root.roles[TIMESTAMP].keyids):
        keys.check()
        raise TrustError(
            "online-key-unnamed",
            f"The root names no online key in {keys.folder}, so this server cannot begin: it could "
            "not sign that anything is the newest.",
            hint=f"Was keys/online.pem left behind? For a server with a key of its own: gaia trust "
            f"online-key {keys.folder.parent} prints it; where the root keys are, gaia trust "
            "rotate online NAME --beside has the root name it; then export and seed anew.",
        )
