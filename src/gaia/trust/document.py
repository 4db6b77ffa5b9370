"""One signed file, with the exact bytes that others refer to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic

from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, T, Targets
from tuf.api.serialization import DeserializationError

from gaia.errors import TrustError
from gaia.trust.metadata_files import TIMESTAMP_FILE, MetadataFiles
from gaia.trust.roles import TIMESTAMP


@dataclass(frozen=True)
class Document(Generic[T]):
    """Signed metadata of `role`, and the bytes of its file."""

    role: str
    metadata: Metadata[T]
    data: bytes

    @classmethod
    def sign(cls, role: str, signed: T, signers: Iterable[Signer]) -> Document[T]:
        """`signed` with the signatures of `signers`."""
        metadata: Metadata[T] = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        return cls(role, metadata, metadata.to_bytes())

    @classmethod
    def load(cls, kind: type[T], role: str, name: str, folder: MetadataFiles) -> Document[T]:
        """The file `name` of the server's own repository.

        Raises:
            TrustError: `repository-damaged`.
        """
        data = folder.read(name)
        if data is None:
            raise damaged(folder, name, "it is not there")
        try:
            metadata: Metadata[T] = Metadata.from_bytes(data)
        except DeserializationError as error:
            raise damaged(folder, name, "it is not TUF metadata") from error
        if not isinstance(metadata.signed, kind):
            raise damaged(folder, name, f"it is of the kind {metadata.signed.type!r}")
        document = cls(role, metadata, data)
        if document.name != name:
            raise damaged(folder, name, f"it says that it is {document.name}")
        return document

    @property
    def signed(self) -> T:
        """What the signatures are over."""
        return self.metadata.signed

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

    def vouched_for_by(self, delegator: Root | Targets) -> bool:
        """Whether it bears the signatures that `delegator` asks for."""
        try:
            delegator.verify_delegate(
                self.role, self.metadata.signed_bytes, self.metadata.signatures
            )
        except (RepositoryError, VerificationError, ValueError):
            return False
        return True


def damaged(folder: MetadataFiles, name: str, why: str) -> TrustError:
    """The server's own repository is not as the server has left it."""
    return TrustError(
        "repository-damaged",
        f"The trust repository's file {folder.folder / name} cannot be used: {why}.",
        hint="Put the folder back from a backup; workers keep running meanwhile.",
    )
