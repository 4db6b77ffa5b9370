from __future__ import annotations

from datetime import UTC, datetime

from gaia.model.artifact import Artifact
from gaia.model.publication import Publication
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


def signed(*artifacts: Artifact) -> Publication:
    publication = Publication()
    for artifact in artifacts:
        publication = publication.with_artifact(TAG, artifact)
    return publication.placed(TAG, "stable")


def test_what_is_signed_no_more_was_withdrawn(database: Database) -> None:
    add(database, LINUX, WINDOWS)
    lower = Tag.parse("v0.4.0")
    published = signed(LINUX).with_artifact(lower, LINUX).placed(lower, "stable")
    with database.write() as connection:
        releases.mark(connection, published)
        assert [row.state for row in releases.rows(connection)] == [State.PUBLISHED, State.STORED]
        releases.mark(connection, published.without(TAG))
        assert {row.state for row in releases.rows(connection)} == {State.WITHDRAWN}
        assert releases.load(connection) == []


def test_what_is_stored_is_not_published(database: Database) -> None:
    add(database, LINUX)
    with database.read() as connection:
        assert releases.load(connection) == []
        stored = Stored(TAG, "stable", LINUX, State.STORED)
        assert releases.rows(connection) == [stored]
        assert releases.find(connection, TAG, LINUX.filename) == stored


def test_publishing_keeps_every_value(database: Database) -> None:
    add(database, WINDOWS, LINUX)
    with database.write() as connection:
        releases.mark(connection, signed(LINUX, WINDOWS))
        releases.set_notes(connection, TAG, "second")
    with database.read() as connection:
        assert {row.state for row in releases.rows(connection)} == {State.PUBLISHED}
        (release,) = releases.load(connection)
    assert (release.tag, release.channel, release.notes) == (TAG, "stable", "second")
    assert release.created_at == NOW
    assert release.artifacts == (LINUX, WINDOWS)


def test_removing_what_is_stored_spares_what_is_published(database: Database) -> None:
    add(database, LINUX)
    with database.write() as connection:
        releases.mark(connection, signed(LINUX))
        releases.add_artifact(connection, TAG, WINDOWS, now=NOW)
        releases.remove_unpublished(connection, TAG, WINDOWS.filename)
        releases.remove_unpublished(connection, TAG, LINUX.filename)
    with database.read() as connection:
        (release,) = releases.load(connection)
    assert release.artifacts == (LINUX,)


def test_an_empty_release_goes_with_its_last_file(database: Database) -> None:
    add(database, LINUX)
    with database.write() as connection:
        assert releases.channel_of(connection, TAG) == "stable"
        releases.remove_unpublished(connection, TAG, LINUX.filename)
        assert releases.channel_of(connection, TAG) is None
        assert releases.find(connection, TAG, LINUX.filename) is None
