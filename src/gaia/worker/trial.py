"""The new version's side of an update: recovery at its start, probation, commit or revert."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gaia.errors import InstallError
from gaia.model.worker import FailureReason, WorkerState
from gaia.planning.probation import Evidence, Verdict, judge
from gaia.planning.update import Event, route
from gaia.protocol.worker import Failure
from gaia.worker import preflight, watch
from gaia.worker.console import Console
from gaia.worker.durable import digest_of
from gaia.worker.journal import Journal
from gaia.worker.probation import Marker, Probation
from gaia.worker.recovery import Facts, Finding, diagnose
from gaia.worker.relaunch import Launch, close_on_exec, signals_held
from gaia.worker.staging import told
from gaia.worker.watch import Watch

if sys.platform == "win32":
    from gaia.worker import front as guard
    from gaia.worker.installation_windows import WindowsInstallation as Installation
else:
    from gaia.worker import guard
    from gaia.worker.installation import Installation

log = structlog.get_logger()


@dataclass(frozen=True)
class Policy:
    """How an update is judged. Durations in seconds.

    Attributes:
        heartbeats_needed: answered heartbeats until the commit.
        silence_allowed: without a sign of life, until a release is taken back.
        restart_grace: for a service manager to start the old version before the guard does.
        preflight_deadline: for the self-check.
    """

    heartbeats_needed: int = 3
    silence_allowed: float = watch.SILENCE_ALLOWED
    restart_grace: float = watch.RESTART_GRACE
    preflight_deadline: float = preflight.DEADLINE


class Site:
    """The place of an update: one installed executable, and the process that was started of it.

    Args:
        managed: why the executable is someone else's business, where the caller knows so.
    """

    def __init__(self, launch: Launch, console: Console, policy: Policy, managed: str = "") -> None:
        self.managed = managed
        self.launch = launch
        self.console = console
        self.policy = policy
        self.installation = Installation(launch.path)
        self.journal = Journal(self.installation.beside("journal"))
        self.probation = Probation(self.installation)


class Trial:
    """What this process does about the release that it is.

    Attributes:
        workload_ran_before: whether the workload was up when the old version drained it.
        on_rest: called whenever no update is under way any more: at a start, after a commit, a
            revert, or an update that failed.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._journal = site.journal
        self._probation = site.probation
        self.workload_ran_before = False
        self._has_worked = False
        self.on_rest: Callable[[], None] = lambda: None

    def recover(self) -> None:
        """Find out from the disk where an earlier process ended, and go on from there."""
        marker, reverted = self._probation.marker(), self._probation.reverted()
        state = self._journal.state
        if state is WorkerState.IDLE and marker is None and reverted is None:
            self._at_rest()
            return
        finding = diagnose(self._facts(marker, reverted))
        log.info("recovering", state=state, finding=finding)
        match finding:
            case Finding.AT_REST:
                self._journal.settle(Event.RESTARTED)
                self.on_rest()
            case Finding.ON_PROBATION if marker is not None:
                self._go_on_trial(marker)
            case Finding.COMMITTED:
                self._committed()
            case Finding.REVERT_BEGUN:
                self.revert(FailureReason.EXITED, "It ended while it was being taken back.")
            case Finding.STRANDED:
                self._rest(WorkerState.INCONSISTENT, reverted)
            case Finding.REVERTED:
                self._rest(WorkerState.IDLE, reverted or marker)
                self._journal.forget_rescue()
            case Finding.INTERRUPTED | Finding.REPLACED:
                self._rest(WorkerState.IDLE, None)
                self._journal.forget_rescue()

    def alive(self) -> None:
        """Call it from every turn of the main loop: on probation, it is the sign of life."""
        if self._journal.state is WorkerState.PROBATION:
            self._has_worked = True
            self._probation.sign_of_life()

    def judge(self, evidence: Evidence) -> None:
        """On probation: keep the release once there is evidence enough."""
        if self._journal.state is not WorkerState.PROBATION:
            return
        if judge(evidence, heartbeats_needed=self._site.policy.heartbeats_needed) is Verdict.COMMIT:
            try:
                self._probation.end()
            except InstallError as error:
                log.warning("not committed", reason=str(error))
                return
            self._committed()

    def revert(self, reason: FailureReason, detail: str) -> None:
        """Take back the release that this process runs, and become the old one.

        Call it on probation, from the main thread, drained. Returns only when it cannot be done.
        """
        if self._journal.state is WorkerState.PROBATION:
            self._journal.settle(Event.CONDEMNED)
        marker = self._probation.marker()
        try:
            self._site.installation.restore("" if marker is None else marker.backup_sha256)
            self._probation.retire(reason, detail)
            with signals_held():
                self._site.console.restore()
                with close_on_exec():
                    self._site.launch.execute({})
        except (InstallError, OSError) as error:
            log.critical("not reverted", reason=str(error))
            self._probation.retire(reason, f"{detail} {error}")
            self._rest(WorkerState.INCONSISTENT, self._probation.reverted())

    def stopping(self) -> None:
        """This process ends because it was told to.

        Its start counts all the same when it never came to work: a release whose daemon ends in
        good order at once, each time, has to be taken back.
        """
        if self._journal.state is WorkerState.PROBATION:
            self._probation.stop_orderly()
            if self._has_worked:
                self._probation.uncount_boot()

    def post_guard(self, sha256: str, backup_sha256: str) -> int:
        """Start the guard, with this process's output going through it; a pidfd of it.

        Raises:
            OSError: there is none.
        """
        self._site.console.redirect(self._probation.log)
        order = Watch(
            self._site.installation,
            self._site.launch,
            sha256,
            backup_sha256,
            self._site.policy.silence_allowed,
            self._site.policy.restart_grace,
        )
        return guard.start(order, self._site.console)

    def _facts(self, marker: Marker | None, reverted: Marker | None) -> Facts:
        target, source = self._journal.target, self._journal.source
        return Facts(
            state=self._journal.state,
            live=digest_of(self._site.launch.path) or "",
            target=None if target is None else target.sha256,
            source=None if source is None else source.sha256,
            marker=None if marker is None else marker.sha256,
            reverted=None if reverted is None else reverted.sha256,
        )

    def _go_on_trial(self, marker: Marker) -> None:
        """Also for the new version that a service manager, not the old version, has started."""
        self.workload_ran_before = marker.workload_ran
        self._probation.watched()
        self._journal.settle(*route(self._journal.state, WorkerState.PROBATION))
        if guard.on_duty(self._site.installation):
            return
        try:
            self.post_guard(marker.sha256, marker.backup_sha256)
        except OSError as error:
            log.warning("on probation without a guard", reason=str(error))
            self._site.console.restore()

    def _committed(self) -> None:
        self._journal.settle(*route(self._journal.state, WorkerState.IDLE))
        self._journal.forget_rescue()
        self._site.console.restore()
        target = self._journal.target
        log.info("update committed", tag="" if target is None else target.tag)
        self._at_rest()

    def _rest(self, goal: WorkerState, condemned: Marker | None) -> None:
        """End the probation, and keep what is to be said of the release that failed it."""
        failure = None
        if condemned is not None:
            failure = Failure(
                tag=condemned.tag,
                sha256=condemned.sha256,
                reason=condemned.reason,
                detail=condemned.detail,
                log_tail=self._probation.log_tail(),
                at=time.time(),
            )
            log.error("update failed", **told(failure))
        written = self._journal.settle(*route(self._journal.state, goal), failure=failure)
        if condemned is not None and not written:
            # For want of space. What is on the disk already is the memory until there is some.
            self._probation.retire(condemned.reason, condemned.detail)
        else:
            self._forget_trial()
        self._site.console.restore()
        self._at_rest()

    def _forget_trial(self) -> None:
        try:
            self._probation.end()
        except InstallError as error:
            log.warning("probation not ended", reason=str(error))
        self._probation.forget_reverted()

    def _at_rest(self) -> None:
        self._site.installation.tidy()
        self.on_rest()
