"""Tokens and the audit log, for the admin."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from gaia.errors import InvalidInput
from gaia.server.auth import Role
from gaia.server.deeds import Author
from gaia.server.endpoints import Call, Endpoint, json_answer, read_json
from gaia.server.journal import Journal
from gaia.server.store.tokens import TokenRow
from gaia.server.tokens import Tokens

_ADMIN = frozenset({Role.ADMIN})
_MAX_BODY = 4096
_MAX_ENTRIES = 1000


class TokenRequest(msgspec.Struct):
    """A token that is wanted."""

    name: str
    role: str


class TokenEntry(msgspec.Struct):
    """A token, without its secret. `last_used` is in Unix seconds."""

    id: str
    name: str
    role: str
    created_at: str
    last_used: float | None
    revoked_at: str | None


class NewToken(TokenEntry):
    """A token just made: the only time that its secret is shown."""

    token: str = ""


class TokenList(msgspec.Struct):
    """All tokens, oldest first."""

    tokens: list[TokenEntry]


class AuditEntry(msgspec.Struct):
    """One line of the audit log."""

    id: int
    at: str
    actor: str
    action: str
    subject: str
    client: str
    detail: dict[str, Any]


class AuditLog(msgspec.Struct):
    """The newest entries, newest first."""

    entries: list[AuditEntry]


@dataclass(frozen=True)
class Administration:
    """What only the admin may do."""

    tokens: Tokens
    journal: Journal

    def endpoints(self) -> list[Endpoint]:
        """What this offers."""
        return [
            Endpoint("GET", "/api/tokens", self.index, _ADMIN, "All tokens.", answer=TokenList),
            Endpoint(
                "POST",
                "/api/tokens",
                self.create,
                _ADMIN,
                "Make a token; its secret is shown this once.",
                body=TokenRequest,
                answer=NewToken,
                status=201,
            ),
            Endpoint(
                "DELETE",
                "/api/tokens/{token_id}",
                self.revoke,
                _ADMIN,
                "Revoke a token, at once and for good.",
                answer=TokenEntry,
            ),
            Endpoint(
                "GET",
                "/api/audit",
                self.audit,
                _ADMIN,
                "Who did what, and who was turned away.",
                parameters={"limit": f"Entries, 1 to {_MAX_ENTRIES}; default 100."},
                answer=AuditLog,
            ),
        ]

    async def index(self, call: Call) -> Response:  # noqa: ARG002
        """`GET /api/tokens`."""
        rows = await asyncio.to_thread(self.tokens.list)
        return json_answer(TokenList([_entry(row) for row in rows]))

    async def create(self, call: Call) -> Response:
        """`POST /api/tokens`."""
        wanted = await read_json(call.request, TokenRequest, limit=_MAX_BODY)
        by = Author(call.by, call.client)
        row, secret = await asyncio.to_thread(self.tokens.create, wanted.name, wanted.role, by)
        entry = _entry(row)
        return json_answer(NewToken(**msgspec.structs.asdict(entry), token=secret), status=201)

    async def revoke(self, call: Call) -> Response:
        """`DELETE /api/tokens/{token_id}`."""
        by = Author(call.by, call.client)
        row = await asyncio.to_thread(self.tokens.revoke, call.path("token_id"), by)
        return json_answer(_entry(row))

    async def audit(self, call: Call) -> Response:
        """`GET /api/audit`."""
        text = call.query.get("limit", "100")
        if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= _MAX_ENTRIES:
            raise InvalidInput(
                "invalid-limit", f"limit is a number from 1 to {_MAX_ENTRIES}, not {text[:40]!r}."
            )
        entries = await asyncio.to_thread(self.journal.latest, int(text))
        return json_answer(
            AuditLog(
                [
                    AuditEntry(e.id, e.at, e.actor, e.action, e.subject, e.client, e.detail)
                    for e in entries
                ]
            )
        )


def _entry(row: TokenRow) -> TokenEntry:
    return TokenEntry(row.id, row.name, row.role, row.created_at, row.last_used, row.revoked_at)
