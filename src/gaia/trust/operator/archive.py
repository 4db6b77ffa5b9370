"""The operator's archive: everything that was signed, kept where the server cannot reach it.

It is what a server is compared with before anything is signed on top of what it shows, and what a
server that was restored from an old backup gets back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from gaia.errors import InvalidInput, TrustError
from gaia.trust import files
from gaia.trust.bundle import Bundle
from gaia.trust.metadata_files import MetadataFiles
from gaia.trust.operator.continuity import behind, contradicted, share_roots
from gaia.trust.signed_roles import SignedRoles, load_newest

METADATA = "metadata"
"""Folder of the signed files in the trust folder."""

DRAFTS = "drafts"
"""Folder of what waits for more signatures."""


class Archive:
    """The signed files in a trust folder."""

    def __init__(self, folder: Path) -> None:
        self._metadata = MetadataFiles(folder / METADATA)
        self._drafts = folder / DRAFTS

    @property
    def empty(self) -> bool:
        """Whether nothing was kept yet."""
        return self._metadata.empty

    def roles(self) -> SignedRoles:
        """The newest of each role.

        Raises:
            InvalidInput: `no-archive`.
            TrustError: `repository-damaged`.
        """
        if self.empty:
            raise InvalidInput(
                "no-archive",
                f"There are no signed files in {self._metadata.folder}.",
                hint="Name the trust folder: --trust-dir DIR or GAIA_TRUST_DIR. gaia trust init "
                "makes a new one.",
            )
        return load_newest(self._metadata)

    def keep(self, roles: SignedRoles) -> None:
        """Add what is not there yet; nothing is ever removed or replaced.

        Raises:
            OSError: it cannot be written.
        """
        files.make_folder(self._metadata.folder, mode=0o700)
        for name, data in roles.files().items():
            if self._metadata.read(name) is None:
                self._metadata.write(name, data)

    def keep_draft(self, bundle: Bundle) -> Path:
        """Write a draft to a file for the next signer; the same draft to the same file.

        Raises:
            OSError: it cannot be written.
        """
        newest = max(document.version for document in bundle.documents())
        roles = "-".join(sorted({document.role for document in bundle.documents()}))
        path = self._drafts / f"{newest}-{roles[:80]}.json"
        files.make_folder(self._drafts, mode=0o700)
        files.write(path, bundle.encode())
        return path

    def drafts(self, versions: Mapping[str, int]) -> list[Path]:
        """The drafts that still fit: nothing of what they change was signed since.

        Args:
            versions: of the roles, as they are now.
        """
        found = []
        for path in sorted(self._drafts.glob("*.json")):
            with contextlib.suppress(InvalidInput):
                base = Bundle.parse(path.read_bytes()).based_on
                if all(versions.get(role, 0) == version for role, version in base.items()):
                    found.append(path)
        return found

    def check(self, received: SignedRoles, sender: str) -> None:
        """Look whether what a server shows continues what is kept here.

        Raises:
            TrustError: `other-root`: it is another repository; `server-older`: something that was
                signed is missing there; `server-forked`: it was signed twice.
        """
        kept = self.roles()
        if not share_roots(kept, received):
            raise TrustError(
                "other-root",
                f"{sender} has another trust root (sha256:{received.fingerprint}) than this trust "
                f"folder (sha256:{kept.fingerprint}). Nothing was signed.",
                hint="Name the folder that belongs to that server (--trust-dir); if it does belong "
                "together, the server was tampered with.",
            )
        older = behind(received, kept)
        if older:
            raise TrustError(
                "server-older",
                f"{sender} shows older signed roles than were signed here: {', '.join(older)}. "
                "Nothing was signed.",
                hint="If it was restored from a backup, give them back: gaia trust bundle. "
                "Otherwise someone is hiding them.",
            )
        forked = contradicted(received, kept)
        if forked:
            raise TrustError(
                "server-forked",
                f"{sender} shows another {', '.join(forked)} than was signed here. Nothing was "
                "signed.",
                hint="Keys that sign it are in other hands, too: compare with the other key "
                "holders, then replace them: gaia trust rotate ROLE KEY…",
            )

    def newer_than(self, received: SignedRoles) -> Bundle:
        """What a server lacks of what is kept here; empty when it has all.

        Raises:
            TrustError: `repository-damaged`.
        """
        return Bundle.between(received, self.roles())
