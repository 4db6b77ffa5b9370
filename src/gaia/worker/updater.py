"""The updater: one `poll` that a main loop calls, and everything moves.

Each poll does one small step and returns. Slow work (metadata, downloads, unpacking) runs in one
background thread; whatever changes files that others use (swap, exec, workload) runs here.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event

import structlog

from gaia.errors import GaiaError, TransportError, TrustError
from gaia.model.directive import Action, Directive, Reason
from gaia.model.tag import Tag
from gaia.model.worker import FailureReason, WorkerState
from gaia.planning.directive import admit
from gaia.planning.probation import Evidence
from gaia.protocol.worker import Heartbeat, HeartbeatAnswer
from gaia.worker.background import Background
from gaia.worker.drainable import Drainable
from gaia.worker.metadata import Metadata
from gaia.worker.schedule import Schedule
from gaia.worker.session import Session
from gaia.worker.sync import ExperimentsSync
from gaia.worker.update import Update

log = structlog.get_logger()

TICK = 0.2
"""Seconds between polls: how soon an ended workload or download is noticed."""


@dataclass(frozen=True)
class Own:
    """What this worker is: fixed for the life of the process."""

    version: str
    platform: str
    channel: str
    pid: int
    auto_update: bool


class Updater:
    """Heartbeats, and acting on what they bring."""

    def __init__(
        self,
        own: Own,
        *,
        session: Session,
        schedule: Schedule,
        background: Background,
        metadata: Metadata,
        update: Update,
        sync: ExperimentsSync | None,
        workload: Drainable,
    ) -> None:
        self._own = own
        self._session = session
        self._schedule = schedule
        self._background = background
        self._metadata = metadata
        self._update = update
        self._sync = sync
        self._workload = workload
        self._decision = Directive(Action.STAY, Reason.NO_RELEASE)
        self._good_heartbeats = 0
        self._workload_started = False

    def run(self, stop: Event) -> None:
        """Poll until `stop` is set, then end the workload in good order."""
        while not stop.is_set():
            self.poll()
            stop.wait(min(TICK, max(0.0, self._schedule.remaining)))
        self._update.stopping()
        self._workload.request_stop()
        while not self._workload.stopped:
            self._workload.poll()
            Event().wait(TICK / 4)

    def poll(self) -> None:
        """One step. Never raises for what the server, the network or a release did."""
        self._update.alive()
        if self._schedule.remaining <= 0:
            self._beat()
        self._background.poll()
        self._workload.poll()
        self._settle()

    def _beat(self) -> None:
        heartbeat = self._heartbeat()
        try:
            answer = self._session.beat(heartbeat)
        except GaiaError as error:
            retry_after = error.retry_after if isinstance(error, TransportError) else None
            self._schedule.failed(retry_after)
            log.warning("heartbeat not answered", code=error.code, reason=str(error))
            if self._sync is not None:
                self._sync.give_up_for_now()
            return
        self._schedule.answered(answer.interval)
        if heartbeat.workload is not None:
            self._workload.confirm(len(heartbeat.workload.outcomes))
        if heartbeat.failure is not None:
            self._update.confirm_failure()
        self._good_heartbeats += 1
        self._update.judge(self._evidence())
        self._follow(answer)

    def _heartbeat(self) -> Heartbeat:
        update, sync = self._update, self._sync
        alarms = [self._metadata.alarm, update.alarm, "" if sync is None else sync.alarm]
        return Heartbeat(
            version=self._own.version,
            platform=self._own.platform,
            channel=self._own.channel,
            pid=self._own.pid,
            state=update.state,
            reason=self._decision.reason,
            target=update.target,
            progress=update.progress,
            bundle=None if sync is None else sync.digest,
            workload=self._workload.report(),
            failure=update.failure,
            alarm=" ".join(filter(None, alarms)),
            externally_managed=update.obstacle if self._own.auto_update else "",
        )

    def _evidence(self) -> Evidence:
        return Evidence(
            good_heartbeats=self._good_heartbeats,
            workload_running=self._workload.running,
            workload_ran_before=self._update.workload_ran_before,
            workload_exits=self._workload.exits,
        )

    def _follow(self, answer: HeartbeatAnswer) -> None:
        """Act on an answer, unless something is already under way."""
        if self._update.state is not WorkerState.IDLE or self._background.busy:
            return
        if not self._own.auto_update and self._sync is None:
            return
        self._metadata.follow(answer.tuf, lambda: self._act(answer))

    def _act(self, answer: HeartbeatAnswer) -> None:
        pointer = self._metadata.pointer()
        if self._own.auto_update:
            self._decide(answer)
            if self._decision.action is Action.UPDATE and self._offer():
                # One drain is better than two: the new version brings its bundle up to date
                # before it starts the workload.
                return
        if self._sync is not None:
            self._sync.follow(answer.experiments, pointer)
