"""What a parcel has to be, compared with what is known."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from gaia.errors import GaiaError
from gaia.trust.operator.continuity import check_continues, check_fresh
from support.trust import START, Clock, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "world", Clock())
    world.publish("v0.5.0")
    return world


@pytest.fixture
def twin(world: World, tmp_path: Path) -> World:
    """A copy with the same keys: what a thief of them could go on with."""
    shutil.copytree(world.folder, tmp_path / "twin")
    return World(tmp_path / "twin", Clock(world.clock.now))


def refusal(parcel: World, known: World) -> GaiaError:
    with pytest.raises(GaiaError) as refusal:
        check_continues(parcel.repository.roles, known.repository.roles, "the server")
    return refusal.value


def test_the_same_and_the_newer_continue(world: World, twin: World) -> None:
    check_continues(twin.repository.roles, world.repository.roles, "the server")
    twin.publish("v0.5.0", "v0.6.0")
    twin.renew_root()
    check_continues(twin.repository.roles, world.repository.roles, "the server")
    older = refusal(world, twin)
    assert older.code == "parcel-older"
    assert "root 1 instead of 2" in older.message


def test_partly_newer_is_older(world: World, twin: World) -> None:
    world.renew_root()
    twin.publish("v0.5.0", "v0.6.0")
    assert refusal(world, twin).code == refusal(twin, world).code == "parcel-older"


def test_the_same_version_with_another_content(world: World, twin: World) -> None:
    world.publish("v0.5.0", "v0.6.0")
    twin.publish("v0.5.0", "v6.6.6")
    forked = refusal(twin, world)
    assert forked.code == "parcel-forked"
    assert "gaia-worker" in forked.message


def test_another_root_and_another_chain_of_roots(world: World, twin: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other", Clock())
    assert refusal(other, world).code == "parcel-other-root"
    world.renew_root()
    twin.clock.forward(days=1)
    twin.renew_root()
    assert refusal(twin, world).code == "parcel-other-root"


@pytest.mark.parametrize(("days", "role"), [(181, "release"), (366, "root")])
def test_each_role_counts_until_it_expires(world: World, days: int, role: str) -> None:
    check_fresh(world.repository.roles, START + timedelta(days=179))
    with pytest.raises(GaiaError) as expired:
        check_fresh(world.repository.roles, START + timedelta(days=days))
    assert expired.value.code == "role-expired"
    assert f"gaia trust renew {role}" in expired.value.hint
