"""Fault 31: expired roles. The worker keeps what it has, installs nothing, and says which role."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gaia.errors import TrustError
from gaia.model.tag import Tag
from gaia.trust import roles
from support.trust import LINUX, World, current


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets", "gaia-worker"])
@pytest.mark.parametrize("known", [True, False])
def test_an_expired_role_is_named(
    world: World, role: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each role in turn has a life of three hours, with the server renewing nothing."""
    monkeypatch.setitem(roles._LIFETIMES, role, timedelta(hours=3))
    world.folder.joinpath("short").mkdir()
    world = World(world.folder / "short", world.clock)
    world.publish("v0.5.0")
    client = world.client()
    if known:
        world.beat(client)
    world.clock.forward(hours=4)
    with pytest.raises(TrustError) as refusal:
        world.beat(client)
    assert refusal.value.code == "metadata-expired"
    assert f"role {role} " in refusal.value.message
    assert current(client) == ("v0.5.0" if known else None)
    with pytest.raises(TrustError):
        client.target(Tag.parse("v0.5.0"), LINUX)


def test_renewed_in_time_nothing_ever_expires(world: World) -> None:
    """Two years of hourly renewal, a look every three days; the root by its operator."""
    world.publish("v0.5.0")
    client = world.client()
    for day in range(0, 730, 3):
        world.repository.renew()
        if day % 180 == 0:
            world.renew_root()
        world.beat(client)
        assert client.target(Tag.parse("v0.5.0"), LINUX).size == 5
        world.clock.forward(days=3)


def test_a_server_that_was_off_for_weeks(world: World) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    world.clock.forward(days=200)
    world.reopen()
    with pytest.raises(TrustError):
        world.beat(client)
    assert world.repository.renew()
    world.beat(client)
    assert current(client) == "v0.5.0"


def test_the_operator_is_told_when_each_role_expires(world: World) -> None:
    expiries = world.repository.expiries()
    left = {role: (at - world.clock.now).total_seconds() / 86400 for role, at in expiries.items()}
    assert left == {
        "root": 365,
        "targets": 365,
        "gaia-worker": 180,
        "snapshot": 30,
        "timestamp": 1,
    }
    assert [each.days for each in roles.ALARM_BEFORE] == [90, 30, 7]
