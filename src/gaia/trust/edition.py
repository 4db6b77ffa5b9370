"""An edition: everything that the repository says at one time, below the root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tuf.api.metadata import MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from gaia.trust.document import Document, damaged
from gaia.trust.metadata_files import TIMESTAMP_FILE, MetadataFiles
from gaia.trust.roles import SNAPSHOT, TARGETS, TIMESTAMP

Contents = Mapping[str, Mapping[str, TargetFile]]
"""For each role that targets delegates to, what it signs: targets by path."""


@dataclass(frozen=True)
class Edition:
    """One consistent set of signed files."""

    targets: Document[Targets]
    delegated: Mapping[str, Document[Targets]]
    snapshot: Document[Snapshot]
    timestamp: Document[Timestamp]

    @classmethod
    def load(cls, folder: MetadataFiles, root: Root) -> Edition | None:
        """The edition that the timestamp on disk leads to; None before the first one.

        Files that a crash has left behind are not referred to, and so never looked at. Signatures
        are verified, lest the server sign anew what someone else has written.

        Raises:
            TrustError: `repository-damaged`.
        """
        if folder.read(TIMESTAMP_FILE) is None:
            return None
        timestamp = Document.load(Timestamp, TIMESTAMP, TIMESTAMP_FILE, folder)
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
        return cls(targets, delegated, snapshot, timestamp)

    @property
    def contents(self) -> Contents:
        """What the delegated roles sign."""
        return {role: document.signed.targets for role, document in self.delegated.items()}

    def documents(self) -> Iterator[Document[Targets] | Document[Snapshot] | Document[Timestamp]]:
        """All files, in the order in which they may be written: what is referred to comes first."""
        yield from self.delegated.values()
        yield self.targets
        yield self.snapshot
        yield self.timestamp


def delegated_roles(targets: Targets) -> list[str]:
    """Roles that the top-level targets role delegates to."""
    if targets.delegations is None:
        return []
    return list(targets.delegations.roles or ())


def _load_targets(
    role: str, delegator: Root | Targets, snapshot: Snapshot, folder: MetadataFiles
) -> Document[Targets]:
    reference = snapshot.meta.get(f"{role}.json")
    if reference is None:
        raise damaged(folder, f"{snapshot.version}.{SNAPSHOT}.json", f"it lacks the role {role}")
    document = Document.load(Targets, role, f"{reference.version}.{role}.json", folder)
    _check(document, delegator, reference, folder)
    return document


def _check(
    document: Document[Targets] | Document[Snapshot] | Document[Timestamp],
    delegator: Root | Targets,
    reference: MetaFile | None,
    folder: MetadataFiles,
) -> None:
    if reference not in (None, document.reference) or not document.vouched_for_by(delegator):
        raise damaged(folder, document.name, "it was changed by someone else")
