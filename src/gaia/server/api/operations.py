"""For machines that watch: health, readiness, metrics, the description of all calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from starlette.responses import Response

from gaia import __version__
from gaia.server.auth import Role
from gaia.server.endpoints import ANY_ROLE, PUBLIC, Call, Endpoint, json_answer
from gaia.server.metrics import CONTENT_TYPE, Metrics
from gaia.server.store.database import Database

WATCHERS = frozenset({Role.VIEWER, Role.OPERATOR, Role.ADMIN})


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
