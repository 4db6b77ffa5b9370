"""For machines that watch: health, readiness, metrics, the description of all calls; and TUF."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from starlette.responses import Response

from gaia import __version__
from gaia.errors import NotFound
from gaia.server.auth import Role
from gaia.server.endpoints import ANY_ROLE, PUBLIC, Call, Endpoint, json_answer
from gaia.server.metrics import CONTENT_TYPE, Metrics
from gaia.server.store.database import Database
from gaia.trust.repository import Repository

WATCHERS = frozenset({Role.VIEWER, Role.OPERATOR, Role.ADMIN})

_TUF_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\.json")
_VERSIONED = re.compile(r"\d+\..*")


@dataclass(frozen=True)
class Operations:
    """Health and metrics.

    Attributes:
        describe: makes the OpenAPI document.
    """

    database: Database
    metrics: Metrics
    describe: Callable[[], dict[str, Any]]

    def endpoints(self) -> list[Endpoint]:
        """What this offers."""
        return [
            Endpoint("GET", "/healthz", self.health, PUBLIC, "The process answers."),
            Endpoint("GET", "/readyz", self.ready, PUBLIC, "The database answers, too."),
            Endpoint(
                "GET",
                "/metrics",
                self.show_metrics,
                WATCHERS,
                "Metrics in Prometheus's text format.",
                answer="text/plain",
            ),
            Endpoint("GET", "/openapi.json", self.openapi, ANY_ROLE, "This document."),
        ]

    async def health(self, call: Call) -> Response:  # noqa: ARG002
        """`GET /healthz`."""
        return json_answer({"status": "ok", "version": __version__})

    async def ready(self, call: Call) -> Response:  # noqa: ARG002
        """`GET /readyz`."""

        def ask() -> None:
            with self.database.read() as connection:
                connection.execute(text("SELECT count(*) FROM releases"))

        await asyncio.to_thread(ask)
        return json_answer({"status": "ok"})

    async def show_metrics(self, call: Call) -> Response:  # noqa: ARG002
        """`GET /metrics`."""
        return Response(self.metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def openapi(self, call: Call) -> Response:  # noqa: ARG002
        """`GET /openapi.json`."""
        return json_answer(self.describe())


@dataclass(frozen=True)
class Tuf:
    """The trust repository, read only."""

    repository: Repository

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
            )
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
