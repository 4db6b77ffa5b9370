from __future__ import annotations

from pathlib import Path

import pytest

from gaia.errors import InvalidInput, TransportError, TrustError
from gaia.trust.client import RootPin
from support.trust import World, current


@pytest.fixture
def other(world: World) -> World:
    """Another server."""
    other = World(world.folder / "other", world.clock)
    other.publish("v6.6.6")
    return other


def first_root(world: World) -> bytes:
    return (world.tuf / "1.root.json").read_bytes()


def pins(world: World) -> list[RootPin]:
    return [
        RootPin.of_fingerprint(world.repository.fingerprint),
        RootPin.of_file(first_root(world)),
    ]


def test_parse(world: World, tmp_path: Path) -> None:
    path = world.tuf / "1.root.json"
    fingerprint = world.repository.fingerprint
    assert RootPin.parse(str(path)) == RootPin.of_file(path.read_bytes())
    assert RootPin.parse(f"sha256:{fingerprint.upper()}") == RootPin.of_fingerprint(fingerprint)


@pytest.mark.parametrize("text", ["sha256:", "sha256:12", "", "/nowhere/root.json", "\0", "/"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(InvalidInput):
        RootPin.parse(text)


@pytest.mark.parametrize("kind", [0, 1])
def test_another_server_than_the_pinned_one(world: World, other: World, kind: int) -> None:
    client = other.client(pins(world)[kind])
    with pytest.raises(TrustError) as refusal:
        other.beat(client)
    assert refusal.value.code in {"root-pin-mismatch", "metadata-signature"}
    assert client.pointer("stable") is None


@pytest.mark.parametrize("kind", [0, 1])
def test_a_pin_that_contradicts_the_state(world: World, other: World, kind: int) -> None:
    world.publish("v0.5.0")
    world.beat(world.client(RootPin.on_first_use()))
    client = world.client(pins(other)[kind])
    with pytest.raises(TrustError) as refusal:
        world.beat(client)
    assert refusal.value.code == "root-pin-mismatch"
    assert str(world.state()) in refusal.value.hint
    assert client.pointer("stable") is None


def test_first_use_then_another_server(world: World, other: World) -> None:
    world.publish("v0.5.0")
    client = world.client(RootPin.on_first_use())
    world.beat(client)
    for victim in (client, world.client(RootPin.on_first_use())):
        world.source.repository = other.repository
        with pytest.raises(TrustError) as refusal:
            victim.refresh(1, other.repository.timestamp)
        assert refusal.value.code == "metadata-signature"
        assert current(victim) == "v0.5.0"


def test_a_pin_given_later_that_agrees(world: World) -> None:
    world.publish("v0.5.0")
    world.beat(world.client(RootPin.on_first_use()))
    for pin in pins(world):
        world.source.reads.clear()
        client = world.client(pin)
        world.beat(client)
        assert current(client) == "v0.5.0"
        assert world.source.reads == []


def test_a_later_root_can_be_pinned(world: World) -> None:
    """As by a worker that is built when the root has been renewed already."""
    world.publish("v0.5.0")
    first = RootPin.of_file(first_root(world))
    world.beat(world.client(first))
    for _ in range(2):
        world.renew_root()
    third = RootPin.of_file((world.tuf / "3.root.json").read_bytes())
    for name in ("worker", "new"):
        client = world.client(third, name)
        world.beat(client)
        assert current(client) == "v0.5.0"
    unpinned = world.client(RootPin.on_first_use(), "new")
    world.source.reads.clear()
    world.beat(unpinned)
    assert world.source.reads == []


@pytest.mark.parametrize("content", [b"", b"{}", b"not JSON", b"\xff"])
def test_a_pinned_file_that_is_no_root(world: World, content: bytes) -> None:
    with pytest.raises(TrustError) as refusal:
        world.beat(world.client(RootPin.of_file(content)))
    assert refusal.value.code == "root-pin-invalid"


def test_a_pinned_file_that_is_another_role(world: World) -> None:
    pin = RootPin.of_file((world.tuf / "timestamp.json").read_bytes())
    with pytest.raises(TrustError) as refusal:
        world.beat(world.client(pin))
    assert refusal.value.code == "root-pin-invalid"


def test_first_use_of_a_server_with_a_broken_root(world: World) -> None:
    world.source.tamper = lambda _, data: b"{}"
    with pytest.raises(TrustError) as refusal:
        world.beat(world.client(RootPin.on_first_use()))
    assert refusal.value.code == "root-pin-invalid"


def test_first_use_without_a_network(world: World) -> None:
    world.source.broken = True
    client = world.client(RootPin.on_first_use())
    with pytest.raises(TransportError):
        world.beat(client)
    world.source.broken = False
    world.beat(client)
