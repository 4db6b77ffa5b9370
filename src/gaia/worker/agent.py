"""The agent: one `poll` that a main loop calls, and everything moves.

Each poll does one small step and returns. Slow work (metadata, downloads, unpacking) runs in one
background thread; whatever changes files that others use (swap, exec, workload) runs here.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from gaia.errors import GaiaError, TransportError, TrustError
from gaia.model.artifact import Artifact, worker_filename
from gaia.model.directive import Action, Directive, Reason
from gaia.model.tag import Tag
from gaia.model.worker import FailureReason, WorkerState
from gaia.planning.directive import admit, may_return, stranded
from gaia.planning.probation import Evidence
from gaia.protocol.worker import DirectiveMessage, Heartbeat, HeartbeatAnswer
from gaia.worker.background import Background
from gaia.worker.download import download
from gaia.worker.journal import Target
from gaia.worker.metadata import Metadata
from gaia.worker.schedule import Schedule
from gaia.worker.session import Session
from gaia.worker.sync import ExperimentsSync
from gaia.worker.transport import Transport
from gaia.worker.update import Update
from gaia.worker.workload import Workload

log = structlog.get_logger()

TICK = 0.2
"""Seconds between polls: how soon an ended workload is noticed."""

BRISK = 0.05
"""Seconds between polls while the workload is stopping: its downtime has begun."""

PATIENCE_AT_END = 2.0
"""Seconds that a download or a self-check gets to notice that it was cancelled."""


@dataclass(frozen=True)
class Own:
    """What this worker is, and what its owner allows: fixed for the life of the process."""

    version: str
    platform: str
    channel: str
    auto_update: bool


class Agent:
    """Heartbeats, and acting on what they bring."""

    def __init__(
        self,
        own: Own,
        *,
        session: Session,
        transport: Transport,
        schedule: Schedule,
        background: Background,
        metadata: Metadata,
        update: Update,
        sync: ExperimentsSync | None,
        workload: Workload,
    ) -> None:
        self._own = own
        self._session = session
        self._transport = transport
        self._schedule = schedule
        self._background = background
        self._metadata = metadata
        self._update = update
        self._sync = sync
        self._workload = workload
        self._reason = Reason.NO_RELEASE
        self._alarm = ""
        self._good_heartbeats = 0
        self._workload_started = False
        self._workload_ran = False
        self._draining = False

    def run(self, stop: threading.Event) -> None:
        """Poll until `stop` is set, then end the workload in good order."""
        self.begin(stop)
        while not stop.is_set():
            self.poll()
            self._pause(stop)
        self.stopping()
        self.close()

    def _pause(self, stop: threading.Event) -> None:
        seconds = min(TICK, max(0.0, self._schedule.remaining))
        if self._background.busy:
            self._background.wait(seconds)
        else:
            stop.wait(min(BRISK, seconds) if self._draining else seconds)

    def begin(self, stop: threading.Event) -> None:
        """A workload that a killed worker left behind must not see files move under it."""
        self._see_workload_stopped(stop)
        if self._sync is not None and not stop.is_set():
            self._sync.recover()

    def stopping(self) -> None:
        """This process was told to end: that is not to be held against the release it runs."""
        self._update.stopping()

    def close(self) -> None:
        """End the workload and what is under way, and let go of the server and the executable."""
        self._update.cancel()
        self._workload.stop_now()
        self._see_workload_stopped(threading.Event())
        if self._background.wait(PATIENCE_AT_END):
            self._update.release()
        self._transport.close()

    def _see_workload_stopped(self, stop: threading.Event) -> None:
        while not (self._workload.stopped or stop.is_set()):
            self._update.alive()
            self._workload.poll()
            stop.wait(BRISK)

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
            self._schedule.failed(error.retry_after if isinstance(error, TransportError) else None)
            log.warning("heartbeat not answered", code=error.code, reason=str(error))
            if self._sync is not None:
                self._sync.work_with_what_is_there()
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
        self._note_alarm()
        alarms = (
            self._metadata.alarm,
            self._alarm,
            stranded(self._own.version, self._reason),
            update.alarm,
            sync.alarm if sync else "",
        )
        return Heartbeat(
            version=self._own.version,
            platform=self._own.platform,
            channel=self._own.channel,
            pid=os.getpid(),
            state=update.state,
            reason=self._reason,
            target=update.target,
            progress=update.progress,
            bundle=None if sync is None else sync.digest,
            workload=self._workload.report(),
            failure=update.failure,
            interval=self._schedule.interval,
            alarm=" ".join(filter(None, alarms)),
            externally_managed=update.obstacle if self._own.auto_update else "",
            clock=time.time(),
        )

    def _note_alarm(self) -> None:
        """What is not what was signed stays an alarm until something verified comes along."""
        failure = self._update.failure
        if failure is not None and failure.reason == FailureReason.TRUST:
            self._alarm = failure.detail
        elif self._update.state in (WorkerState.VERIFIED, WorkerState.DRAINING):
            self._alarm = ""

    def _evidence(self) -> Evidence:
        return Evidence(
            good_heartbeats=self._good_heartbeats,
            workload_running=self._workload.running,
            workload_ran_before=self._update.workload_ran_before,
            workload_exits=self._workload.exits,
            follows_server=self._metadata.verified or not self._own.auto_update,
        )

    def _follow(self, answer: HeartbeatAnswer) -> None:
        """Act on an answer, unless something is under way already."""
        if self._background.busy or self._draining:
            return
        if self._own.auto_update or self._sync is not None:
            self._metadata.follow(answer.tuf, lambda: self._act(answer))

    def _act(self, answer: HeartbeatAnswer) -> None:
        if self._sync is not None and self._sync.digest is None:
            # Nothing to work with yet: the bundle is small, the update can wait for it.
            self._sync.follow(answer.experiments, self._metadata)
            if self._background.busy:
                return
        if self._offered(answer.directive):
            # One drain is better than two: the new version brings the bundle up to date before it
            # starts the workload. Until then the old one works with what is in place.
            if self._sync is not None:
                self._sync.work_with_what_is_there()
            return
        if self._sync is not None:
            self._sync.follow(answer.experiments, self._metadata)

    def _offered(self, message: DirectiveMessage) -> bool:
        """Whether an update has begun."""
        decision = self._decide(message)
        self._reason = decision.reason
        rescue = self._update.rescue
        tag = decision.tag
        if rescue is not None and may_return(rescue.tag, self._metadata.pointer()):
            tag = rescue.tag
        if tag is None:
            return False
        try:
            artifact = self._metadata.target(Tag.parse(tag), worker_filename(self._own.platform))
        except TrustError as error:
            self._alarm = str(error)
            return False
        return self._update.offer(
            Target(tag, artifact.sha256, artifact.size),
            partial(self._fetch, f"/releases/{tag}/{artifact.filename}", artifact),
        )

    def _decide(self, message: DirectiveMessage) -> Directive:
        if not self._own.auto_update:
            return Directive(Action.STAY, Reason.UPDATES_OFF)
        if self._update.obstacle:
            return Directive(Action.STAY, Reason.EXTERNALLY_MANAGED)
        try:
            told = Directive(
                Action(message.action),
                Reason(message.reason),
                message.tag,
                message.filename,
                message.sha256,
            )
        except ValueError:
            # A newer server knows more words; what they ask for is not ours to guess.
            return Directive(Action.STAY, Reason.UP_TO_DATE)
        return admit(
            told,
            version=self._own.version,
            platform=self._own.platform,
            pointer=self._metadata.pointer(),
            failed=self._update.failed_digests,
        )

    def _settle(self) -> None:
        """Drain for what is ready, put it in place, and see that the workload runs."""
        ready = self._update.state is WorkerState.DRAINING
        staged = self._sync is not None and self._sync.staged
        if not (ready or staged):
            self._start_workload()
            return
        if not self._draining:
            self._draining = True
            self._workload_ran = self._workload.running
            self._workload.request_stop()
        if not self._workload.stopped or self._background.busy:
            return
        if self._sync is not None and staged:
            self._sync.swap()
        if ready:
            self._update.swap_and_exec(workload_ran=self._workload_ran)
        self._draining = False
        if staged:
            self._workload.start()
        elif self._workload_started:
            self._workload.resume()
        self._workload_started |= staged

    def _start_workload(self) -> None:
        if not self._workload_started and (self._sync is None or self._sync.settled):
            self._workload_started = True
            self._workload.start()

    def _fetch(
        self,
        path: str,
        artifact: Artifact,
        destination: Path,
        tell: Callable[[int], None],
        cancelled: threading.Event,
    ) -> None:
        download(
            self._transport,
            path,
            destination,
            artifact,
            lambda share: tell(int(share * artifact.size)),
            cancelled.is_set,
        )
