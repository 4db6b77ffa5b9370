"""Tokens: made, listed, revoked."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gaia.errors import InvalidInput, NotFound
from gaia.server.auth import Authenticator, Role, digest_of
from gaia.server.deeds import Author, Deed
from gaia.server.store import audit
from gaia.server.store import tokens as rows
from gaia.server.store.database import Database
from gaia.server.store.tokens import TokenRow

PREFIX = "gaia_"
"""Every token begins with it, so that scanners for leaked secrets know one when they see it."""

_MAX_NAME_LENGTH = 64


@dataclass
class Tokens:
    """Tokens in the database; every change reaches the authenticator before the call returns."""

    database: Database
    authenticator: Authenticator
    now: Callable[[], datetime]

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def load(self) -> None:
        """Tell the authenticator what the database holds."""
        with self._lock, self.database.read() as connection:
            self.authenticator.load(rows.load(connection))

    def create(self, name: str, role: str, by: Author) -> tuple[TokenRow, str]:
        """Make a token.

        Returns:
            Its row, and the secret, which is kept nowhere.

        Raises:
            InvalidInput: `invalid-token-name` or `invalid-role`.
        """
        if not 0 < len(name) <= _MAX_NAME_LENGTH or not name.isprintable():
            raise InvalidInput(
                "invalid-token-name",
                "A token needs a name of 1 to 64 printable characters.",
                hint="Name it after its user, such as ci or lab-3.",
            )
        if role not in frozenset(Role):
            raise InvalidInput(
                "invalid-role",
                f"There is no role {role[:40]!r}.",
                hint=f"Use one of {', '.join(Role)}.",
            )
        secret = PREFIX + secrets.token_urlsafe(32)
        row = TokenRow(
            id=secrets.token_hex(8),
            name=name,
            role=role,
            digest=digest_of(secret.encode()).hex(),
            created_at=self.now().isoformat(timespec="seconds"),
        )
        deed = Deed(by, "create-token", name, {"id": row.id, "role": role})
        with self.database.write() as connection:
            rows.add(connection, row)
            audit.append(connection, [deed.entry(self.now())])
        self.load()
        return row, secret

    def list(self) -> Sequence[TokenRow]:
        """All tokens, revoked ones too."""
        with self.database.read() as connection:
            return rows.load(connection)

    def revoke(self, token_id: str, by: Author) -> TokenRow:
        """Revoke a token; from now on it is refused everywhere.

        Raises:
            NotFound: `no-such-token`.
        """
        with self.database.write() as connection:
            row = rows.revoke(connection, token_id, now=self.now())
            if row is not None:
                deed = Deed(by, "revoke-token", row.name, {"id": row.id, "role": row.role})
                audit.append(connection, [deed.entry(self.now())])
        if row is None:
            raise NotFound(
                "no-such-token",
                f"There is no token {token_id[:40]!r}.",
                hint="gaia token list shows them all.",
            )
        self.load()
        return row
