from __future__ import annotations

from datetime import UTC, datetime

from gaia.model.artifact import Artifact
from gaia.model.tag import Tag
from gaia.server.store import releases
from gaia.server.store.database import Database
from gaia.server.store.releases import State, Stored

NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, UTC)
TAG = Tag.parse("v0.5.0")
LINUX = Artifact("gaia-worker-linux", 3, "a" * 64)
WINDOWS = Artifact("gaia-worker-windows.exe", 4, "b" * 64)


def add(database: Database, *artifacts: Artifact) -> None:
    with database.write() as connection:
        releases.add_release(connection, TAG, channel="stable", notes="first", now=NOW)
        for artifact in artifacts:
            releases.add_artifact(connection, TAG, artifact, now=NOW)


def test_what_is_stored_is_not_published(database: Database) -> None:
    add(database, LINUX)
    with database.read() as connection:
        assert releases.load(connection) == []
        assert releases.stored(connection) == [(TAG, LINUX)]
        assert releases.find(connection, TAG, LINUX.filename) == Stored(LINUX, State.STORED)


def test_publishing_keeps_every_value(database: Database) -> None:
    add(database, WINDOWS, LINUX)
    with database.write() as connection:
        releases.publish_all(connection)
        releases.set_notes(connection, TAG, "second")
    with database.read() as connection:
        assert releases.stored(connection) == []
        (release,) = releases.load(connection)
    assert (release.tag, release.channel, release.notes) == (TAG, "stable", "second")
    assert release.created_at == NOW
    assert release.artifacts == (LINUX, WINDOWS)


def test_removing_what_is_stored_spares_what_is_published(database: Database) -> None:
    add(database, LINUX)
    with database.write() as connection:
        releases.publish_all(connection)
        releases.add_artifact(connection, TAG, WINDOWS, now=NOW)
        releases.remove_stored(connection, TAG, WINDOWS.filename)
        releases.remove_stored(connection, TAG, LINUX.filename)
    with database.read() as connection:
        (release,) = releases.load(connection)
    assert release.artifacts == (LINUX,)


def test_an_empty_release_goes_with_its_last_file(database: Database) -> None:
    add(database, LINUX)
    with database.write() as connection:
        assert releases.channel_of(connection, TAG) == "stable"
        releases.remove_stored(connection, TAG, LINUX.filename)
        assert releases.channel_of(connection, TAG) is None
        assert releases.find(connection, TAG, LINUX.filename) is None
