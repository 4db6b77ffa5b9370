"""Queries for releases and their artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    delete,
    insert,
    select,
    update,
)

from gaia.model.artifact import Artifact
from gaia.model.publication import Publication
from gaia.model.release import Release
from gaia.model.tag import Tag
from gaia.server.store.schema import artifacts, releases


class State(StrEnum):
    """How far an artifact has come. Only what is signed is published."""

    STORED = "stored"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Stored:
    """An artifact's row, with its release's tag and channel."""

    tag: Tag
    channel: str
    artifact: Artifact
    state: State


def channel_of(connection: Connection, tag: Tag) -> str | None:
    """The channel that the release belongs to, None when there is no such release."""
    return connection.execute(
        select(releases.c.channel).where(releases.c.tag == str(tag))
    ).scalar_one_or_none()


def find(connection: Connection, tag: Tag, filename: str) -> Stored | None:
    """The artifact of that name, in whatever state."""
    row = connection.execute(_rows().where(_is(tag, filename))).mappings().first()
    return None if row is None else _stored(row)


def rows(connection: Connection) -> list[Stored]:
    """All artifacts, in the order in which they were uploaded."""
    query = _rows().order_by(artifacts.c.uploaded_at, artifacts.c.tag, artifacts.c.filename)
    return [_stored(row) for row in connection.execute(query).mappings()]


def add_release(
    connection: Connection, tag: Tag, *, channel: str, notes: str, now: datetime
) -> None:
    """Make an empty release."""
    connection.execute(
        insert(releases).values(
            tag=str(tag), channel=channel, notes=notes, created_at=now.isoformat()
        )
    )


def set_notes(connection: Connection, tag: Tag, notes: str) -> None:
    """Replace a release's notes."""
    connection.execute(update(releases).where(releases.c.tag == str(tag)).values(notes=notes))


def add_artifact(connection: Connection, tag: Tag, artifact: Artifact, *, now: datetime) -> None:
    """Add an artifact, not published yet."""
    connection.execute(
        insert(artifacts).values(
            tag=str(tag),
            filename=artifact.filename,
            size=artifact.size,
            sha256=artifact.sha256,
            state=State.STORED,
            uploaded_at=now.isoformat(),
        )
    )


def mark(connection: Connection, publication: Publication) -> None:
    """Bring all states into line with what is signed.

    What was published and is not signed any more was withdrawn.
    """
    for row in rows(connection):
        signed = publication.artifact(row.tag, row.artifact.filename)
        if signed is not None and signed.sha256 == row.artifact.sha256:
            state = State.PUBLISHED
        elif row.state is State.STORED and row.tag not in publication.withdrawn:
            state = State.STORED
        else:
            state = State.WITHDRAWN
        if state is not row.state:
            connection.execute(
                update(artifacts).where(_is(row.tag, row.artifact.filename)).values(state=state)
            )


def remove_unpublished(connection: Connection, tag: Tag, filename: str) -> None:
    """Remove an artifact that is not published, and its release when nothing else is in it."""
    connection.execute(
        delete(artifacts).where(_is(tag, filename), artifacts.c.state != State.PUBLISHED)
    )
    others = select(artifacts.c.tag).where(artifacts.c.tag == str(tag))
    connection.execute(delete(releases).where(releases.c.tag == str(tag), ~others.exists()))


def load(connection: Connection) -> list[Release]:
    """All releases with published artifacts, and just these artifacts."""
    query = (
        select(releases, artifacts)
        .join(artifacts, artifacts.c.tag == releases.c.tag)
        .where(artifacts.c.state == State.PUBLISHED)
        .order_by(releases.c.tag, artifacts.c.filename)
        .with_only_columns(releases, *(c for c in artifacts.c if c.name != "tag"))
    )
    grouped: dict[str, list[RowMapping]] = {}
    for row in connection.execute(query).mappings():
        grouped.setdefault(row["tag"], []).append(row)
    return [_release(rows) for rows in grouped.values()]


def _is(tag: Tag, filename: str) -> ColumnElement[bool]:
    return (artifacts.c.tag == str(tag)) & (artifacts.c.filename == filename)


def _rows() -> Select[tuple[Any, ...]]:
    return select(releases.c.channel, *artifacts.c).join(
        artifacts, artifacts.c.tag == releases.c.tag
    )


def _stored(row: RowMapping) -> Stored:
    return Stored(Tag.parse(row["tag"]), row["channel"], _artifact(row), State(row["state"]))


def _artifact(row: RowMapping) -> Artifact:
    return Artifact(row["filename"], row["size"], row["sha256"])


def _release(rows: list[RowMapping]) -> Release:
    first = rows[0]
    return Release(
        tag=Tag.parse(first["tag"]),
        created_at=datetime.fromisoformat(first["created_at"]),
        notes=first["notes"],
        channel=first["channel"],
        artifacts=tuple(_artifact(row) for row in rows),
    )
