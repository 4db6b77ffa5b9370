"""Ed25519 keys as PEM files: what convenience mode signs with.

The folder holds `online.pem` (snapshot and timestamp), one file for each role below, and `root/`
with the root keys, which are meant to be moved away.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner

from gaia.errors import TrustError
from gaia.trust import files

ONLINE = "online"
"""Name of the key of snapshot and timestamp."""

ROOT_KEYS = ("root-1", "root-2", "root-3")
ROOT_THRESHOLD = 2

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700

_README = """\
The root keys of this GAIA server
=================================

MOVE THIS FOLDER OFF THE SERVER, to offline media, two copies, and delete it here.

Who holds two of these three keys decides what every worker trusts. The server does not need them
and never reads them again. You need them once a year, to renew the root role, and when a key of
the server was stolen, to replace it. Lost, the workers must be given a new root by hand.
"""


class KeyFolder:
    """The server's key files: mode 0600, in folders of mode 0700."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def root(self) -> KeyFolder:
        """The root keys' folder."""
        return KeyFolder(self.folder / "root")

    def obtain(self, name: str) -> CryptoSigner:
        """The key `name`, generated when there is none yet.

        Raises:
            TrustError: `key-unreadable`.
            OSError: it cannot be written.
        """
        if not self._path(name).exists():
            self._write(name, CryptoSigner.generate_ed25519())
        return self.load(name)

    def load(self, name: str) -> CryptoSigner:
        """The key `name`.

        Raises:
            TrustError: `key-missing` or `key-unreadable`.
        """
        path = self._path(name)
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except FileNotFoundError as error:
            raise TrustError(
                "key-missing",
                f"The signing key {path} is not there.",
                hint="Put it back from a backup, or replace it by a new root.",
            ) from error
        except (OSError, ValueError, TypeError) as error:
            raise _unreadable(path, str(error)) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise _unreadable(path, "it is not an Ed25519 key")
        return CryptoSigner(key)

    def trusted(self, keyids: Collection[str]) -> list[CryptoSigner]:
        """Those of the folder's keys that have one of these key IDs."""
        return [key for key in self.all() if key.public_key.keyid in keyids]

    def all(self) -> list[CryptoSigner]:
        """Every key in the folder that can be read, in the order of their names."""
        return self.named("*")

    def named(self, pattern: str) -> list[CryptoSigner]:
        """The keys whose names match a pattern such as `online*`, and that can be read."""
        found = []
        for path in sorted(self.folder.glob(f"{pattern}.pem")):
            # One damaged key must not keep the server from what it does without it.
            with contextlib.suppress(TrustError):
                found.append(self.load(path.stem))
        return found

    def check(self) -> None:
        """Look whether every key can be read: for when one was not found.

        Raises:
            TrustError: `key-unreadable`.
        """
        for path in sorted(self.folder.glob("*.pem")):
            self.load(path.stem)

    def remove(self, keyids: Collection[str]) -> None:
        """Forget keys that nothing trusts any more.

        Raises:
            OSError: one cannot be removed.
        """
        for path in sorted(self.folder.glob("*.pem")):
            # One that cannot be read can sign nothing, and must not save the others.
            with contextlib.suppress(TrustError):
                if self.load(path.stem).public_key.keyid in keyids:
                    path.unlink()

    def explain(self) -> None:
        """Say beside the root keys what to do with them.

        Raises:
            OSError: it cannot be written.
        """
        files.write(self.folder / "README.txt", _README.encode(), mode=_PRIVATE_FILE)

    def _write(self, name: str, signer: CryptoSigner) -> None:
        files.make_folder(self.folder, mode=_PRIVATE_FOLDER)
        files.write(self._path(name), signer.private_bytes, mode=_PRIVATE_FILE)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.pem"


def _unreadable(path: Path, why: str) -> TrustError:
    return TrustError(
        "key-unreadable",
        f"The signing key {path} cannot be read: {why}.",
        hint="Put it back from a backup; it is an Ed25519 private key, PEM, PKCS #8.",
    )
