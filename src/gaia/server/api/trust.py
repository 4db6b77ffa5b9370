"""Trust: the signed metadata as served, its state, and bundles that change it."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from gaia.errors import NotFound
from gaia.protocol.trust import (
    Accepted,
    OnlineKey,
    PendingFile,
    RoleEntry,
    SignedFiles,
    TrustStatus,
)
from gaia.server.auth import Role
from gaia.server.deeds import Author
from gaia.server.endpoints import ANY_ROLE, Call, Endpoint, json_answer, read_body
from gaia.server.ledger import Ledger
from gaia.server.stewardship import Steward
from gaia.trust.bundle import MAX_SIZE, Bundle
from gaia.trust.expiry import warning
from gaia.trust.repository import Repository

_READERS = ANY_ROLE - {Role.WORKER}
_SIGNERS = frozenset({Role.PUBLISHER, Role.ADMIN})

_TUF_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\.json")
_VERSIONED = re.compile(r"\d+\..*")


@dataclass(frozen=True)
class Trust:
    """The trust repository.

    Attributes:
        now: the time, in UTC.
    """

    repository: Repository
    ledger: Ledger
    steward: Steward
    now: Callable[[], datetime]

    def endpoints(self) -> list[Endpoint]:
        """What this offers."""
        return [
            Endpoint(
                "GET",
                "/tuf/{name}",
                self.read,
                ANY_ROLE,
                "Signed metadata: timestamp.json, or N.ROLE.json.",
                answer="application/json",
            ),
            Endpoint(
                "GET",
                "/api/trust",
                self.status,
                _READERS,
                "Mode, roles with their keys and expiry, files that wait for signatures.",
                answer=TrustStatus,
            ),
            Endpoint(
                "GET",
                "/api/tuf/bundle",
                self.signed_files,
                _READERS,
                "Every root, and the newest of all other roles that operators sign.",
                answer=SignedFiles,
            ),
            Endpoint(
                "PUT",
                "/api/tuf/bundle",
                self.accept,
                _SIGNERS,
                "Put newly signed roles in place: all of them, or none.",
                body="application/json",
                answer=Accepted,
            ),
            Endpoint(
                "POST",
                "/api/trust/renew",
                self.renew,
                _SIGNERS,
                "Sign again all that the server holds the keys of.",
                answer=TrustStatus,
            ),
            Endpoint(
                "POST",
                "/api/trust/online-key",
                self.make_online_key,
                frozenset({Role.ADMIN}),
                "Make another key for snapshot and timestamp, for the root to name.",
                answer=TrustStatus,
            ),
        ]

    async def read(self, call: Call) -> Response:
        """`GET /tuf/{name}`: a numbered file never changes, so it may be kept for ever."""
        name = call.path("name")
        content = None
        if _TUF_NAME.fullmatch(name):
            content = await asyncio.to_thread(self.repository.read, name)
        if content is None:
            raise NotFound("no-such-metadata", f"There is no signed metadata {name[:80]!r}.")
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        numbered = _VERSIONED.fullmatch(name)
        headers = {
            "etag": etag,
            "cache-control": "private, max-age=31536000, immutable" if numbered else "no-cache",
        }
        if etag in (
            part.strip() for part in call.request.headers.get("if-none-match", "").split(",")
        ):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type="application/json", headers=headers)

    async def status(self, call: Call) -> Response:  # noqa: ARG002
        """`GET /api/trust`."""
        return json_answer(await asyncio.to_thread(self._status))

    async def signed_files(self, call: Call) -> Response:  # noqa: ARG002
        """`GET /api/tuf/bundle`."""
        files = self.repository.roles.files()
        return json_answer(SignedFiles({name: data.decode() for name, data in files.items()}))

    async def accept(self, call: Call) -> Response:
        """`PUT /api/tuf/bundle`."""
        body = await read_body(call.request, limit=MAX_SIZE)

        def accept() -> Accepted:
            self.steward.accept_bundle(Bundle.parse(body), Author(call.by, call.client))
            return Accepted("ok", dict(self.repository.versions()))

        return json_answer(await asyncio.to_thread(accept))

    async def renew(self, call: Call) -> Response:
        """`POST /api/trust/renew`."""
        await asyncio.to_thread(self.steward.sign_all_anew, Author(call.by, call.client))
        return await self.status(call)

    async def make_online_key(self, call: Call) -> Response:
        """`POST /api/trust/online-key`."""
        await asyncio.to_thread(self.steward.make_online_key, Author(call.by, call.client))
        return await self.status(call)

    def _status(self) -> TrustStatus:
        repository = self.repository
        return TrustStatus(
            mode=repository.mode,
            fingerprint=repository.fingerprint,
            roles=self._roles(),
            online_keys=[
                OnlineKey(keyid, key.keyval["public"], trusted)
                for keyid, (key, trusted) in repository.online_keys().items()
            ],
            pending=[
                PendingFile(
                    str(row.tag),
                    row.artifact.filename,
                    row.artifact.size,
                    row.artifact.sha256,
                    row.channel,
                )
                for row in self.ledger.catalogue().pending
            ],
        )

    def _roles(self) -> list[RoleEntry]:
        now, roles = self.now(), self.repository.roles
        versions = self.repository.versions()
        return [
            RoleEntry(
                name=role,
                version=versions[role],
                expires=at.isoformat(timespec="seconds").replace("+00:00", "Z"),
                days_left=(at - now) / timedelta(days=1),
                threshold=roles.threshold(role),
                keyids=sorted(roles.keys(role)),
                warning=warning(role, at, now) or "",
            )
            for role, at in self.repository.expiries().items()
        ]
