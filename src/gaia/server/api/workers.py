"""What workers call, heartbeats excepted: those are answered in `gaia.server.wire`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from gaia.model.artifact import worker_filename
from gaia.planning.latest import resolve
from gaia.protocol.worker import MAX_BODY, Register, Registered
from gaia.server.auth import Role
from gaia.server.catalogue import Catalogue
from gaia.server.endpoints import Call, Endpoint, json_answer, read_json
from gaia.server.fleet import Fleet

WORKERS = frozenset({Role.WORKER, Role.ADMIN})


@dataclass(frozen=True)
class Workers:
    """Registration, and the job queue that GAIA 0.4 workers still ask."""

    fleet: Fleet
    catalogue: Callable[[], Catalogue]

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

    async def next_job(self, call: Call) -> Response:  # noqa: ARG002
        """`GET /api/jobs/next/{worker_id}`."""
        return Response(status_code=204)
