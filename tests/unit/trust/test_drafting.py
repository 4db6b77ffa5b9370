"""Drafts: the next versions of roles."""

from __future__ import annotations

from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner

from gaia.errors import InvalidInput, NotFound
from gaia.model.artifact import Artifact
from gaia.model.tag import Tag
from gaia.trust.drafting import Drafter, Holders
from gaia.trust.roles import GAIA_WORKER, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, lifetime
from support.operator import Operator
from support.trust import LINUX, World

V6 = Tag.parse("v0.6.0")
STABLE = "channel-stable"


@pytest.fixture
def operator(world: World) -> Operator:
    world.publish("v0.4.0", "v0.5.0")
    return Operator({}, world.clock)


@pytest.fixture
def drafter(world: World, operator: Operator) -> Drafter:
    world.clock.forward(days=1)
    return Drafter(world.repository.roles, world.clock())


def drafted(drafter: Drafter) -> set[str]:
    return {document.role for document in drafter.bundle().documents()}


def test_without_a_change_there_is_nothing_to_sign(world: World, drafter: Drafter) -> None:
    drafter.publish(world.repository.roles.publication())
    assert not drafter.bundle()


def test_only_what_changes_is_drafted(world: World, drafter: Drafter) -> None:
    publication = world.repository.roles.publication()
    drafter.publish(publication.with_artifact(V6, Artifact(LINUX, 5, "6" * 64)))
    assert drafted(drafter) == {GAIA_WORKER}
    drafter.publish(publication.with_floor("stable", Tag.parse("v0.4.0")))
    assert drafted(drafter) == {GAIA_WORKER, STABLE}


def test_versions_and_lifetimes(world: World, drafter: Drafter) -> None:
    for role in (ROOT, TARGETS, GAIA_WORKER, STABLE):
        drafter.renew(role)
    for document in drafter.bundle().documents():
        epoch = int(world.clock().timestamp())
        assert document.version == (2 if document.role == ROOT else epoch)
        assert document.signed.expires == world.clock() + lifetime(document.role)
        assert document.metadata.signatures == {}


def test_a_clock_that_is_behind(world: World, operator: Operator) -> None:
    before = world.repository.roles.versions
    late = Drafter(world.repository.roles, world.clock() - timedelta(days=400))
    late.renew(GAIA_WORKER)
    assert late.bundle().delegated[GAIA_WORKER].version == before[GAIA_WORKER] + 1


def test_a_renewal_changes_nothing_else(world: World, drafter: Drafter) -> None:
    drafter.renew(TARGETS)
    drafter.renew(GAIA_WORKER)
    drafter.renew(ROOT)
    roles = world.repository.roles
    after = drafter.bundle().over(roles)
    assert after.contents == roles.contents
    for role in (ROOT, TARGETS, SNAPSHOT, TIMESTAMP, GAIA_WORKER, STABLE):
        assert after.keys(role) == roles.keys(role)
        assert after.threshold(role) == roles.threshold(role)


@pytest.mark.parametrize("role", [ROOT, TARGETS, SNAPSHOT, TIMESTAMP, GAIA_WORKER, "channel-new"])
def test_what_is_drafted_from_stays_as_it_is(
    world: World, operator: Operator, drafter: Drafter, role: str
) -> None:
    roles = world.repository.roles
    before = {document.name: document.metadata.to_bytes() for document in roles.newest()}
    drafter.hand_over(role, operator.holders("alice", "bob", threshold=2))
    after = drafter.bundle().over(roles)
    assert {key.keyid for key in after.keys(role).values()} == {
        operator.key(name).public_key.keyid for name in ("alice", "bob")
    }
    assert after.threshold(role) == 2
    assert {document.name: document.metadata.to_bytes() for document in roles.newest()} == before


def test_what_a_handover_has_signed_anew(operator: Operator, drafter: Drafter) -> None:
    drafter.hand_over(TIMESTAMP, operator.holders("online"))
    assert drafted(drafter) == {ROOT}
    drafter.hand_over(TARGETS, operator.holders("alice"))
    assert drafted(drafter) == {ROOT, TARGETS}
    drafter.hand_over("channel-beta", operator.holders("bob"))
    assert drafted(drafter) == {ROOT, TARGETS, "channel-beta"}


def test_a_channel_that_nobody_signs(world: World, operator: Operator, drafter: Drafter) -> None:
    publication = world.repository.roles.publication().promoted(Tag.parse("v0.5.0"), "beta")
    with pytest.raises(NotFound) as refusal:
        drafter.publish(publication)
    assert refusal.value.code == "no-such-channel"
    assert "gaia trust rotate channel-beta" in refusal.value.hint
    drafter.hand_over("channel-beta", operator.holders("bob"))
    drafter.publish(publication)
    assert drafter.bundle().based_on["channel-beta"] == 0


@pytest.mark.parametrize("role", ["", SNAPSHOT, TIMESTAMP, "channel-beta", "nonsense"])
def test_roles_that_people_do_not_sign(drafter: Drafter, role: str) -> None:
    with pytest.raises(NotFound) as refusal:
        drafter.renew(role)
    assert refusal.value.code == "no-such-role"
    assert "gaia-worker" in refusal.value.hint


@pytest.mark.parametrize(("keys", "threshold"), [(0, 1), (1, 2), (3, 0), (3, 4), (2, -1)])
def test_thresholds_that_cannot_be(keys: int, threshold: int) -> None:
    made = tuple(CryptoSigner.generate_ed25519().public_key for _ in range(keys))
    with pytest.raises(InvalidInput) as refusal:
        Holders(made, threshold)
    assert refusal.value.code == "threshold"


def test_a_key_counts_once() -> None:
    key = CryptoSigner.generate_ed25519().public_key
    with pytest.raises(InvalidInput):
        Holders((key, key), 2)
