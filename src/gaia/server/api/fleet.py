"""The fleet as operators see it."""

from __future__ import annotations

import time
from collections.abc import Callable, Set
from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from gaia.protocol.worker import Failure, Heartbeat, Outcome, Workload
from gaia.server.api.operations import WATCHERS
from gaia.server.catalogue import Catalogue
from gaia.server.endpoints import Call, Endpoint, json_answer
from gaia.server.fleet import Fleet, Worker
from gaia.server.metrics import UNKNOWN_STATE

_MISSED = 3
_SHORTEST_ABSENCE = 15.0


class WorkerEntry(msgspec.Struct):
    """Everything known of a worker: who it is, its last report, what failed, its alarm.

    Attributes:
        last_seen: Unix seconds.
        online: whether the last heartbeats came in time.
        heartbeats: counted since the first registration.
        failed: SHA-256 of executables that are not tried again there.
        outcomes: the last runs of the workload, oldest first.
        alarm: a trust failure in words; empty when all is well.
        alarm_at: Unix seconds.
        clock_skew: seconds that its clock is ahead of the server's; null when it does not say.
        withdrawn: it runs a release that was withdrawn from its channel.
    """

    id: str
    name: str
    machine: str
    platform: str
    version: str
    channel: str
    labels: dict[str, str]
    registered_at: str
    last_seen: float
    online: bool
    heartbeats: int
    state: str
    reason: str
    progress: float | None
    pid: int | None
    bundle: str | None
    target: str
    externally_managed: str
    workload: Workload | None
    outcomes: list[Outcome]
    failure: Failure | None
    failed: list[str]
    alarm: str
    alarm_at: float | None
    clock_skew: float | None
    withdrawn: bool


class WorkerList(msgspec.Struct):
    """All workers, by name."""

    workers: list[WorkerEntry]


@dataclass(frozen=True)
class FleetView:
    """Reads the fleet.

    Attributes:
        catalogue: what is published now.
        now: Unix seconds.
    """

    fleet: Fleet
    catalogue: Callable[[], Catalogue]
    now: Callable[[], float] = time.time

    def endpoints(self) -> list[Endpoint]:
        """What this offers."""
        return [
            Endpoint("GET", "/api/fleet", self.index, WATCHERS, "All workers.", answer=WorkerList),
            Endpoint(
                "GET",
                "/api/fleet/{worker_id}",
                self.show,
                WATCHERS,
                "Everything known of a worker.",
                answer=WorkerEntry,
            ),
        ]

    async def index(self, call: Call) -> Response:  # noqa: ARG002
        """`GET /api/fleet`."""
        return json_answer(WorkerList(self.entries()))

    async def show(self, call: Call) -> Response:
        """`GET /api/fleet/{worker_id}`."""
        worker = self.fleet.get(call.path("worker_id"))
        return json_answer(self._entry(worker, _withdrawn(self.catalogue())))

    def entries(self) -> list[WorkerEntry]:
        """All workers, by name."""
        withdrawn = _withdrawn(self.catalogue())
        entries = (self._entry(worker, withdrawn) for worker in self.fleet.all())
        return sorted(entries, key=lambda entry: (entry.name, entry.id))

    def _entry(self, worker: Worker, withdrawn: Set[tuple[str, str]]) -> WorkerEntry:
        report = worker.report or Heartbeat(worker.version, worker.platform, state=UNKNOWN_STATE)
        patience = max(_MISSED * report.interval, _SHORTEST_ABSENCE)
        return WorkerEntry(
            id=worker.id,
            name=worker.name,
            machine=worker.machine,
            platform=worker.platform,
            version=worker.version,
            channel=worker.channel,
            labels=worker.labels,
            registered_at=worker.registered_at,
            last_seen=worker.last_seen,
            online=self.now() - worker.last_seen <= patience,
            heartbeats=worker.heartbeats,
            state=report.state,
            reason=report.reason,
            progress=report.progress,
            pid=report.pid,
            bundle=report.bundle,
            target=report.target,
            externally_managed=report.externally_managed,
            workload=report.workload,
            outcomes=list(worker.outcomes),
            failure=worker.failure,
            failed=list(worker.failed),
            alarm=worker.alarm,
            alarm_at=worker.alarm_at,
            clock_skew=worker.clock_skew,
            withdrawn=(worker.channel, worker.version.removeprefix("v")) in withdrawn,
        )


def _withdrawn(catalogue: Catalogue) -> Set[tuple[str, str]]:
    """Channels with the versions that were withdrawn from them, without v."""
    return {
        (channel, str(tag.version))
        for channel, pointer in catalogue.pointers.items()
        for tag in pointer.withdrawn
    }
