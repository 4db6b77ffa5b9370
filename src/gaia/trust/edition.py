"""An edition: everything that the repository says at one time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tuf.api.metadata import MetaFile, Root, Snapshot, Targets, Timestamp

from gaia.trust.document import Document
from gaia.trust.metadata_files import TIMESTAMP_FILE, MetadataFiles
from gaia.trust.roles import SNAPSHOT, TARGETS, TIMESTAMP
from gaia.trust.signed_roles import SignedRoles, delegated_roles, load_roots

ROOT_VERSION = "root_version"
"""Field of our timestamps, beyond TUF's own: the newest root of the edition.

TUF's timestamp and snapshot do not say it. Without it, a root that was written before the disk
failed would be in force at the next start, and the rest of its bundle would not.
"""

Written = Document[Root] | Document[Targets] | Document[Snapshot] | Document[Timestamp]


@dataclass(frozen=True)
class Edition:
    """The signed roles, and the snapshot and timestamp that say that these are the newest."""

    roles: SignedRoles
    snapshot: Document[Snapshot]
    timestamp: Document[Timestamp]

    @classmethod
    def load(cls, folder: MetadataFiles) -> Edition | None:
        """The edition that the timestamp on disk leads to; None before the first one.

        Files that a crash has left behind are not referred to, and so never looked at. Signatures
        are verified, lest the server sign anew what someone else has written.

        Raises:
            TrustError: `repository-damaged`.
        """
        if folder.read(TIMESTAMP_FILE) is None:
            return None
        timestamp = Document.load(Timestamp, TIMESTAMP, TIMESTAMP_FILE, folder)
        roots = load_roots(folder, timestamp.signed.unrecognized_fields.get(ROOT_VERSION))
        root = roots[-1].signed
        _check(timestamp, root, None, folder)
        reference = timestamp.signed.snapshot_meta
        name = f"{reference.version}.{SNAPSHOT}.json"
        snapshot = Document.load(Snapshot, SNAPSHOT, name, folder)
        _check(snapshot, root, reference, folder)
        targets = _load_targets(TARGETS, root, snapshot.signed, folder)
        delegated = {
            role: _load_targets(role, targets.signed, snapshot.signed, folder)
            for role in delegated_roles(targets.signed)
        }
        return cls(SignedRoles(roots, targets, delegated), snapshot, timestamp)

    def documents(self) -> Iterator[Written]:
        """All files that count, in the order in which they may be written.

        What is referred to comes first: the last one, the timestamp, puts all of it in force.
        """
        yield from self.roles.delegated.values()
        yield self.roles.targets
        yield self.snapshot
        yield from self.roles.roots
        yield self.timestamp


def _load_targets(
    role: str, delegator: Root | Targets, snapshot: Snapshot, folder: MetadataFiles
) -> Document[Targets]:
    reference = snapshot.meta.get(f"{role}.json")
    if reference is None:
        raise folder.damaged(f"{snapshot.version}.{SNAPSHOT}.json", f"it lacks the role {role}")
    document = Document.load(Targets, role, f"{reference.version}.{role}.json", folder)
    _check(document, delegator, reference, folder)
    return document


def _check(
    document: Written, delegator: Root | Targets, reference: MetaFile | None, folder: MetadataFiles
) -> None:
    if reference not in (None, document.reference) or not document.vouched_for_by(delegator):
        raise folder.damaged(document.name, "it was changed by someone else")
