"""Fault 30: a clock that is wrong by hours or years. It is said; only new installs are refused."""

from __future__ import annotations

import pytest

from gaia.errors import TrustError
from gaia.model.tag import Tag
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
