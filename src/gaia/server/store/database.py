"""The database: connections, transactions, migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gaia.errors import GaiaError, InvalidInput, Refused

BUSY_TIMEOUT = 5.0
"""Seconds that a statement waits for another writer before it gives up."""

_MIGRATIONS = Path(__file__).with_name("migrations")
_NO_SPACE = ("SQLITE_FULL",)


class Database:
    """SQLite in WAL mode: readers never wait, writers queue up, what is committed survives."""

    def __init__(self, url: str) -> None:
        """Connect, without touching the schema.

        Args:
            url: `sqlite:///` and a path.

        Raises:
            InvalidInput: `unsupported-database`.
        """
        if not url.startswith("sqlite:///"):
            raise InvalidInput(
                "unsupported-database",
                "Only SQLite is supported as yet.",
                hint="Use --database sqlite:////absolute/path/gaia.db, or leave the option out.",
            )
        self.engine = _engine(url)

    def migrate(self) -> None:
        """Bring the schema to this version's.

        Raises:
            GaiaError: the database cannot be read or written, or a newer GAIA made it.
        """
        with self._translated(), self.engine.begin() as connection:
            known = {path.stem for path in (_MIGRATIONS / "versions").glob("[0-9]*.py")}
            present = _revision(connection)
            if present is not None and present not in known:
                raise Refused(
                    "newer-database",
                    f"The database was made by a newer GAIA (schema {present}).",
                    hint="Start that version, or restore the backup taken before the upgrade.",
                )
            command.upgrade(migrations(connection), "head")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view.

        Raises:
            Refused: `database-unavailable`.
        """
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed durably at the end of the block, or nothing happened.

        Raises:
            Refused: `database-unavailable` or `no-space`.
        """
        with self._translated(), self.engine.connect() as connection:
            connection.execution_options(gaia_begin="IMMEDIATE")
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if not isinstance(error.orig, sqlite3.OperationalError | sqlite3.DatabaseError):
                raise
            if isinstance(error.orig, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise
            raise _unavailable(error.orig) from error
        except PoolTimeout as error:
            raise _unavailable(error) from error


def migrations(connection: Connection) -> Config:
    """Alembic's configuration for migrating over `connection`."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT}, pool_timeout=BUSY_TIMEOUT)

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, record: object) -> None:  # noqa: ARG001
        # sqlite3 would begin transactions late and leave DDL outside; SQLAlchemy begins them.
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        mode = connection.get_execution_options().get("gaia_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def _revision(connection: Connection) -> str | None:
    found = connection.execute(
        text("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
    ).first()
    if found is None:
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])


def _unavailable(error: Exception) -> GaiaError:
    name = getattr(error, "sqlite_errorname", "")
    if name in _NO_SPACE:
        return Refused(
            "no-space",
            "There is no space left for the database; nothing was changed.",
            hint="Free some space on the server, then repeat the request.",
        )
    return Refused(
        "database-unavailable",
        f"The database cannot be used now ({error}); nothing was changed.",
        hint="Repeat the request in some seconds; if this stays, look at the server's data folder.",
    )
