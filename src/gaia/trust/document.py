"""One signed file, with the exact bytes that others refer to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, MetaFile, Root, T, Targets, VerificationResult
from tuf.api.serialization import DeserializationError

from gaia.trust.metadata_files import TIMESTAMP_FILE, MetadataSet
from gaia.trust.roles import TIMESTAMP


@dataclass(frozen=True)
class Document(Generic[T]):
    """Metadata of `role`, and the bytes of its file."""

    role: str
    metadata: Metadata[T]
    data: bytes

    @classmethod
    def sign(cls, role: str, signed: T, signers: Iterable[Signer] = ()) -> Document[T]:
        """`signed` with the signatures of `signers`; without any, a draft."""
        metadata: Metadata[T] = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        return cls(role, metadata, metadata.to_bytes())

    @classmethod
    def parse(cls, kind: type[T], role: str, name: str, data: bytes) -> Document[T]:
        """What is in a file called `name`.

        Raises:
            ValueError: it is not metadata of that kind, role and version; says why.
        """
        try:
            metadata: Metadata[T] = Metadata.from_bytes(data)
        except DeserializationError as error:
            raise ValueError("it is not TUF metadata") from error
        if not isinstance(metadata.signed, kind):
            raise ValueError(f"it is of the kind {metadata.signed.type!r}")  # noqa: TRY004
        document = cls(role, metadata, data)
        if document.name != name:
            raise ValueError(f"it says that it is {document.name}")
        return document

    @classmethod
    def load(cls, kind: type[T], role: str, name: str, source: MetadataSet) -> Document[T]:
        """The file `name` of a repository that is trusted to be whole.

        Raises:
            TrustError: as `source.damaged`.
        """
        data = source.read(name)
        if data is None:
            raise source.damaged(name, "it is not there")
        try:
            return cls.parse(kind, role, name, data)
        except ValueError as error:
            raise source.damaged(name, str(error)) from error

    @property
    def signed(self) -> T:
        """What the signatures are over."""
        return self.metadata.signed

    @property
    def version(self) -> int:
        """Of the metadata."""
        return self.signed.version

    @property
    def name(self) -> str:
        """Name of the file in the repository (consistent snapshots: 6.2)."""
        if self.role == TIMESTAMP:
            return TIMESTAMP_FILE
        return f"{self.signed.version}.{self.role}.json"

    @property
    def reference(self) -> MetaFile:
        """How snapshot or timestamp refer to it: exactly these bytes, and no other."""
        digest = hashlib.sha256(self.data).hexdigest()
        return MetaFile(self.signed.version, len(self.data), {"sha256": digest})

    def countersigned(self, signers: Iterable[Signer]) -> Document[T]:
        """The same bytes below the signatures, with these signatures added."""
        metadata: Metadata[T] = Metadata.from_bytes(self.data)
        for signer in signers:
            metadata.sign(signer, append=True)
        return Document(self.role, metadata, metadata.to_bytes())

    def signatures(self, delegator: Root | Targets) -> VerificationResult:
        """Which of the keys that `delegator` trusts for this role have signed, and which not."""
        try:
            return delegator.get_verification_result(
                self.role, self.metadata.signed_bytes, self.metadata.signatures
            )
        except ValueError:  # not delegated at all
            return VerificationResult(1, {}, {})

    def vouched_for_by(self, delegator: Root | Targets) -> bool:
        """Whether it bears the signatures that `delegator` asks for."""
        return self.signatures(delegator).verified
