"""The keys that a server holds in convenience mode."""

from __future__ import annotations

import pytest

from gaia.errors import TrustError
from gaia.trust.convenience import ServerHeldKeys
from gaia.trust.drafting import Drafter
from gaia.trust.keys import KeyFolder
from gaia.trust.roles import GAIA_WORKER, SNAPSHOT, TARGETS, TIMESTAMP
from support.operator import Operator
from support.trust import World


@pytest.fixture
def held(world: World) -> ServerHeldKeys:
    world.publish("v0.5.0")
    return ServerHeldKeys(KeyFolder(world.keys))


@pytest.fixture
def operator(world: World, held: ServerHeldKeys) -> Operator:
    return Operator.carrying_away(KeyFolder(world.keys), world.clock)


def names(world: World) -> set[str]:
    return {path.stem for path in world.keys.glob("*.pem")}


@pytest.mark.parametrize(
    ("kept", "any_held"),
    [
        ({"online"}, False),
        (set(), False),
        ({TARGETS}, True),
        ({GAIA_WORKER}, True),
        ({"channel-stable", "online"}, True),
    ],
)
def test_whether_it_could_sign_a_release(
    world: World, held: ServerHeldKeys, kept: set[str], any_held: bool
) -> None:
    for name in names(world) - kept:
        (world.keys / f"{name}.pem").unlink()
    assert held.hold_any(world.repository.roles) is any_held


def test_root_keys_do_not_count(world: World, held: ServerHeldKeys) -> None:
    """They lie in a folder of their own, and are meant to be moved away."""
    for name in names(world):
        (world.keys / f"{name}.pem").unlink()
    assert (world.keys / "root" / "root-1.pem").exists()
    assert not held.hold_any(world.repository.roles)


def test_keys_that_nothing_trusts_are_no_keys(world: World, held: ServerHeldKeys) -> None:
    for name in names(world) - {"online"}:
        (world.keys / f"{name}.pem").unlink()
    KeyFolder(world.keys).obtain("some-key")
    assert not held.hold_any(world.repository.roles)


def test_what_was_trusted_and_is_not_any_more_is_forgotten(
    world: World, held: ServerHeldKeys, operator: Operator
) -> None:
    before = world.repository.roles
    KeyFolder(world.keys).obtain("not-used-yet")
    bundle = operator.bundle(
        before,
        lambda d: d.hand_over(TIMESTAMP, operator.holders("elsewhere")),
        lambda d: d.hand_over(GAIA_WORKER, operator.holders("alice")),
    )
    held.forget(before, bundle.over(before))
    assert names(world) == {"online", TARGETS, "channel-stable", "not-used-yet"}
    both = operator.bundle(
        before,
        *(lambda d, r=r: d.hand_over(r, operator.holders("x")) for r in (SNAPSHOT, TIMESTAMP)),
    )
    held.forget(before, both.over(before))
    assert names(world) == {TARGETS, "channel-stable", "not-used-yet"}


def test_a_new_channel_has_a_new_key(world: World, held: ServerHeldKeys) -> None:
    roles = world.repository.roles
    drafter = Drafter(roles, world.clock())
    held.draft_channel(drafter, "channel-beta")
    signed = held.sign(drafter.bundle(), roles)
    assert not any(count.missing for count in signed.signatures(roles))
    assert "channel-beta" in names(world)


def test_it_says_which_key_is_missing(
    world: World, held: ServerHeldKeys, operator: Operator
) -> None:
    (world.keys / f"{TARGETS}.pem").unlink()
    roles = world.repository.roles
    with pytest.raises(TrustError) as refusal:
        held.sign(operator.draft(roles, lambda drafter: drafter.renew(TARGETS)), roles)
    assert refusal.value.code == "key-missing"
    assert "gaia trust rotate targets" in refusal.value.hint
