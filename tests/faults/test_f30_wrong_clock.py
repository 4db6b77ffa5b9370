"""Fault 30: a clock that is wrong by hours or years. It is said; only new installs are refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gaia.errors import TrustError
from gaia.model.tag import Tag
from gaia.trust import roles
from gaia.trust.client import RootPin, TrustClient
from support.trust import LINUX, START, Clock, World, current

V5 = Tag.parse("v0.5.0")


def worker(world: World, clock: Clock, name: str = "worker") -> TrustClient:
    pin = RootPin.of_fingerprint(world.repository.fingerprint)
    return TrustClient(world.state(name), world.source, pin, clock)


@pytest.mark.parametrize("days", [2, 40, 4000])
def test_a_clock_that_is_ahead(world: World, days: int) -> None:
    world.publish("v0.5.0")
    clock = Clock()
    client = worker(world, clock)
    world.beat(client)
    clock.forward(days=days)
    for victim in (client, worker(world, clock)):
        with pytest.raises(TrustError) as refusal:
            world.beat(victim)
        assert refusal.value.code == "metadata-expired"
        assert f"clock says {clock.now:%Y-%m-%d}" in refusal.value.message
        assert current(victim) == "v0.5.0"
        with pytest.raises(TrustError):
            victim.target(V5, LINUX)
    clock.now = START
    world.beat(client)
    assert client.target(V5, LINUX).size == 5


@pytest.mark.parametrize("days", [-2, -40, -4000])
def test_a_clock_that_is_behind(world: World, days: int) -> None:
    world.publish("v0.5.0")
    clock = Clock()
    clock.forward(days=days)
    client = worker(world, clock)
    with pytest.raises(TrustError) as refusal:
        world.beat(client)
    assert refusal.value.code == "clock-wrong"
    assert f"clock says {clock.now:%Y-%m-%d}" in refusal.value.message
    assert current(client) == "v0.5.0"
    with pytest.raises(TrustError):
        client.target(V5, LINUX)
    clock.now = START
    world.beat(client)
    assert client.target(V5, LINUX).size == 5


@pytest.mark.parametrize("hours", [-20, -3, 3, 20])
def test_some_hours_do_not_matter(world: World, hours: int) -> None:
    world.publish("v0.5.0")
    clock = Clock()
    clock.forward(hours=hours)
    client = worker(world, clock)
    world.beat(client)
    assert client.target(V5, LINUX).size == 5


def renewed(world: World, clock: Clock) -> None:
    """The server's clock is right all the time, whatever the worker's says."""
    world.clock.now = max(world.clock.now, clock.now)
    world.repository.renew()


@pytest.mark.parametrize("known", [True, False])
def test_a_clock_that_is_set_back_does_not_revive_what_has_expired(
    world: World, known: bool
) -> None:
    """A server that is frozen, and a clock set back to when its timestamp was good."""
    world.publish("v0.5.0")
    frozen = world.repository.root_version, world.repository.timestamp
    clock = Clock()
    client = worker(world, clock)
    client.refresh(*frozen)
    world.clock.forward(hours=30)
    clock.forward(hours=30)
    renewed(world, clock)
    world.beat(client)
    victim = client if known else worker(world, clock)
    clock.forward(hours=-20)
    with pytest.raises(TrustError):
        victim.refresh(*frozen)
    # Nothing newer comes, and by the floor of time it has expired, clock or no clock.
    world.clock.forward(hours=40)
    clock.now = START
    with pytest.raises(TrustError) as refusal:
        victim.target(V5, LINUX)
    assert refusal.value.code == "clock-wrong"


def test_a_clock_that_is_set_back_a_little_measures_expiry_by_the_floor(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(roles._LIFETIMES, "targets", timedelta(hours=10))
    world.folder.joinpath("short").mkdir()
    world = World(world.folder / "short", Clock())
    world.publish("v0.5.0")
    clock = Clock()
    client = worker(world, clock)
    world.beat(client)
    clock.forward(hours=9)
    world.clock.now = clock.now
    world.repository._advance(world.repository.roles)  # the timestamp alone
    world.beat(client)
    assert client.target(V5, LINUX).size == 5
    clock.forward(hours=2)
    with pytest.raises(TrustError):
        client.target(V5, LINUX)
    clock.forward(hours=-6)
    # By the clock the role would be good for 5 hours more; the floor leaves it 1.
    assert client.target(V5, LINUX).size == 5
    assert client._floor.value == START + timedelta(hours=9)


@pytest.mark.parametrize("hours", [-23, -25, -8760])
def test_a_clock_below_the_last_refresh(world: World, hours: int) -> None:
    world.publish("v0.5.0")
    clock = Clock()
    world.beat(worker(world, clock))
    clock.forward(hours=hours)
    restarted = worker(world, clock)
    if hours > -24:
        world.beat(restarted)
        assert restarted.target(V5, LINUX).size == 5
        return
    with pytest.raises(TrustError) as refusal:
        world.beat(restarted)
    assert refusal.value.code == "clock-wrong"
    assert f"{clock.now:%Y-%m-%d}" in refusal.value.message
    # It knows all the same what is signed.
    assert current(restarted) == "v0.5.0"
    clock.now = START
    world.beat(restarted)
    assert restarted.target(V5, LINUX).size == 5


def test_a_clock_below_the_build(world: World) -> None:
    world.publish("v0.5.0")
    clock = Clock()
    pin = RootPin.of_fingerprint(world.repository.fingerprint)
    built_at = START + timedelta(days=2)
    client = TrustClient(world.state(), world.source, pin, clock, built_at=built_at)
    with pytest.raises(TrustError) as refusal:
        world.beat(client)
    assert refusal.value.code == "clock-wrong"
    assert f"{built_at:%Y-%m-%d}" in refusal.value.message


@pytest.mark.parametrize("hours", [1, 12, 23])
def test_a_clock_that_was_ahead_and_is_put_right(world: World, hours: int) -> None:
    """The farthest that a refresh can have been ahead shuts nobody out for longer than that."""
    world.publish("v0.5.0")
    clock = Clock()
    clock.forward(hours=hours)
    client = worker(world, clock)
    world.beat(client)
    clock.now = START
    for _ in range(hours + 1):
        clock.forward(hours=1)
        renewed(world, clock)
    world.beat(client)
    assert client.target(V5, LINUX).size == 5


def test_a_refresh_that_is_refused_leaves_the_floor(world: World) -> None:
    world.publish("v0.5.0")
    clock = Clock()
    client = worker(world, clock)
    clock.forward(days=400)
    with pytest.raises(TrustError):
        world.beat(client)
    clock.now = START
    world.beat(client)
    assert client.target(V5, LINUX).size == 5
