"""Which bundles may take the place of what is signed, as sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import Delegations, TargetFile, Targets

from gaia.errors import GaiaError
from gaia.model.artifact import Artifact
from gaia.model.channel import Pointer
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.trust.bundle import Bundle
from gaia.trust.contents import to_contents
from gaia.trust.document import Document
from gaia.trust.drafting import Drafter, Holders
from gaia.trust.keys import KeyFolder
from gaia.trust.roles import GAIA_WORKER, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from gaia.trust.signed_roles import SignedRoles
from gaia.trust.vetting import vetted
from support.operator import Change, Operator
from support.trust import LINUX, START, Clock, World

V4, V5, V6 = map(Tag.parse, ("v0.4.0", "v0.5.0", "v0.6.0"))
STABLE, BETA = "channel-stable", "channel-beta"


@dataclass
class Desk:
    """An operator before a strict repository that has v0.4.0 and v0.5.0 on stable."""

    operator: Operator
    roles: SignedRoles
    clock: Clock

    @property
    def published(self) -> Publication:
        return self.roles.publication()

    def bundle(self, *changes: Change) -> Bundle:
        return self.operator.bundle(self.roles, *changes)

    def publishing(self, publication: Publication) -> Bundle:
        return self.bundle(lambda drafter: drafter.publish(publication))

    def renewing(self, *roles: str) -> Bundle:
        return self.bundle(*(lambda drafter, role=role: drafter.renew(role) for role in roles))

    def handing_over(self, role: str, *names: str, threshold: int = 1) -> Bundle:
        holders = self.operator.holders(*names, threshold=threshold)
        return self.bundle(lambda drafter: drafter.hand_over(role, holders))

    def altered(self, bundle: Bundle, role: str, change: Callable[[Any], None]) -> Bundle:
        """What the key holders sign when they do not use the Drafter."""
        (document,) = (each for each in bundle.documents() if each.role == role)
        change(document.signed)
        draft: Document[Any] = Document.sign(role, document.signed)
        if role == ROOT:
            bundle = replace(bundle, roots=(draft,))
        elif role == TARGETS:
            bundle = replace(bundle, targets=draft)
        else:
            bundle = replace(bundle, delegated={**bundle.delegated, role: draft})
        return bundle.signed_by(self.operator.keys.values(), self.roles)

    def signing(self, contents: dict[str, dict[str, TargetFile]]) -> Bundle:
        """Any targets, whether they make sense or not."""

        def change(drafter: Drafter) -> None:
            drafter._contents.update(contents)

        return self.bundle(change)

    def pointing(self, pointer: Pointer | None) -> Bundle:
        """Stable's pointer, whether it makes sense or not."""
        return self.signing(
            {STABLE: to_contents(Publication(pointers={"stable": pointer}))[STABLE]}
        )

    @property
    def stable(self) -> Pointer:
        pointer = self.published.pointers["stable"]
        assert pointer is not None
        return pointer

    def vetted(self, bundle: Bundle) -> SignedRoles:
        return vetted(self.roles, Bundle.parse(bundle.encode()), self.clock())


@pytest.fixture
def desk(world: World) -> Desk:
    world.publish("v0.4.0", "v0.5.0")
    operator = Operator.carrying_away(KeyFolder(world.keys), world.clock)
    world.repository.accept(operator.take_over(world.repository.roles), lambda _: None)
    return Desk(operator, world.repository.roles, world.clock)


def linux(digit: str = "6", size: int = 5) -> Artifact:
    return Artifact(LINUX, size, digit * 64)


def with_v6(desk: Desk) -> Publication:
    return desk.published.with_artifact(V6, linux())


def two_roots(desk: Desk) -> Bundle:
    first = desk.handing_over(ROOT, "root-1", "new-1", "new-2", threshold=2)
    later = desk.operator.bundle(first.over(desk.roles), lambda drafter: drafter.renew(ROOT))
    return replace(first, roots=(*first.roots, *later.roots))


def middle_root_expired(desk: Desk) -> Bundle:
    soon = desk.altered(
        desk.renewing(ROOT), ROOT, lambda root: setattr(root, "expires", desk.clock())
    )
    later = desk.operator.bundle(soon.over(desk.roles), lambda drafter: drafter.renew(ROOT))
    return replace(soon, roots=(*soon.roots, *later.roots))


Row = Callable[[Desk], Bundle]

ACCEPTED: dict[str, Row] = {
    "a release is signed and goes on its channel": lambda desk: desk.publishing(
        with_v6(desk).placed(V6, "stable")
    ),
    "a release is signed, and on no channel yet": lambda desk: desk.publishing(with_v6(desk)),
    "a channel goes down": lambda desk: desk.publishing(desk.published.promoted(V4, "stable")),
    "a floor rises": lambda desk: desk.publishing(desk.published.with_floor("stable", V5)),
    "a release is withdrawn": lambda desk: desk.publishing(desk.published.without(V5)),
    "the same is signed for another lifetime": lambda desk: desk.renewing(GAIA_WORKER, TARGETS),
    "the next root": lambda desk: desk.renewing(ROOT),
    "two roots at once, with other keys on the way": two_roots,
    "a root that has expired, on the way to one that has not": middle_root_expired,
    "root keys are replaced": lambda desk: desk.handing_over(
        ROOT, "new-1", "new-2", "root-1", threshold=2
    ),
    "a role goes to other keys": lambda desk: desk.handing_over(GAIA_WORKER, "alice"),
    "targets goes to other keys": lambda desk: desk.handing_over(TARGETS, "alice"),
    "a threshold rises": lambda desk: desk.handing_over(
        GAIA_WORKER, "alice", "bob", "carol", threshold=2
    ),
    "the online roles go to another key": lambda desk: desk.bundle(
        lambda drafter: drafter.hand_over(SNAPSHOT, desk.operator.holders("online-2")),
        lambda drafter: drafter.hand_over(TIMESTAMP, desk.operator.holders("online-2")),
    ),
    "a new channel, empty": lambda desk: desk.handing_over(BETA, BETA),
    "a new channel, with a release": lambda desk: desk.bundle(
        lambda drafter: drafter.hand_over(BETA, desk.operator.holders(BETA)),
        lambda drafter: drafter.publish(with_v6(desk).promoted(V6, "beta")),
    ),
    "an old release leaves its channel and is signed no longer": lambda desk: desk.signing(
        to_contents(
            replace(
                desk.published,
                artifacts={V5: desk.published.artifacts[V5]},
                pointers={"stable": replace(desk.stable, tags={V5: desk.stable.tags[V5]})},
            )
        )
    ),
}


@pytest.mark.parametrize("sentence", ACCEPTED)
def test_accepted(desk: Desk, sentence: str) -> None:
    bundle = ACCEPTED[sentence](desk)
    assert bundle
    result = desk.vetted(bundle)
    for document in bundle.documents():
        assert result.versions[document.role] >= document.version
    assert result.publication() == bundle.over(desk.roles).publication()


def signed_by(desk: Desk, bundle: Bundle, *names: str) -> Bundle:
    """The same with the signatures of these keys only."""
    bare = replace(
        bundle,
        roots=tuple(Document.sign(ROOT, each.signed) for each in bundle.roots),
        targets=bundle.targets and Document.sign(TARGETS, bundle.targets.signed),
        delegated={
            role: Document.sign(role, each.signed) for role, each in bundle.delegated.items()
        },
    )
    return bare.signed_by([desk.operator.key(name) for name in names], desk.roles)


def strange_role(name: str, **more: Any) -> Row:
    def change(targets: Any) -> None:
        for key, value in more.items():
            setattr(targets.delegations.roles[name], key, value)

    return lambda desk: desk.altered(desk.handing_over(name, name), TARGETS, change)


def foreign_key(role: str, key: SSlibKey) -> Row:
    return lambda desk: desk.bundle(
        lambda drafter: drafter.hand_over(
            role, Holders((desk.operator.key(role).public_key, key), 1)
        )
    )


def renamed_key() -> SSlibKey:
    """Somebody's own key, by the name of another one."""
    key = CryptoSigner.generate_ed25519().public_key
    key.keyid = "a" * 64
    return key


def changing(role: str, change: Callable[[Any], None]) -> Row:
    return lambda desk: desk.altered(desk.renewing(role), role, change)


def delegating_further(targets: Targets) -> None:
    targets.delegations = Delegations({}, {})


def target(path: str, digest: str = "a") -> TargetFile:
    return TargetFile(5, {"sha256": digest * 64}, path)


def worker_files(desk: Desk, *more: TargetFile) -> dict[str, dict[str, TargetFile]]:
    files = dict(desk.roles.contents[GAIA_WORKER])
    return {GAIA_WORKER: {**files, **{each.path: each for each in more}}}


def without_linux(desk: Desk) -> dict[str, dict[str, TargetFile]]:
    files = dict(desk.roles.contents[GAIA_WORKER])
    del files[f"v0.5.0/{LINUX}"]
    return {GAIA_WORKER: files}


def after_withdrawal(change: Callable[[Desk], Bundle]) -> Row:
    """What is sent once v0.5.0 was withdrawn."""

    def build(desk: Desk) -> Bundle:
        desk.roles = desk.vetted(desk.publishing(desk.published.without(V5)))
        desk.clock.forward(minutes=1)
        return change(desk)

    return build


RSA = SSlibKey("b" * 64, "rsa", "rsassa-pss-sha256", {"public": "-----BEGIN PUBLIC KEY-----"})

REFUSED: dict[str, tuple[Row, str, str]] = {
    "it is empty": (lambda _: Bundle(), "bundle-refused", "it is empty"),
    "it starts from an older version than the server has": (
        lambda desk: replace(desk.renewing(GAIA_WORKER), based_on={GAIA_WORKER: 1}),
        "bundle-outdated",
        "changes version 1 of gaia-worker",
    ),
    "it does not say what it starts from": (
        lambda desk: replace(desk.renewing(GAIA_WORKER), based_on={}),
        "bundle-outdated",
        "changes version None of gaia-worker",
    ),
    "it makes a channel that is there": (
        lambda desk: replace(desk.handing_over(STABLE, STABLE), based_on={STABLE: 0, TARGETS: 0}),
        "bundle-outdated",
        "the server has",
    ),
    "nobody has signed it": (
        lambda desk: desk.operator.draft(desk.roles, lambda drafter: drafter.renew(TARGETS)),
        "bundle-unsigned",
        "targets.json has 0 of 1 signatures",
    ),
    "one of two root keys has signed": (
        lambda desk: signed_by(desk, desk.renewing(ROOT), "root-1"),
        "bundle-unsigned",
        "3.root.json (by the keys of the root before it) has 1 of 2 signatures",
    ),
    "the new root keys have signed, and the old ones have not": (
        lambda desk: signed_by(
            desk, desk.handing_over(ROOT, "new-1", "new-2", threshold=2), "new-1", "new-2"
        ),
        "bundle-unsigned",
        "(by the keys of the root before it) has 0 of 2",
    ),
    "the old root keys have signed, and the new ones have not": (
        lambda desk: signed_by(
            desk, desk.handing_over(ROOT, "new-1", "new-2", threshold=2), "root-1", "root-2"
        ),
        "bundle-unsigned",
        "(by its own keys) has 0 of 2",
    ),
    "the key of another role has signed": (
        lambda desk: signed_by(desk, desk.renewing(GAIA_WORKER), STABLE, TARGETS),
        "bundle-unsigned",
        "gaia-worker.json has 0 of 1 signatures",
    ),
    "the key that is replaced has signed": (
        lambda desk: signed_by(desk, desk.handing_over(GAIA_WORKER, "alice"), TARGETS, GAIA_WORKER),
        "bundle-unsigned",
        "gaia-worker.json has 0 of 1 signatures",
    ),
    "a role that targets does not know": (
        lambda desk: replace(desk.handing_over(BETA, BETA), targets=None, based_on={BETA: 0}),
        "bundle-unsigned",
        "channel-beta.json has 0 of 1 signatures",
    ),
    "a root is left out": (
        changing(ROOT, lambda root: setattr(root, "version", root.version + 1)),
        "bundle-refused",
        "root 3 is to follow, not 4",
    ),
    "a version is not newer": (
        changing(GAIA_WORKER, lambda signed: setattr(signed, "version", 7)),
        "bundle-refused",
        "7.gaia-worker.json is not newer",
    ),
    "a version is so high that few can follow it": (
        changing(GAIA_WORKER, lambda signed: setattr(signed, "version", 10**19)),
        "bundle-refused",
        "ahead of the time",
    ),
    "it has expired": (
        changing(GAIA_WORKER, lambda signed: setattr(signed, "expires", START)),
        "bundle-refused",
        "has expired, by this server's clock",
    ),
    "the newest root has expired": (
        lambda desk: desk.altered(
            desk.renewing(ROOT), ROOT, lambda root: setattr(root, "expires", desk.clock())
        ),
        "bundle-refused",
        "3.root.json has expired",
    ),
    "the root gives up consistent snapshots": (
        changing(ROOT, lambda root: setattr(root, "consistent_snapshot", False)),
        "bundle-refused",
        "no consistent snapshots",
    ),
    "a key of the root that workers cannot verify": (
        foreign_key(TARGETS, RSA),
        "bundle-refused",
        "workers verify Ed25519 only",
    ),
    "a key below targets that workers cannot verify": (
        foreign_key(GAIA_WORKER, RSA),
        "bundle-refused",
        "workers verify Ed25519 only",
    ),
    "a key of the root goes by the name of another": (
        foreign_key(TARGETS, renamed_key()),
        "bundle-refused",
        "is not the ID of its key",
    ),
    "a key below targets goes by the name of another": (
        foreign_key(GAIA_WORKER, renamed_key()),
        "bundle-refused",
        "is not the ID of its key",
    ),
    "a key that is none": (
        foreign_key(GAIA_WORKER, SSlibKey("c" * 64, "ed25519", "ed25519", {"public": "xyz"})),
        "bundle-refused",
        "is not the ID of its key",
    ),
    "targets signs files itself": (
        changing(TARGETS, lambda signed: signed.targets.update({"x": target("x")})),
        "bundle-refused",
        "it may only delegate",
    ),
    "a role leaves": (
        changing(TARGETS, lambda signed: signed.delegations.roles.pop(STABLE)),
        "bundle-refused",
        "cannot leave the snapshot (TUF 5.5.5): channel-stable",
    ),
    "targets delegates nothing at all": (
        changing(TARGETS, lambda signed: setattr(signed, "delegations", None)),
        "bundle-refused",
        "cannot leave the snapshot",
    ),
    "a role that is neither the worker's nor a channel's": (
        strange_role("extra"),
        "bundle-refused",
        "extra is neither gaia-worker nor a channel",
    ),
    "a channel without a name": (
        strange_role("channel-"),
        "bundle-refused",
        "channel- is neither gaia-worker nor a channel",
    ),
    "a role may sign more than its own paths": (
        strange_role(BETA, paths=["*"]),
        "bundle-refused",
        "the paths of channel-beta are not channels/beta/*",
    ),
    "a role has the paths of another channel": (
        strange_role(BETA, paths=["channels/stable/*"]),
        "bundle-refused",
        "the paths of channel-beta are not",
    ),
    "a role's word is not the last one": (
        strange_role(BETA, terminating=False),
        "bundle-refused",
        "terminating",
    ),
    "a role delegates further": (
        changing(GAIA_WORKER, delegating_further),
        "bundle-refused",
        "gaia-worker delegates",
    ),
    "a new role comes without its file": (
        lambda desk: replace(desk.handing_over(BETA, BETA), delegated={}),
        "bundle-refused",
        "the new role channel-beta has no file",
    ),
    "a role's keys change, and what they sign is not there": (
        lambda desk: replace(desk.handing_over(GAIA_WORKER, "alice"), delegated={}),
        "bundle-refused",
        "the keys of gaia-worker change",
    ),
    "a threshold rises, and what it asks for is not there": (
        lambda desk: replace(
            desk.handing_over(GAIA_WORKER, GAIA_WORKER, "alice", threshold=2), delegated={}
        ),
        "bundle-refused",
        "the keys of gaia-worker change",
    ),
    "the keys of targets change, and targets is not there": (
        lambda desk: replace(desk.handing_over(TARGETS, "alice"), targets=None),
        "bundle-refused",
        "the keys of targets change",
    ),
    "a published file gets other bytes": (
        lambda desk: desk.signing(worker_files(desk, target(f"v0.5.0/{LINUX}", "f"))),
        "file-conflict",
        "other bytes as v0.5.0/gaia-worker-linux",
    ),
    "a published file gets another size": (
        lambda desk: desk.signing(
            worker_files(desk, TargetFile(6, {"sha256": "a" * 64}, f"v0.5.0/{LINUX}"))
        ),
        "file-conflict",
        "other bytes as v0.5.0/gaia-worker-linux",
    ),
    "a channel names a file that is not signed": (
        lambda desk: desk.pointing(
            replace(desk.stable, tags={**desk.stable.tags, V6: {"x": "a" * 64}})
        ),
        "bundle-refused",
        "stable names v0.6.0/x, which is not signed so",
    ),
    "a channel names other bytes than are signed": (
        lambda desk: desk.pointing(
            replace(desk.stable, tags={**desk.stable.tags, V5: {LINUX: "f" * 64}})
        ),
        "bundle-refused",
        "stable names v0.5.0/gaia-worker-linux, which is not signed so",
    ),
    "a file is signed no longer, though a channel names it": (
        lambda desk: desk.signing(without_linux(desk)),
        "bundle-refused",
        "stable names v0.5.0/gaia-worker-linux, which is not signed so",
    ),
    "a channel points at what is not on it": (
        lambda desk: desk.pointing(replace(desk.stable, current=V6)),
        "bundle-refused",
        "points at v0.6.0, which is not on it",
    ),
    "a pointer that cannot be read": (
        lambda desk: desk.pointing(replace(desk.stable, floor=V6)),
        "bundle-refused",
        "the floor v0.6.0 is above the current v0.5.0",
    ),
    "a target that is no file of a release": (
        lambda desk: desk.signing(worker_files(desk, target("nonsense"))),
        "bundle-refused",
        "'nonsense' is not a file of a release",
    ),
    "a target by another spelling of its tag": (
        lambda desk: desk.signing(worker_files(desk, target(f"0.5.0/{LINUX}", "f"))),
        "bundle-refused",
        "is not a file of a release",
    ),
    "a withdrawn tag comes back": (
        after_withdrawal(lambda desk: desk.signing(worker_files(desk, target(f"v0.5.0/{LINUX}")))),
        "bundle-refused",
        "v0.5.0 was withdrawn",
    ),
    "a withdrawal is taken back": (
        after_withdrawal(lambda desk: desk.pointing(replace(desk.stable, withdrawn=frozenset()))),
        "bundle-refused",
        "v0.5.0 was withdrawn from stable",
    ),
    "a withdrawal is taken back by emptying the channel": (
        after_withdrawal(lambda desk: desk.pointing(None)),
        "bundle-refused",
        "v0.5.0 was withdrawn from stable",
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_refused(desk: Desk, sentence: str) -> None:
    build, code, words = REFUSED[sentence]
    bundle = build(desk)
    with pytest.raises(GaiaError) as refusal:
        desk.vetted(bundle)
    assert refusal.value.code == code
    assert words in refusal.value.message
    assert "othing was changed" in refusal.value.message
    assert refusal.value.hint


def test_an_unused_key_is_not_one_that_signs(desk: Desk) -> None:
    """Only those who hold a role's keys count towards it, each once."""
    twice = desk.handing_over(GAIA_WORKER, "alice", "bob", threshold=2)
    with pytest.raises(GaiaError) as refusal:
        desk.vetted(signed_by(desk, twice, TARGETS, "alice", "carol"))
    assert "gaia-worker.json has 1 of 2 signatures" in refusal.value.message
