"""Snapshot and timestamp, which the server signs in both modes."""

from __future__ import annotations

import pytest

from gaia.errors import TrustError
from gaia.trust.edition import Edition
from gaia.trust.keys import KeyFolder
from gaia.trust.metadata_files import MetadataFiles
from gaia.trust.online import OnlineSigner
from gaia.trust.roles import SNAPSHOT, TIMESTAMP
from support.operator import Operator
from support.trust import World


def edition(world: World) -> Edition:
    found = Edition.load(MetadataFiles(world.tuf))
    assert found
    return found


@pytest.fixture
def keys(world: World) -> KeyFolder:
    return KeyFolder(world.keys)


@pytest.fixture
def signer(world: World, keys: KeyFolder) -> OnlineSigner:
    return OnlineSigner(keys, world.clock)


@pytest.fixture
def operator(world: World, keys: KeyFolder) -> Operator:
    operator = Operator.carrying_away(keys, world.clock)
    operator.keys["online"] = keys.load("online")
    return operator


def name_online(world: World, operator: Operator, *names: str, threshold: int = 1) -> None:
    holders = operator.holders(*names, threshold=threshold)
    bundle = operator.bundle(
        world.repository.roles,
        lambda drafter: drafter.hand_over(SNAPSHOT, holders),
        lambda drafter: drafter.hand_over(TIMESTAMP, holders),
    )
    world.repository.accept(bundle, lambda _: None)


def signed_with(document: object) -> set[str]:
    return set(document.metadata.signatures)  # type: ignore[attr-defined]


def test_nothing_is_signed_when_nothing_is_due(world: World, signer: OnlineSigner) -> None:
    last = edition(world)
    assert signer.edition(last.roles, last) is last
    world.clock.forward(minutes=59)
    assert signer.edition(last.roles, last) is last
    world.clock.forward(minutes=1)
    later = signer.edition(last.roles, last)
    assert later.snapshot is last.snapshot
    assert later.timestamp.version > last.timestamp.version


def test_anew_signs_both_whether_due_or_not(world: World, signer: OnlineSigner) -> None:
    last = edition(world)
    again = signer.anew(last)
    assert again.roles is last.roles
    assert again.snapshot.version > last.snapshot.version
    assert again.timestamp.version > last.timestamp.version
    assert again.snapshot.signed.meta == last.snapshot.signed.meta
    assert again.timestamp.signed.snapshot_meta == again.snapshot.reference
    assert again.timestamp.vouched_for_by(last.roles.root)


def test_all_online_keys_that_the_root_names_sign(
    world: World, signer: OnlineSigner, keys: KeyFolder, operator: Operator
) -> None:
    operator.keys["second"] = keys.obtain("online-2")
    keys.obtain("online-not-named")
    name_online(world, operator, "online", "second")
    both = {operator.key(name).public_key.keyid for name in ("online", "second")}
    again = signer.anew(edition(world))
    assert signed_with(again.snapshot) == signed_with(again.timestamp) == both


def test_one_of_several_servers_keys_is_enough(
    world: World, signer: OnlineSigner, keys: KeyFolder, operator: Operator
) -> None:
    name_online(world, operator, "online", "of another server")
    again = signer.anew(edition(world))
    assert signed_with(again.timestamp) == {operator.key("online").public_key.keyid}
    world.reopen()
    world.beat(world.client())
    (keys.folder / "online.pem").unlink()
    with pytest.raises(TrustError) as refusal:
        signer.anew(edition(world))
    assert refusal.value.code == "online-key-missing"
    assert "gaia trust rotate online" in refusal.value.hint


def test_two_of_two_online_keys(
    world: World, signer: OnlineSigner, keys: KeyFolder, operator: Operator
) -> None:
    operator.keys["second"] = keys.obtain("online-2")
    name_online(world, operator, "online", "second", threshold=2)
    world.beat(world.client())
    (keys.folder / "online-2.pem").unlink()
    with pytest.raises(TrustError) as refusal:
        signer.anew(edition(world))
    assert refusal.value.code == "online-key-missing"


def test_a_lost_key_is_told_from_a_damaged_one(
    world: World, signer: OnlineSigner, keys: KeyFolder
) -> None:
    (keys.folder / "online.pem").write_bytes(b"damaged")
    with pytest.raises(TrustError) as refusal:
        signer.anew(edition(world))
    assert refusal.value.code == "key-unreadable"
