"""An operator who holds keys away from the server, and sends it bundles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from securesystemslib.signer import CryptoSigner, Signer

from gaia.trust.bundle import Bundle
from gaia.trust.drafting import Drafter, Holders
from gaia.trust.keys import ROOT_KEYS, KeyFolder
from gaia.trust.metadata_files import ReceivedFiles
from gaia.trust.roles import ROOT
from gaia.trust.signed_roles import SignedRoles, load_newest
from support.server import Answer, ServerProcess

Change = Callable[[Drafter], None]


def _real_time() -> datetime:
    return datetime.now(UTC)


@dataclass
class Operator:
    """Keys by name: three of root, and one of each role, made when it is first asked for.

    Attributes:
        now: by what clock the roles are signed.
    """

    keys: dict[str, CryptoSigner]
    now: Callable[[], datetime] = _real_time

    @classmethod
    def carrying_away(cls, keys: KeyFolder, now: Callable[[], datetime] = _real_time) -> Operator:
        """The one who does what the README beside a server's root keys says."""
        found = {name: keys.root.load(name) for name in ROOT_KEYS}
        for path in keys.root.folder.iterdir():
            path.unlink()
        keys.root.folder.rmdir()
        return cls(found, now)

    def key(self, name: str) -> CryptoSigner:
        """The key of that name."""
        return self.keys.setdefault(name, CryptoSigner.generate_ed25519())

    def holders(self, *names: str, threshold: int = 1) -> Holders:
        """These keys, as those who sign a role."""
        return Holders(tuple(self.key(name).public_key for name in names), threshold)

    def draft(self, roles: SignedRoles, *changes: Change) -> Bundle:
        """What changes `roles` so, not signed."""
        drafter = Drafter(roles, self.now())
        for change in changes:
            change(drafter)
        return drafter.bundle()

    def bundle(self, roles: SignedRoles, *changes: Change, also: Iterable[Signer] = ()) -> Bundle:
        """What changes `roles` so, signed with all keys that are held, and `also`."""
        return self.draft(roles, *changes).signed_by([*self.keys.values(), *also], roles)

    def take_over(self, roles: SignedRoles) -> Bundle:
        """From convenience to strict: every role is handed over to the key that bears its name."""

        def hand_over_all(drafter: Drafter) -> None:
            for role in sorted(roles.versions.keys() - {ROOT}):
                drafter.hand_over(role, self.holders(role))

        return self.bundle(roles, hand_over_all)


@dataclass
class RemoteOperator:
    """The same, at work on a running server."""

    server: ServerProcess
    operator: Operator = field(init=False)

    def __post_init__(self) -> None:
        self.operator = Operator.carrying_away(KeyFolder(self.server.data_dir / "keys"))

    def signed(self) -> SignedRoles:
        """What the server shows as signed."""
        files = self.server.get("/api/tuf/bundle").json()["files"]
        texts = {name: text.encode() for name, text in files.items()}
        return load_newest(ReceivedFiles(texts, "the server"))

    def send(self, bundle: Bundle, *, token: str | None = "") -> Answer:
        """`PUT /api/tuf/bundle`."""
        return self.server.ask("PUT", "/api/tuf/bundle", bundle.encode(), token=token)

    def sign(self, *changes: Change) -> Answer:
        """Draft, sign and send."""
        return self.send(self.operator.bundle(self.signed(), *changes))

    def take_over(self) -> None:
        """Make the server strict."""
        answer = self.send(self.operator.take_over(self.signed()))
        assert answer.status == 200, answer.body
