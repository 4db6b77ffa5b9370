"""Fault 33: the root changes, once or often, while a worker is on or off."""

from __future__ import annotations

from copy import deepcopy

import pytest
from securesystemslib.signer import CryptoSigner

from gaia.errors import TransportError, TrustError
from gaia.trust.client import RootPin
from gaia.trust.document import Document
from gaia.trust.drafting import Drafter, Holders
from gaia.trust.keys import ROOT_KEYS, KeyFolder
from support.trust import World, current

PINS = ["fingerprint", "file", "first-use"]


def pin(world: World, kind: str) -> RootPin:
    if kind == "file":
        return RootPin.of_file((world.tuf / "1.root.json").read_bytes())
    if kind == "fingerprint":
        return RootPin.of_fingerprint(world.repository.fingerprint)
    return RootPin.on_first_use()


def rotate(world: World) -> None:
    """Replace one of the root keys, as after its loss: old and new keys sign (TUF 6.1)."""
    safe = world.keys / "root"
    old = KeyFolder(safe).all()
    fresh = CryptoSigner.generate_ed25519()
    kept = [*old[1:], fresh]
    drafter = Drafter(world.repository.roles, world.clock())
    drafter.hand_over("root", Holders(tuple(key.public_key for key in kept), 2))
    world.accept(drafter, fresh)
    for name, signer in zip(ROOT_KEYS, kept, strict=True):
        (safe / f"{name}.pem").write_bytes(signer.private_bytes)


@pytest.mark.parametrize("kind", PINS)
def test_followed_at_once(world: World, kind: str) -> None:
    world.publish("v0.5.0")
    client = world.client(pin(world, kind))
    world.beat(client)
    world.source.reads.clear()
    rotate(world)
    world.beat(client)
    assert world.source.reads == ["2.root.json"]
    assert current(client) == "v0.5.0"


@pytest.mark.parametrize("kind", PINS)
def test_many_missed(world: World, kind: str) -> None:
    """Twelve rotations: by the end none of the first keys is left."""
    world.publish("v0.5.0")
    chosen = pin(world, kind)
    world.beat(world.client(chosen))
    for _ in range(12):
        rotate(world)
    world.clock.forward(hours=2)
    world.publish("v0.5.0", "v0.6.0")
    world.source.reads.clear()
    client = world.client(chosen)
    world.beat(client)
    assert current(client) == "v0.6.0"
    roots = [name for name in world.source.reads if "root" in name]
    assert roots == [f"{number}.root.json" for number in range(2, 14)]
    world.source.reads.clear()
    world.beat(world.client(chosen))
    assert world.source.reads == []


def test_a_gap_in_the_chain_is_not_jumped(world: World) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    for _ in range(3):
        rotate(world)
    world.source.tamper = lambda name, data: None if name == "3.root.json" else data
    with pytest.raises(TransportError) as failure:
        world.beat(client)
    assert failure.value.code == "metadata-missing"
    assert current(client) == "v0.5.0"
    world.source.tamper = lambda _, data: data
    world.source.reads.clear()
    world.beat(client)
    assert world.source.reads == ["3.root.json", "4.root.json"]


def test_a_root_without_the_old_keys_is_refused(world: World) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    signed = deepcopy(world.repository.roles.root)
    signed.version += 1
    thieves = [CryptoSigner.generate_ed25519() for _ in range(3)]
    for keyid in list(signed.roles["root"].keyids):
        signed.revoke_key(keyid, "root")
    for signer in thieves:
        signed.add_key(signer.public_key, "root")
    forged = Document.sign("root", signed, thieves)
    world.source.tamper = lambda name, data: forged.data if name == forged.name else data
    with pytest.raises(TrustError) as refusal:
        client.refresh(2, world.repository.timestamp)
    assert refusal.value.code == "metadata-signature"
    assert current(client) == "v0.5.0"
    (world.tuf / forged.name).write_bytes(forged.data)
    world.reopen()
    assert world.repository.root_version == 1
    assert world.repository.read(forged.name) is None
