"""Who signs the next edition: the server's keys below root's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Root,
    Snapshot,
    T,
    TargetFile,
    Targets,
    Timestamp,
)

from gaia.errors import TrustError
from gaia.trust.document import Document
from gaia.trust.edition import Contents, Edition, delegated_roles
from gaia.trust.keys import ONLINE, KeyFolder
from gaia.trust.roles import SNAPSHOT, TARGETS, TIMESTAMP, due, lifetime, next_version, paths_of


class Signatory:
    """Signs what has changed or nears its expiry, and leaves the rest alone."""

    def __init__(self, keys: KeyFolder, now: Callable[[], datetime]) -> None:
        self._keys = keys
        self._now = now

    def next_edition(self, root: Root, last: Edition | None, contents: Contents) -> Edition:
        """An edition with these contents; `last` itself when nothing has to be signed.

        Args:
            contents: must have every role that `last` has: a role cannot leave the snapshot
                (5.5.5), nor can one be without a file.

        Raises:
            TrustError: `key-missing`, `key-unreadable` or `key-mismatch`.
            OSError: a new channel's key cannot be written.
        """
        targets = self._targets(root, last, contents)
        delegated = {
            role: self._delegated(
                role, targets.signed, last.delegated.get(role) if last else None, content
            )
            for role, content in contents.items()
        }
        snapshot = self._snapshot(root, last, [targets, *delegated.values()])
        timestamp = self._timestamp(root, last, snapshot)
        if last is not None and timestamp is last.timestamp:
            return last
        return Edition(targets, delegated, snapshot, timestamp)

    def _targets(self, root: Root, last: Edition | None, contents: Contents) -> Document[Targets]:
        document = last.targets if last else None
        known = delegated_roles(document.signed) if document else []
        if document and set(known) == set(contents) and not self._due(document):
            return document
        signed = Targets(self._version(document), delegations=self._delegations(contents))
        return self._sign(TARGETS, signed, TARGETS, root)

    def _delegations(self, contents: Contents) -> Delegations:
        keys = {role: self._keys.obtain(role).public_key for role in contents}
        # Terminating: a role's word on its paths is the last one (5.6.7.2.1).
        roles = {
            role: DelegatedRole(role, [key.keyid], 1, terminating=True, paths=[*paths_of(role)])
            for role, key in keys.items()
        }
        return Delegations({key.keyid: key for key in keys.values()}, roles)

    def _delegated(
        self,
        role: str,
        delegator: Targets,
        document: Document[Targets] | None,
        content: Mapping[str, TargetFile],
    ) -> Document[Targets]:
        if document and document.signed.targets == content and not self._due(document):
            return document
        signed = Targets(self._version(document), targets=dict(content))
        return self._sign(role, signed, role, delegator)

    def _snapshot(
        self, root: Root, last: Edition | None, documents: list[Document[Targets]]
    ) -> Document[Snapshot]:
        document = last.snapshot if last else None
        meta = {f"{each.role}.json": each.reference for each in documents}
        if document and document.signed.meta == meta and not self._due(document):
            return document
        return self._sign(SNAPSHOT, Snapshot(self._version(document), meta=meta), ONLINE, root)

    def _timestamp(
        self, root: Root, last: Edition | None, snapshot: Document[Snapshot]
    ) -> Document[Timestamp]:
        document = last.timestamp if last else None
        meta = snapshot.reference
        if document and document.signed.snapshot_meta == meta and not self._due(document):
            return document
        signed = Timestamp(self._version(document), snapshot_meta=meta)
        return self._sign(TIMESTAMP, signed, ONLINE, root)

    def _due(self, document: Document[T]) -> bool:
        return due(document.role, document.signed.expires, self._now())

    def _version(self, document: Document[T] | None) -> int:
        return next_version(document.signed.version if document else 0, self._now())

    def _sign(self, role: str, signed: T, key: str, delegator: Root | Targets) -> Document[T]:
        signed.expires = self._now() + lifetime(role)
        document = Document.sign(role, signed, [self._keys.load(key)])
        if not document.vouched_for_by(delegator):
            raise TrustError(
                "key-mismatch",
                f"The key {key}.pem is not the one that is trusted to sign {role}.",
                hint="Put the keys and the trust repository back from the same backup.",
            )
        return document
