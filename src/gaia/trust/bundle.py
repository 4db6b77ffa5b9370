"""A bundle: signed roles on their way from an operator to a server, all of them or none.

With fewer signatures than its roles need it is a draft, which the next signer adds to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import msgspec
from securesystemslib.signer import Signer
from tuf.api.metadata import Key, Root, Targets, VerificationResult

from gaia.errors import InvalidInput
from gaia.trust.document import Document
from gaia.trust.metadata_files import VERSIONED
from gaia.trust.roles import ROOT, TARGETS
from gaia.trust.signed_roles import SignedRoles

MAX_SIZE = 64 * 1024 * 1024
"""Bytes. The largest bundle that a server reads."""


class _Wire(msgspec.Struct):
    files: dict[str, str]
    based_on: dict[str, int] = {}


@dataclass(frozen=True)
class Signatures:
    """How far one document is signed, by the keys of one delegator.

    Attributes:
        missing: how many signatures it still needs.
        awaited: the keys that have not signed it, by key ID.
    """

    name: str
    role: str
    have: int
    threshold: int
    awaited: Mapping[str, Key]

    @property
    def missing(self) -> int:
        """How many signatures it still needs."""
        return max(0, self.threshold - self.have)

    def __str__(self) -> str:
        return f"{self.name} has {self.have} of {self.threshold} signatures"


@dataclass(frozen=True)
class Bundle:
    """New versions of some roles.

    Attributes:
        roots: consecutive, the lowest version first.
        based_on: versions of the roles that these replace, as the signer saw them; 0 for a new one.
    """

    roots: tuple[Document[Root], ...] = ()
    targets: Document[Targets] | None = None
    delegated: Mapping[str, Document[Targets]] = field(default_factory=dict)
    based_on: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes | bytearray) -> Bundle:
        """Read JSON: `{"based_on": {role: version}, "files": {name: text}}`.

        Raises:
            InvalidInput: `bundle-malformed`.
        """
        try:
            wire = msgspec.json.decode(data, type=_Wire)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(str(error)) from None
        roots, targets, delegated = [], None, {}
        for name, text in wire.files.items():
            match = VERSIONED.fullmatch(name)
            if match is None:
                raise _malformed(f"{name[:80]!r} is not the name of a versioned role")
            role = match["role"]
            if role in delegated or (role == TARGETS and targets is not None):
                raise _malformed(f"the role {role} is there twice")
            try:
                if role == ROOT:
                    roots.append(Document.parse(Root, role, name, text.encode()))
                else:
                    document = Document.parse(Targets, role, name, text.encode())
                    if role == TARGETS:
                        targets = document
                    else:
                        delegated[role] = document
            except ValueError as error:
                raise _malformed(f"{name}: {error}") from None
        roots.sort(key=lambda root: root.version)
        return cls(tuple(roots), targets, delegated, wire.based_on)

    @classmethod
    def between(cls, before: SignedRoles, after: SignedRoles) -> Bundle:
        """What of `after` is newer than `before`; empty when nothing is."""
        known = before.versions
        roots = tuple(root for root in after.roots if root.version > before.root.version)
        targets = after.targets if after.targets.version > known[TARGETS] else None
        delegated = {
            role: document
            for role, document in after.delegated.items()
            if document.version > known.get(role, 0)
        }
        newer = cls(roots, targets, delegated)
        return replace(newer, based_on={d.role: known.get(d.role, 0) for d in newer.documents()})

    def encode(self) -> bytes:
        """The JSON that `parse` reads."""
        files = {document.name: document.data.decode() for document in self.documents()}
        return msgspec.json.encode(_Wire(files, dict(self.based_on)))

    def documents(self) -> Iterator[Document[Root] | Document[Targets]]:
        """All of it."""
        yield from self.roots
        if self.targets is not None:
            yield self.targets
        yield from self.delegated.values()

    def __bool__(self) -> bool:
        return next(self.documents(), None) is not None

    def over(self, roles: SignedRoles) -> SignedRoles:
        """What the roles would be with this in place. Nothing is verified."""
        return SignedRoles(
            (*roles.roots, *self.roots),
            self.targets or roles.targets,
            {**roles.delegated, **self.delegated},
        )

    def signatures(self, roles: SignedRoles) -> list[Signatures]:
        """How far each document is signed; a root counts twice: by the keys before, and its own."""
        result = self.over(roles)
        found: list[Signatures] = []
        before = roles.root
        for root in self.roots:
            found.append(_count(root, before, "by the keys of the root before it"))
            found.append(_count(root, root.signed, "by its own keys"))
            before = root.signed
        if self.targets is not None:
            found.append(_count(self.targets, result.root))
        found += [_count(document, result.targets.signed) for document in self.delegated.values()]
        return found

    def signed_by(self, signers: Iterable[Signer], roles: SignedRoles) -> Bundle:
        """With the signatures of those signers that a document waits for."""
        known = {signer.public_key.keyid: signer for signer in signers}
        wanted: dict[str, dict[str, Signer]] = {}
        for count in self.signatures(roles):
            wanted.setdefault(count.name.partition(" ")[0], {}).update(
                {keyid: known[keyid] for keyid in count.awaited if keyid in known}
            )
        return replace(
            self,
            roots=tuple(root.countersigned(wanted[root.name].values()) for root in self.roots),
            targets=self.targets and self.targets.countersigned(wanted[self.targets.name].values()),
            delegated={
                role: document.countersigned(wanted[document.name].values())
                for role, document in self.delegated.items()
            },
        )


def _count(
    document: Document[Root] | Document[Targets], delegator: Root | Targets, whose: str = ""
) -> Signatures:
    result: VerificationResult = document.signatures(delegator)
    name = f"{document.name} ({whose})" if whose else document.name
    return Signatures(name, document.role, len(result.signed), result.threshold, result.unsigned)


def _malformed(why: str) -> InvalidInput:
    return InvalidInput(
        "bundle-malformed",
        f"This is not a bundle of signed roles: {why}.",
        hint="gaia release sign and gaia trust make them.",
    )
