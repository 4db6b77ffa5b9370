"""The roles whose keys may be kept off the server: root, targets and what targets delegates to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tuf.api.metadata import Key, Root, Targets

from gaia.model.publication import Publication
from gaia.trust.contents import Contents, to_publication
from gaia.trust.document import Document
from gaia.trust.metadata_files import VERSIONED, MetadataSet
from gaia.trust.roles import FIRST_ROOT, ROOT, TARGETS


@dataclass(frozen=True)
class SignedRoles:
    """One consistent set: every document bears the signatures that the one above asks for.

    Attributes:
        roots: the chain, the first root to the newest (TUF 5.3).
        delegated: by role.
    """

    roots: tuple[Document[Root], ...]
    targets: Document[Targets]
    delegated: Mapping[str, Document[Targets]]

    @property
    def root(self) -> Root:
        """The root that counts."""
        return self.roots[-1].signed

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the first root's file, hexadecimal: what `--trust-root` takes."""
        return hashlib.sha256(self.roots[0].data).hexdigest()

    @property
    def versions(self) -> dict[str, int]:
        """Version of each role."""
        return {document.role: document.version for document in self.newest()}

    @property
    def contents(self) -> Contents:
        """What the delegated roles sign."""
        return {role: document.signed.targets for role, document in self.delegated.items()}

    def publication(self) -> Publication:
        """What the delegated roles say.

        Raises:
            TrustError: `pointer-malformed` or `target-malformed`.
        """
        return to_publication(self.contents)

    def newest(self) -> Iterator[Document[Root] | Document[Targets]]:
        """The document that counts of each role, what delegates first."""
        yield self.roots[-1]
        yield self.targets
        yield from self.delegated.values()

    def files(self) -> dict[str, bytes]:
        """All files by name, the whole root chain among them."""
        documents: list[Document[Root] | Document[Targets]] = [*self.roots, *self.newest()]
        return {document.name: document.data for document in documents}

    def delegator(self, role: str) -> Root | Targets:
        """The role that names the keys of `role`."""
        return self.targets.signed if role in self.delegated else self.root

    def keys(self, role: str) -> dict[str, Key]:
        """The keys that are trusted to sign `role`, by key ID."""
        delegator = self.delegator(role)
        return {
            keyid: delegator.get_key(keyid) for keyid in delegator.get_delegated_role(role).keyids
        }

    def threshold(self, role: str) -> int:
        """How many of its keys must sign `role`."""
        return self.delegator(role).get_delegated_role(role).threshold


def load_roots(source: MetadataSet, last: int | None = None) -> tuple[Document[Root], ...]:
    """The chain of roots, each signed by the keys of the one before and by its own (5.3.4).

    Args:
        last: version of the newest; None for all that are there.

    Raises:
        TrustError: as `source.damaged`.
    """
    chain = [Document.load(Root, ROOT, FIRST_ROOT, source)]
    while len(chain) != last:
        name = f"{len(chain) + 1}.{ROOT}.json"
        if last is None and source.read(name) is None:
            break
        chain.append(Document.load(Root, ROOT, name, source))
    for before, root in zip([chain[0], *chain], chain, strict=False):
        if not (root.vouched_for_by(before.signed) and root.vouched_for_by(root.signed)):
            raise source.damaged(root.name, "its signatures are not those of the root keys")
    return tuple(chain)


def load_newest(source: MetadataSet) -> SignedRoles:
    """The newest file of each role, without a snapshot to say which.

    Raises:
        TrustError: as `source.damaged`.
    """
    roots = load_roots(source)
    versions = _newest_versions(source.names())
    targets = _load(TARGETS, versions, roots[-1].signed, source)
    delegated = {
        role: _load(role, versions, targets.signed, source)
        for role in delegated_roles(targets.signed)
    }
    return SignedRoles(roots, targets, delegated)


def delegated_roles(targets: Targets) -> list[str]:
    """Roles that the top-level targets role delegates to."""
    if targets.delegations is None:
        return []
    return list(targets.delegations.roles or ())


def _newest_versions(names: Iterable[str]) -> dict[str, int]:
    newest: dict[str, int] = {}
    for name in names:
        match = VERSIONED.fullmatch(name)
        if match is not None:
            newest[match["role"]] = max(newest.get(match["role"], 0), int(match["version"]))
    return newest


def _load(
    role: str, versions: Mapping[str, int], delegator: Root | Targets, source: MetadataSet
) -> Document[Targets]:
    name = f"{versions.get(role, 1)}.{role}.json"
    document = Document.load(Targets, role, name, source)
    if not document.vouched_for_by(delegator):
        raise source.damaged(name, "its signatures are not those that are trusted for its role")
    return document
