"""The old version's side of an update: offer, download, preflight, drain, swap, exec."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from pathlib import Path

import structlog

from gaia.errors import InstallError
from gaia.model.worker import FailureReason, WorkerState
from gaia.planning.probation import MAX_BOOTS, Evidence
from gaia.planning.update import Event, route
from gaia.protocol.worker import Failure
from gaia.worker.background import Background
from gaia.worker.durable import digest_of
from gaia.worker.journal import Target
from gaia.worker.lock import FileLock
from gaia.worker.probation import Marker
from gaia.worker.relaunch import close_on_exec, release_signals, signals_held
from gaia.worker.staging import Fetch, Retries, Staging, failure_of, told
from gaia.worker.trial import Site, Trial

if sys.platform == "win32":
    from gaia.worker import front as guard
else:
    from gaia.worker import guard

log = structlog.get_logger()

_LOCK_PATIENCE = 2.0


class Update:
    """Not for several threads: what is slow runs in `background`, its consequences in its `poll`.

    Attributes:
        trial: what this process does about the release that it is.
        obstacle: why this worker leaves its executable alone; empty when it does not.
    """

    def __init__(self, site: Site, background: Background, version: str, state_dir: Path) -> None:
        self.trial = Trial(site)
        self._site = site
        self._installation = site.installation
        self._journal = site.journal
        self._background = background
        self._version = version
        self._state_dir = state_dir
        self._lock = FileLock(site.installation.beside("lock"))
        self._retries = Retries(time.monotonic, random.random)
        self._staging: Staging | None = None
        self.obstacle = ""

    @property
    def state(self) -> WorkerState:
        """Where the update stands."""
        return self._journal.state

    @property
    def target(self) -> str:
        """Tag of the release that the update goes to; empty at rest."""
        target = self._journal.target
        return "" if target is None or self.state is WorkerState.IDLE else target.tag

    @property
    def alarm(self) -> str:
        """What needs a person's eye; empty when nothing does."""
        if self.rescue is None:
            return ""
        return f"The backup was lost when it was needed; {self.rescue.tag} is fetched again."

    @property
    def workload_ran_before(self) -> bool:
        """On probation: whether the workload was up when the old version drained it."""
        return self.trial.workload_ran_before

    @property
    def progress(self) -> float | None:
        """Done share of the download in 0..1; None when nothing is being fetched."""
        if self._staging is None or self.state is not WorkerState.FETCHING:
            return None
        return self._staging.progress

    @property
    def failure(self) -> Failure | None:
        """The last update that failed here, until `confirm_failure`."""
        return self._journal.failure

    @property
    def failed_digests(self) -> frozenset[str]:
        """Executables that are not tried again."""
        return self._journal.failed_digests

    @property
    def rescue(self) -> Target | None:
        """The release to `offer` again: a revert was needed, and the backup of it was lost."""
        return self._journal.rescue

    def confirm_failure(self) -> None:
        """The server has heard of `failure`."""
        self._journal.confirm_failure()

    def start(self) -> None:
        """Finish or undo what an earlier process began; without that, see whether updates can be.

        Call it once, from the main thread, when the handlers of stop signals are in place and
        before any other thread is. It does not return when the version to run is another one.
        """
        release_signals()
        self.obstacle = self._site.managed or self._installation.obstacle()
        if not self.obstacle and not self._lock.acquire(_LOCK_PATIENCE):
            self.obstacle = f"another worker runs from {self._site.launch.path}"
        if self.obstacle:
            log.warning("externally managed", reason=self.obstacle)
            self._site.console.restore()
            return
        self._journal.load()
        self.trial.recover()

    def offer(self, target: Target, fetch: Fetch) -> bool:
        """Begin an update in the background, if there is nothing against it now.

        Args:
            target: as signed metadata vouches for it.

        Returns:
            False when an update is under way, this one failed before, is what runs, or failed
            for a reason that passes and it is too early to try again.
        """
        if (
            self.obstacle
            or self._background.busy
            or self.state not in (WorkerState.IDLE, WorkerState.INCONSISTENT)
            or target.sha256 in self.failed_digests
            or not self._retries.due(target.sha256)
        ):
            return False
        live = digest_of(self._site.launch.path)
        if live is None or live == target.sha256:
            return False
        resume = self._journal.target == target
        staging = Staging(self._installation, Target(self._version, live), target)
        try:
            self._journal.advance(
                *([Event.RESTORED] if self.state is WorkerState.INCONSISTENT else []),
                Event.OFFERED,
                target=target,
                source=staging.source,
            )
        except InstallError as error:
            self._retries.failed(target.sha256)
            log.warning("update not begun", tag=target.tag, reason=str(error))
            return False
        self._staging = staging
        log.info("update begun", tag=target.tag, size=target.size)
        self._background.start(
            lambda: staging.fetch(fetch, resume=resume),
            lambda _: self._fetched(staging),
            lambda error: self._failed(staging, error),
        )
        return True

    def swap_and_exec(self, *, workload_ran: bool) -> None:
        """Become the staged version. Call it drained, from the main thread, with no other alive.

        Returns only when that failed: the old version is back in place then, and runs on.
        """
        staging = self._drained()
        source, target = staging.source, staging.target
        with signals_held():
            running = post = -1
            try:
                running = self._installation.open_live()
                self._journal.advance(Event.DRAINED)
                self._installation.back_up(source.sha256)
                self._site.probation.begin(self._marker(source, target, workload_ran))
                self._installation.install(target.sha256)
                self._journal.advance(Event.SWAPPED)
                post = self.trial.post_guard(target.sha256, source.sha256)
                self._installation.check(live=target.sha256, backup=source.sha256)
                with close_on_exec():
                    self._site.launch.execute(self._site.console.hand_on())
            except (InstallError, OSError) as error:
                self._roll_back(staging, error, running, post)

    def give_up(self, reason: FailureReason, detail: str) -> None:
        """Drop the update that waits for the workload to stop; it is offered again later."""
        self._failed(self._drained(), InstallError(reason, detail))

    def alive(self) -> None:
        """The sign of life: call it from every turn of the main loop."""
        self.trial.alive()

    def judge(self, evidence: Evidence) -> None:
        """On probation: keep the release once there is evidence enough."""
        self.trial.judge(evidence)

    def stopping(self) -> None:
        """This worker ends because it was told to, not because of the release that it runs."""
        self.trial.stopping()

    def cancel(self) -> None:
        """Let the download or self-check that is under way come to an early end."""
        if self._staging is not None:
            self._staging.cancelled.set()

    def release(self) -> None:
        """Let another worker have the executable. Call it with nothing under way."""
        self._lock.release()

    def _fetched(self, staging: Staging) -> None:
        try:
            self._journal.advance(Event.FETCHED)
        except InstallError as error:
            self._failed(staging, error)
            return
        launch, deadline = self._site.launch, self._site.policy.preflight_deadline
        self._background.start(
            lambda: staging.preflight(launch, deadline),
            lambda _: self._passed(staging),
            lambda error: self._failed(staging, error),
        )

    def _passed(self, staging: Staging) -> None:
        try:
            self._journal.advance(Event.PASSED_PREFLIGHT)
        except InstallError as error:
            self._failed(staging, error)

    def _failed(self, staging: Staging, error: Exception) -> None:
        failure = failure_of(staging.target, error)
        self._retries.failed(failure.sha256)
        if failure.reason not in (FailureReason.TRANSPORT, FailureReason.BUSY):
            self._installation.discard_staged()
        self._journal.settle(Event.FAILED, failure=failure)
        log.warning("update failed", **told(failure))
        self.trial.on_rest()

    def _drained(self) -> Staging:
        if self._staging is None or self.state is not WorkerState.DRAINING:
            raise RuntimeError(f"nothing is ready to be installed in state {self.state}")
        return self._staging

    def _marker(self, source: Target, target: Target, workload_ran: bool) -> Marker:
        return Marker(
            {
                "boots": "0",
                "max-boots": str(MAX_BOOTS),
                "backup": str(self._installation.backup),
                "backup-sha256": source.sha256,
                "state-dir": str(self._state_dir),
                "tag": target.tag,
                "sha256": target.sha256,
                "workload-ran": "yes" if workload_ran else "no",
                "silence-allowed": f"{self._site.policy.silence_allowed:g}",
            }
        )

    def _roll_back(
        self, staging: Staging, error: InstallError | OSError, running: int, post: int
    ) -> None:
        """Undo the swap, whatever part of it was done. The restore comes first."""
        source, target = staging.source, staging.target
        goal = WorkerState.IDLE
        try:
            self._installation.rebuild_backup(running, source.sha256)
            self._installation.restore(source.sha256)
        except (InstallError, OSError) as lost:
            log.critical("old version not restored", reason=str(lost))
            goal = WorkerState.INCONSISTENT
        with contextlib.suppress(InstallError):
            self._site.probation.end()
        if post >= 0:
            guard.end(post)
        if running >= 0:
            os.close(running)
        self._site.console.restore()
        failure = failure_of(target, error)
        self._retries.failed(target.sha256)
        self._installation.discard_staged()
        self._journal.settle(*route(self.state, goal), failure=failure)
        log.error("update failed", **told(failure))
        self.trial.on_rest()
