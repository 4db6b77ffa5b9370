"""Queries for tokens. Of a token only its SHA-256 is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from gaia.server.store.schema import tokens


@dataclass(frozen=True)
class TokenRow:
    """A token as the operator sees it.

    Attributes:
        digest: SHA-256 of the token, hexadecimal.
        created_at: RFC 3339, UTC.
        last_used: Unix seconds, to within some seconds; None when never used.
        revoked_at: RFC 3339, UTC; None while it is valid.
    """

    id: str
    name: str
    role: str
    digest: str
    created_at: str
    last_used: float | None = None
    revoked_at: str | None = None


def add(connection: Connection, token: TokenRow) -> None:
    """Add a token."""
    connection.execute(
        insert(tokens).values(
            id=token.id,
            name=token.name,
            role=token.role,
            digest=token.digest,
            created_at=token.created_at,
        )
    )


def load(connection: Connection) -> Sequence[TokenRow]:
    """All tokens, revoked ones too, oldest first."""
    rows = connection.execute(select(tokens).order_by(tokens.c.created_at, tokens.c.id))
    return [TokenRow(**row) for row in rows.mappings()]


def revoke(connection: Connection, token_id: str, *, now: datetime) -> TokenRow | None:
    """Revoke a token for good; None when there is no such token."""
    connection.execute(
        update(tokens)
        .where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
        .values(revoked_at=now.isoformat(timespec="seconds"))
    )
    row = connection.execute(select(tokens).where(tokens.c.id == token_id)).mappings().first()
    return None if row is None else TokenRow(**row)


def save_last_used(connection: Connection, seen: Mapping[str, float]) -> None:
    """Note when tokens were last used: ID to Unix seconds."""
    for token_id, at in seen.items():
        connection.execute(update(tokens).where(tokens.c.id == token_id).values(last_used=at))
