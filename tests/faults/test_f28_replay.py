"""Fault 28: rollback, replay, freeze, mix-and-match, endless data, fast-forward."""

from __future__ import annotations

import shutil

import pytest

from gaia.errors import TrustError
from gaia.model.tag import Tag
from gaia.trust import online
from gaia.trust.drafting import Drafter, Holders
from support.trust import LINUX, World, current


def test_an_old_timestamp_replayed(world: World) -> None:
    world.publish("v0.5.0")
    old = world.repository.timestamp
    world.publish("v0.5.0", "v0.6.0")
    client = world.client()
    world.beat(client)
    for victim in (client, world.client()):  # also after a restart
        with pytest.raises(TrustError) as refusal:
            victim.refresh(1, old)
        assert refusal.value.code == "metadata-rollback"
        assert "older" in refusal.value.message
        assert current(victim) == "v0.6.0"


def test_a_whole_old_repository_replayed(world: World) -> None:
    world.publish("v0.5.0")
    kept = world.folder / "yesterday"
    shutil.copytree(world.tuf, kept)
    world.publish("v0.5.0", "v0.6.0")
    client = world.client()
    world.beat(client)
    shutil.rmtree(world.tuf)
    shutil.copytree(kept, world.tuf)
    world.reopen()
    with pytest.raises(TrustError) as refusal:
        world.beat(client)
    assert refusal.value.code == "metadata-rollback"
    assert current(client) == "v0.6.0"


def test_a_server_restored_from_a_backup_is_believed_again(world: World) -> None:
    """Once its own operator signs with it: versions are the time, so they are ahead again."""
    world.publish("v0.5.0")
    kept = world.folder / "backup"
    shutil.copytree(world.tuf, kept)
    for minor in range(6, 12):
        world.clock.forward(minutes=1)
        world.publish("v0.5.0", f"v0.{minor}.0")
    client = world.client()
    world.beat(client)
    shutil.rmtree(world.tuf)
    shutil.copytree(kept, world.tuf)
    world.clock.forward(minutes=1)
    world.reopen()
    world.publish("v0.5.0", "v0.6.0")
    world.beat(client)
    assert current(client) == "v0.6.0"


@pytest.mark.parametrize("role", ["snapshot", "gaia-worker", "channel-stable"])
def test_mix_and_match(world: World, role: str) -> None:
    """An older file that was once signed, under the newer one's name."""
    world.publish("v0.5.0")
    old = world.newest(role).read_bytes()
    client = world.client()
    world.beat(client)
    world.publish("v0.5.0", "v0.6.0")
    world.source.tamper = lambda name, data: old if role in name else data
    with pytest.raises(TrustError) as refusal:
        world.beat(client)
    assert refusal.value.code in {"metadata-mismatch", "metadata-rollback"}
    assert role in refusal.value.message
    assert current(client) == "v0.5.0"


def test_freeze(world: World) -> None:
    """The same timestamp for ever: good until it expires, a day after it was signed."""
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    world.clock.forward(hours=23)
    world.beat(client)
    world.clock.forward(hours=2)
    with pytest.raises(TrustError) as refusal:
        world.beat(client)
    assert refusal.value.code == "metadata-expired"
    assert "timestamp" in refusal.value.message
    assert current(client) == "v0.5.0"
    with pytest.raises(TrustError) as refusal:
        client.target(Tag.parse("v0.5.0"), LINUX)
    assert refusal.value.code == "metadata-expired"


@pytest.mark.parametrize("role", ["root", "snapshot", "targets", "gaia-worker", "channel-stable"])
def test_endless_data(world: World, role: str) -> None:
    world.publish("v0.5.0")
    world.source.tamper = lambda name, data: b" " * 6_000_000 if role in name else data
    with pytest.raises(TrustError) as refusal:
        world.beat(world.client())
    assert refusal.value.code == "metadata-oversize"


def test_an_endless_timestamp(world: World) -> None:
    world.publish("v0.5.0")
    with pytest.raises(TrustError) as refusal:
        world.client().refresh(1, world.repository.timestamp + " " * 100_000)
    assert refusal.value.code == "metadata-oversize"


def test_fast_forward_is_undone_by_a_new_root(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TUF 5.3.11: a thief of the online key signs an enormous version; the key is replaced."""
    world.publish("v0.5.0")
    client = world.client()
    shutil.copytree(world.folder, world.folder.with_name("thief"))
    thief = World(world.folder.with_name("thief"), world.clock)
    with monkeypatch.context() as patch:
        patch.setattr(online, "next_version", lambda last, now: max(last + 1, 2**60))
        thief.repository.sign_all_anew()
    world.source.repository = thief.repository
    client.refresh(1, thief.repository.timestamp)

    world.source.repository = world.repository
    with pytest.raises(TrustError) as refusal:
        world.beat(client)
    assert refusal.value.code == "metadata-rollback"
    fresh = world.repository.make_online_key()
    drafter = Drafter(world.repository.roles, world.clock())
    for role in ("snapshot", "timestamp"):
        drafter.hand_over(role, Holders((fresh,)))
    world.accept(drafter)
    world.publish("v0.5.0", "v0.6.0")
    world.beat(client)
    assert current(client) == "v0.6.0"
