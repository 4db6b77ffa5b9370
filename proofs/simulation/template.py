"""What every world begins with: a server's folder with one release, and keys that are always the
same, so that the same bytes are signed whenever a world is run again."""

from __future__ import annotations

import hashlib
import shutil
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from gaia.model.tag import Tag
from gaia.server.blobs import Blobs
from gaia.server.ledger import Ledger
from gaia.server.store.database import Database
from gaia.trust.keys import ONLINE, ROOT_KEYS, KeyFolder
from gaia.trust.repository import Repository
from gaia.trust.roles import GAIA_WORKER, TARGETS, channel_role
from proofs.simulation.faults import FIRST
from proofs.simulation.releases import CHANNEL, Behaviour, Build
from proofs.simulation.server import publish
from proofs.simulation.system import BEGINNING

_KEYS = ("root", ROOT_KEYS), ("", (TARGETS, GAIA_WORKER, channel_role(CHANNEL), ONLINE))
_BEFORE = BEGINNING - timedelta(hours=2)


class Template:
    """Attributes:
    folder: where worlds may be made.
    first: the release that all machines have from the beginning.
    root: the trust root that is built into it.
    root_keys: the folder of the keys that the operator keeps.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.first = Build(Tag.parse(FIRST), Behaviour.GOOD)
        self._server = folder / "template"
        self.root_keys = self._server / "keys"
        for below, names in _KEYS:
            for name in names:
                _keep(self.root_keys / below, name)
        database = Database(f"sqlite:///{self._server / 'gaia.db'}")
        database.migrate()
        repository = Repository.open(self._server / "tuf", self.root_keys, lambda: _BEFORE)
        ledger = Ledger(database, Blobs(self._server / "blobs"), repository, lambda: _BEFORE)
        ledger.start()
        for filename, content in self.first.files.items():
            publish(self.first.tag, filename, content)(ledger)
        database.close()
        self.root = repository.read("1.root.json") or b""

    def copy(self, target: Path) -> None:
        """A server's folder."""
        shutil.copytree(self._server, target)


def _keep(folder: Path, name: str) -> None:
    seed = hashlib.sha256(name.encode()).digest()
    signer = CryptoSigner(Ed25519PrivateKey.from_private_bytes(seed))
    KeyFolder(folder)._write(name, signer)
