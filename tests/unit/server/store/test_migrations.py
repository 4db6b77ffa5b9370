from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from gaia.errors import GaiaError, InvalidInput, Refused
from gaia.server.store.database import Database, migrations
from gaia.server.store.schema import metadata


def test_migrations_make_the_schema(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_down_and_up_again(database: Database) -> None:
    with database.engine.begin() as connection:
        command.downgrade(migrations(connection), "base")
    with database.engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    database.migrate()
    with database.engine.connect() as connection:
        assert set(metadata.tables) < set(inspect(connection).get_table_names())


def test_a_second_start_changes_nothing(database: Database) -> None:
    database.migrate()
    with database.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [
            ("0001",)
        ]


def test_a_database_of_a_newer_gaia_is_left_alone(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Refused) as refused:
        database.migrate()
    assert refused.value.code == "newer-database"


def test_commits_are_durable_and_readers_do_not_wait(database: Database) -> None:
    with database.read() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }


def test_other_databases_are_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        Database("postgresql://localhost/gaia")
    assert refused.value.code == "unsupported-database"


def test_something_else_than_a_database(tmp_path: Path) -> None:
    (tmp_path / "gaia.db").write_bytes(b"this is not a database" * 100)
    database = Database(f"sqlite:///{tmp_path / 'gaia.db'}")
    with pytest.raises(GaiaError) as refused:
        database.migrate()
    assert refused.value.code == "database-unavailable"
    database.close()


def test_a_failed_write_leaves_nothing(database: Database) -> None:
    def write_and_fail() -> None:
        with database.write() as connection:
            connection.execute(text("INSERT INTO releases VALUES ('v1.0.0', 'stable', '', '')"))
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        write_and_fail()
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM releases")).scalar_one() == 0
