"""What workers call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from gaia.model.artifact import worker_filename
from gaia.planning.latest import resolve
from gaia.protocol.worker import MAX_BODY, Heartbeat, HeartbeatAnswer, Register, Registered
from gaia.server.auth import Role
from gaia.server.catalogue import Catalogue
from gaia.server.endpoints import Call, Endpoint, json_answer, read_body, read_json
from gaia.server.fleet import Fleet
from gaia.server.heartbeat import HeartbeatService

WORKERS = frozenset({Role.WORKER, Role.ADMIN})


@dataclass(frozen=True)
class Workers:
    """Registration, heartbeats, and the job queue that GAIA 0.4 workers still ask."""

    fleet: Fleet
    catalogue: Callable[[], Catalogue]
    heartbeats: HeartbeatService

    def endpoints(self) -> list[Endpoint]:
        """What this offers."""
        return [
            Endpoint(
                "POST",
                "/api/workers/register",
                self.register,
                WORKERS,
                "A worker introduces itself; same name and machine: same ID.",
                body=Register,
                answer=Registered,
            ),
            Endpoint(
                "POST",
                "/api/workers/heartbeat/{worker_id}",
                self.heartbeat,
                WORKERS,
                "A worker reports, and is told what to do.",
                body=Heartbeat,
                answer=HeartbeatAnswer,
            ),
            Endpoint(
                "GET",
                "/api/workers/heartbeat/{worker_id}",
                self.legacy_heartbeat,
                WORKERS,
                "The same for GAIA 0.4 workers, which report nothing.",
                answer=HeartbeatAnswer,
            ),
            Endpoint(
                "GET",
                "/api/jobs/next/{worker_id}",
                self.next_job,
                WORKERS,
                "For GAIA 0.4 workers: there is no job.",
                status=204,
            ),
        ]

    async def register(self, call: Call) -> Response:
        """`POST /api/workers/register`."""
        introduction = await read_json(call.request, Register, limit=MAX_BODY)
        worker_id = self.fleet.register(introduction)
        worker = self.fleet.get(worker_id)
        pointer = self.catalogue().pointers.get(worker.channel)
        latest = None if pointer is None else resolve(pointer, worker_filename(worker.platform))
        return json_answer(
            Registered(worker_id, latest_version=None if latest is None else str(latest))
        )

    async def heartbeat(self, call: Call) -> Response:
        """`POST /api/workers/heartbeat/{worker_id}`, should it come to the application.

        `gaia.server.wire` answers those that are written in the usual way.
        """
        body = await read_body(call.request, limit=MAX_BODY)
        return Response(
            self.heartbeats.answer(call.path("worker_id"), body), media_type="application/json"
        )

    async def legacy_heartbeat(self, call: Call) -> Response:
        """`GET /api/workers/heartbeat/{worker_id}`, likewise."""
        return Response(
            self.heartbeats.legacy(call.path("worker_id")), media_type="application/json"
        )

    async def next_job(self, call: Call) -> Response:  # noqa: ARG002
        """`GET /api/jobs/next/{worker_id}`."""
        return Response(status_code=204)
