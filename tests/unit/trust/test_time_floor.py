"""The floor of time: kept, never lowered, and never a trap."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gaia.trust.time_floor import BEGINNING, FILENAME, TimeFloor
from support.trust import START, Clock, World


@pytest.fixture
def folder(world: World) -> Path:
    """The trust folder of a worker that has refreshed at `START`."""
    world.publish("v0.5.0")
    world.beat(world.client())
    return world.state()


def test_nothing_is_known_at_first(tmp_path: Path) -> None:
    assert TimeFloor(tmp_path / "none").value == BEGINNING
    assert TimeFloor(tmp_path / "none", START).value == START


def test_a_refresh_is_remembered(folder: Path) -> None:
    assert TimeFloor(folder).value == START
    assert TimeFloor(folder, START + timedelta(days=1)).value == START + timedelta(days=1)


def test_it_is_never_lowered(folder: Path) -> None:
    floor = TimeFloor(folder)
    floor.raise_to(START - timedelta(days=1))
    assert floor.value == TimeFloor(folder).value == START
    floor.raise_to(START + timedelta(hours=1))
    assert floor.value == TimeFloor(folder).value == START + timedelta(hours=1)


def test_it_is_written_once_a_refresh(world: World, clock: Clock) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    written = (world.state() / FILENAME).stat().st_mtime_ns
    for _ in range(5):
        clock.forward(minutes=5)
        world.beat(client)
    assert (world.state() / FILENAME).stat().st_mtime_ns == written
    clock.forward(hours=1)
    world.repository.renew()
    world.beat(client)
    assert TimeFloor(world.state()).value == clock.now


@pytest.mark.parametrize(
    "content",
    [b"", b"soon", b"\xff\xfe", b"1" * 40, b"99999999999999999", b"-99999999999999999", b"nan"],
)
def test_a_damaged_file_is_no_floor(folder: Path, content: bytes) -> None:
    (folder / FILENAME).write_bytes(content)
    assert TimeFloor(folder).value == BEGINNING


def in_ten_years() -> bytes:
    return f"{(START + timedelta(days=3650)).timestamp():.0f}".encode()


def test_a_time_that_no_refresh_can_have_been_is_damage(
    folder: Path, world: World, clock: Clock
) -> None:
    (folder / FILENAME).write_bytes(in_ten_years())
    assert TimeFloor(folder).value == BEGINNING
    client = world.client()
    world.beat(client)
    assert TimeFloor(folder).value == clock.now


def test_without_a_timestamp_there_was_no_refresh(folder: Path) -> None:
    (folder / "timestamp.json").write_text("{}")
    assert TimeFloor(folder).value == BEGINNING


def test_a_file_that_cannot_be_written_is_no_obstacle(folder: Path) -> None:
    (folder / FILENAME).unlink()
    (folder / FILENAME).mkdir()
    later: datetime = START + timedelta(hours=2)
    floor = TimeFloor(folder)
    floor.raise_to(later)
    assert floor.value == later
    assert TimeFloor(folder).value == BEGINNING
