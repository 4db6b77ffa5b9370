"""A strict world to attack, thieves of its keys, and the workers that they are after."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from securesystemslib.signer import CryptoSigner

from gaia.errors import GaiaError
from gaia.model.artifact import Artifact
from gaia.model.directive import Action, Directive, Reason
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.planning.directive import admit
from gaia.trust.bundle import Bundle
from gaia.trust.client import TrustClient
from gaia.trust.drafting import Drafter, Holders, first_roles, first_root
from gaia.trust.files import make_folder
from gaia.trust.keys import ONLINE, KeyFolder
from gaia.trust.pin import RootPin
from gaia.trust.repository import Mode
from gaia.trust.roles import GAIA_WORKER, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from gaia.trust.signed_roles import SignedRoles
from support.trust import LINUX, World

STABLE = "channel-stable"
HELD = {
    role: tuple(f"{role}-{number}" for number in (1, 2, 3))
    for role in (ROOT, TARGETS, GAIA_WORKER, STABLE)
}
"""For each role that people sign, the names of its keys; two of three have to sign."""

RUNS = "v0.5.0"
"""What workers run when the attack begins."""

EVIL = "v6.6.6"
DIGESTS = {
    "v0.2.0": "2" * 64,
    "v0.3.0": "3" * 64,
    "v0.4.0": "4" * 64,
    RUNS: "5" * 64,
    "v0.6.0": "6" * 64,
}
"""SHA-256 of each release's file."""

UNSIGNED = "e" * 64
"""That of a program which its rightful owners have never signed."""


def worker_file(sha256: str) -> Artifact:
    return Artifact(LINUX, 5, sha256)


def published(before: Publication, tag: str, sha256: str) -> Publication:
    """With that release, its channel sent there if it is the highest."""
    changed = before.with_artifact(Tag.parse(tag), worker_file(sha256))
    return changed.placed(Tag.parse(tag), "stable")


@dataclass
class StrictWorld(World):
    """The server has never held a key but the online one.

    v0.2.0 was published, and withdrawn; v0.3.0 to v0.5.0 are on stable, with the floor at v0.4.0.

    Attributes:
        people: the keys of those who sign, by name.
        past: everything that was ever signed, the oldest first.
    """

    people: dict[str, CryptoSigner] = field(default_factory=dict)
    past: list[SignedRoles] = field(default_factory=list)

    def __post_init__(self) -> None:
        for names in HELD.values():
            self.people.update((name, CryptoSigner.generate_ed25519()) for name in names)
        online = Holders((KeyFolder(self.keys).obtain(ONLINE).public_key,))
        held = {ROOT: self.holders(ROOT), TARGETS: self.holders(TARGETS)}
        root = first_root({**held, SNAPSHOT: online, TIMESTAMP: online}, self.clock())
        root = root.countersigned(self.people[name] for name in HELD[ROOT][:2])
        below = {role: self.holders(role) for role in (GAIA_WORKER, STABLE)}
        drafts = first_roles(root, below, self.clock())
        bundle = Bundle(targets=drafts.targets, delegated=drafts.delegated)
        signed = bundle.signed_by(self.people.values(), drafts).over(drafts)
        make_folder(self.tuf)
        for name, data in signed.files().items():
            (self.tuf / name).write_bytes(data)
        super().__post_init__()
        assert self.repository.mode is Mode.STRICT
        self.release("v0.2.0")
        self.release("v0.3.0")
        self.sign(lambda before: before.without(Tag.parse("v0.2.0")))
        self.release("v0.4.0")
        self.sign(lambda before: before.with_floor("stable", Tag.parse("v0.4.0")))
        self.release(RUNS)

    def holders(self, role: str) -> Holders:
        return Holders(tuple(self.people[name].public_key for name in HELD[role]), 2)

    def release(self, tag: str) -> None:
        """The rightful owners sign a release, for the channel too."""
        self.sign(lambda before: published(before, tag, DIGESTS[tag]))

    def sign(self, change: Callable[[Publication], Publication]) -> None:
        """What the rightful owners say."""
        self.draft(lambda drafter: drafter.publish(change(self.repository.roles.publication())))

    def draft(self, make: Callable[[Drafter], None]) -> None:
        """What the rightful owners draft, all of them sign."""
        self.clock.forward(minutes=1)
        roles = self.repository.roles
        drafter = Drafter(roles, self.clock())
        make(drafter)
        bundle = drafter.bundle().signed_by(self.people.values(), roles)
        self.repository.accept(bundle, lambda publication: None)
        self.past.append(self.repository.roles)


@dataclass
class Thief:
    """Has taken over the server, and with it the online key; and has stolen some keys besides."""

    world: StrictWorld
    stolen: Collection[str] = ()

    def publish(self, change: Callable[[Publication], Publication]) -> None:
        """Have the server say this, signed as far as the stolen keys go. Nothing is vetted."""
        self.draft(
            lambda drafter: drafter.publish(change(self.world.repository.roles.publication()))
        )

    def draft(self, make: Callable[[Drafter], None], *, own: Collection[CryptoSigner] = ()) -> None:
        self.world.clock.forward(minutes=1)
        roles = self.world.repository.roles
        drafter = Drafter(roles, self.world.clock())
        make(drafter)
        stolen = [self.world.people[name] for name in self.stolen]
        self.show(drafter.bundle().signed_by([*stolen, *own], roles).over(roles))

    def show(self, roles: SignedRoles) -> None:
        """Say that these are the newest: what the online key is for."""
        self.world.repository._advance(roles)

    def only(self, role: str, roles: SignedRoles) -> None:
        """Mix: all as it is, but for one role as it is in `roles`."""
        now = self.world.repository.roles
        self.show(replace(now, delegated={**now.delegated, role: roles.delegated[role]}))


@dataclass
class Victim:
    """A worker, told whatever could make it change.

    Attributes:
        refused: codes of what it has refused, in order.
    """

    world: World
    client: TrustClient
    version: str = RUNS
    refused: list[str] = field(default_factory=list)

    def would_run(self) -> set[str]:
        """Digests of what it could be made to install, by a server that offers everything."""
        self.refused.clear()
        self._trying(lambda: self.world.beat(self.client))
        found: set[str] = set()
        for tag in (*DIGESTS, EVIL):
            for action in (Action.UPDATE, Action.REVERT):
                told = Directive(action, Reason.NEWER_RELEASE, tag, LINUX)
                self._trying(lambda told=told: found.update(self._follow(told)))  # type: ignore[misc]
        return found

    def _follow(self, told: Directive) -> list[str]:
        pointer = self.client.pointer("stable")
        decision = admit(told, version=self.version, platform="linux", pointer=pointer)
        if decision.tag is None:
            return []
        return [self.client.target(Tag.parse(decision.tag), LINUX).sha256]

    def _trying(self, step: Callable[[], None]) -> None:
        try:
            step()
        except GaiaError as error:
            self.refused.append(error.code)


PINS = ("fingerprint", "file")
KNOWN, FRESH = "known", "fresh"


def victim(world: World, kind: str, pin: str = "fingerprint", version: str = RUNS) -> Victim:
    """A worker: a known one has verified all that there is now, a fresh one nothing yet."""
    root = (world.tuf / "1.root.json").read_bytes()
    pins = {
        "fingerprint": RootPin.of_fingerprint(world.repository.fingerprint),
        "file": RootPin.of_file(root),
        "first-use": RootPin.on_first_use(),
    }
    client = world.client(pins[pin], name=f"{kind}-{pin}")
    if kind == KNOWN:
        world.beat(client)
    return Victim(world, client, version)
