"""The root role: its keys, and the chain of its versions (TUF 5.3, 6.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Root

from gaia.errors import TrustError
from gaia.trust.document import Document, damaged
from gaia.trust.keys import ONLINE, ROOT_KEYS, ROOT_THRESHOLD, KeyFolder
from gaia.trust.metadata_files import MetadataFiles
from gaia.trust.roles import FIRST_ROOT, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, lifetime


class RootChain:
    """Every root of the repository, the first to the newest."""

    def __init__(self, folder: MetadataFiles, chain: Sequence[Document[Root]]) -> None:
        self._folder = folder
        self._newest = chain[-1]
        self.fingerprint = hashlib.sha256(chain[0].data).hexdigest()

    @classmethod
    def open(cls, folder: MetadataFiles, keys: KeyFolder, now: datetime) -> RootChain:
        """The chain on disk; in an empty folder, a first root with new keys.

        Raises:
            TrustError: `repository-damaged`.
            OSError: the folders cannot be written.
        """
        if folder.empty:
            first = _first(keys, now)
            folder.write(first.name, first.data)
            return cls(folder, [first])
        chain = [Document.load(Root, ROOT, FIRST_ROOT, folder)]
        while folder.read(name := f"{len(chain) + 1}.{ROOT}.json") is not None:
            chain.append(Document.load(Root, ROOT, name, folder))
        for before, root in zip([chain[0], *chain], chain, strict=False):
            if not (root.vouched_for_by(before.signed) and root.vouched_for_by(root.signed)):
                raise damaged(folder, root.name, "its signatures are not those of the root keys")
        return cls(folder, chain)

    @property
    def newest(self) -> Root:
        """The root that counts."""
        return self._newest.signed

    @property
    def name(self) -> str:
        """File name of the newest root."""
        return self._newest.name

    def renew(self, keys: KeyFolder, now: datetime) -> None:
        """Sign the next root with the same keys, for another year.

        Args:
            keys: where the root keys are: two of the three will do.

        Raises:
            TrustError: `root-keys-missing`.
            OSError: nothing was changed.
        """
        signed = Root.from_dict(self.newest.to_dict())
        signed.version += 1
        signed.expires = now + lifetime(ROOT)
        root = Document.sign(ROOT, signed, keys.present(ROOT_KEYS))
        if not root.vouched_for_by(self.newest):
            raise TrustError(
                "root-keys-missing",
                f"The root needs the signatures of {ROOT_THRESHOLD} of its keys.",
                hint=f"Put two of {', '.join(ROOT_KEYS)} into {keys.folder}, and try again.",
            )
        self._folder.write(root.name, root.data)
        self._newest = root


def _first(keys: KeyFolder, now: datetime) -> Document[Root]:
    root_keys: list[CryptoSigner] = [keys.root.obtain(name) for name in ROOT_KEYS]
    keys.root.explain()
    online, targets = keys.obtain(ONLINE), keys.obtain(TARGETS)
    signed = Root(version=1, expires=now + lifetime(ROOT), consistent_snapshot=True)
    for signer in root_keys:
        signed.add_key(signer.public_key, ROOT)
    signed.roles[ROOT].threshold = ROOT_THRESHOLD
    signed.add_key(targets.public_key, TARGETS)
    signed.add_key(online.public_key, SNAPSHOT)
    signed.add_key(online.public_key, TIMESTAMP)
    return Document.sign(ROOT, signed, root_keys)
