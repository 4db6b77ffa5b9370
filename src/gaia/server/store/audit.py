"""Queries for the audit log: who did what, and who was turned away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from gaia.server.store.schema import audit

KEPT = 100_000
"""Entries. Older ones are removed, so that failures from outside cannot fill the disk."""


@dataclass(frozen=True)
class Entry:
    """One line of the log.

    Attributes:
        at: RFC 3339, UTC.
        actor: name of the token, or `-` for a stranger.
        action: kebab-case, such as `publish` or `sign-in-failed`.
        subject: what it was done to.
        client: the peer's address.
        id: position in the log; 0 until it is stored.
    """

    at: str
    actor: str
    action: str
    subject: str = ""
    client: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    id: int = 0


def append(connection: Connection, entries: Iterable[Entry]) -> None:
    """Add entries and remove the ones beyond `KEPT`."""
    rows = [
        {
            "at": entry.at,
            "actor": entry.actor[:128],
            "action": entry.action,
            "subject": entry.subject,
            "client": entry.client[:64],
            "detail": entry.detail,
        }
        for entry in entries
    ]
    if not rows:
        return
    connection.execute(insert(audit), rows)
    newest = connection.execute(select(func.max(audit.c.id))).scalar_one()
    connection.execute(delete(audit).where(audit.c.id <= newest - KEPT))


def latest(connection: Connection, limit: int) -> Sequence[Entry]:
    """The newest entries, newest first."""
    rows = connection.execute(select(audit).order_by(audit.c.id.desc()).limit(limit))
    return [Entry(**row) for row in rows.mappings()]
