"""The fleet's way to disk and back, over a real SQLite database."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from gaia.protocol.worker import Failure, Heartbeat, Outcome, Register, Workload
from gaia.server.fleet import Fleet
from gaia.server.flusher import Flusher
from gaia.server.store.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'gaia.db'}")
    database.migrate()
    yield database
    database.close()


def full_fleet() -> Fleet:
    fleet = Fleet()
    fleet.register(Register(name="fresh", labels={"room": 'ü"\\'}))
    worker_id = fleet.register(Register(name="busy", machine="m", channel="beta"))
    fleet.beat(
        worker_id,
        Heartbeat(
            "v0.5.0",
            "linux",
            pid=17,
            clock=1_000.0,
            alarm="clock is wrong",
            workload=Workload("running", outcomes=[Outcome(137, 1.5, 2.5, "drain")]),
            failure=Failure("v0.5.1", "ab" * 32, "exited", "gone", "tail\ntail", 3.0),
        ),
    )
    return fleet


def stored(database: Database) -> Fleet:
    fleet = Fleet()
    Flusher(fleet, database).load()
    return fleet


def test_everything_comes_back(database: Database) -> None:
    fleet = full_fleet()
    assert asyncio.run(Flusher(fleet, database).flush())
    by_id = {worker.id: worker for worker in fleet.all()}
    assert {worker.id: worker for worker in stored(database).all()} == by_id
    assert stored(database).take_dirty() == []


def test_a_second_write_replaces_the_first(database: Database) -> None:
    fleet = full_fleet()
    flusher = Flusher(fleet, database)
    asyncio.run(flusher.flush())
    worker_id = fleet.register(Register(name="busy", machine="m", channel="beta"))
    fleet.beat(worker_id, Heartbeat("v0.5.2", "linux"))
    asyncio.run(flusher.flush())
    again = stored(database)
    assert len(again) == 2
    worker = again.get(worker_id)
    assert (worker.version, worker.alarm, worker.alarm_at) == ("v0.5.2", "", None)
    assert worker.failed == ("ab" * 32,)


def test_more_than_one_batch(database: Database) -> None:
    fleet = Fleet()
    for number in range(1_201):
        fleet.register(Register(name=f"w{number}"))
    asyncio.run(Flusher(fleet, database).flush())
    assert len(stored(database)) == 1_201


def test_a_locked_database_loses_nothing(tmp_path: Path, database: Database) -> None:
    fleet = full_fleet()
    flusher = Flusher(fleet, database)
    with database.engine.connect() as connection:
        # Not five seconds: this test is about what happens then.
        connection.connection.driver_connection.execute("PRAGMA busy_timeout = 10")  # type: ignore[union-attr]
    locker = sqlite3.connect(tmp_path / "gaia.db", isolation_level=None)
    try:
        locker.execute("BEGIN IMMEDIATE")
        assert not asyncio.run(flusher.flush())
        assert not asyncio.run(flusher.flush())
    finally:
        locker.close()
    assert asyncio.run(flusher.flush())
    assert len(stored(database)) == 2


def test_a_missing_table_loses_nothing(database: Database) -> None:
    fleet = full_fleet()
    flusher = Flusher(fleet, database)
    with database.write() as connection:
        connection.execute(text("ALTER TABLE workers RENAME TO hidden"))
    assert not asyncio.run(flusher.flush())
    with database.write() as connection:
        connection.execute(text("ALTER TABLE hidden RENAME TO workers"))
    assert asyncio.run(flusher.flush())
    assert len(stored(database)) == 2


def test_the_rest_is_written_at_the_end(database: Database) -> None:
    fleet = Fleet()

    async def live() -> None:
        flusher = Flusher(fleet, database, interval=3600)
        running = asyncio.ensure_future(flusher.run())
        fleet.register(Register(name="last"))
        flusher.stop()
        await running

    asyncio.run(live())
    assert [worker.name for worker in stored(database).all()] == ["last"]


def test_it_writes_while_it_runs(database: Database) -> None:
    fleet = full_fleet()

    async def live() -> None:
        flusher = Flusher(fleet, database, interval=0.01)
        running = asyncio.ensure_future(flusher.run())
        while len(await asyncio.to_thread(stored, database)) < 2:
            pass
        flusher.stop()
        await running

    asyncio.run(live())


def test_a_report_of_another_version_is_no_obstacle(database: Database) -> None:
    fleet = full_fleet()
    asyncio.run(Flusher(fleet, database).flush())
    with database.write() as connection:
        connection.execute(text("""UPDATE workers SET report = '{"heartbeat": "new form"}'"""))
    assert {worker.name for worker in stored(database).all()} == {"fresh", "busy"}
