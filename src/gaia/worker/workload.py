"""The supervisor of the workload: started, restarted, drained, and reported.

It has no thread and never blocks: the worker's main loop calls `poll`. What to do next is decided
by the table in `gaia.planning.workload`.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from gaia.planning.workload import (
    TRANSITIONS,
    EndedBy,
    WorkloadEvent,
    WorkloadState,
    failures_in_a_row,
    restart_delay,
    verdict,
)
from gaia.protocol.worker import Outcome
from gaia.protocol.worker import Workload as Report
from gaia.worker.process_tree import (
    Leader,
    ask_to_end,
    ended,
    identify,
    kill,
    members,
    start,
    still_alive,
)
from gaia.worker.workload_memory import WorkloadMemory

NOT_FOUND = 127
NOT_EXECUTABLE = 126

log = structlog.get_logger(__name__)


class Workload:
    """One workload, kept running between `start` and `request_stop`.

    What an earlier worker left running, because it was killed, is stopped first: `stopped` is
    false until that is gone.

    Args:
        command: program and arguments; empty when there is no workload, and then nothing runs.
        folder: working directory; made when it is not there.
        state_dir: private to this worker; survives updates.
        environment: complete and clean. `GAIA_BUSY` is added: while a file exists at that path,
            the workload holds off a drain.
        stdio: descriptors for standard output and error.
        grace: seconds between the request to end and the end by force.
        drain_timeout: seconds that `GAIA_BUSY` may hold off a drain.
        clock: seconds, monotonic.
        wall: Unix seconds.
        chance: random numbers in [0, 1).
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        state_dir: Path,
        environment: Mapping[str, str],
        stdio: tuple[int, int] = (1, 2),
        grace: float = 10.0,
        drain_timeout: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._command = list(command)
        self._folder = folder
        self._busy = state_dir.absolute() / "workload.busy"
        self._marker = f"GAIA_BUSY={self._busy}"
        self._environment = {**environment, "GAIA_BUSY": str(self._busy)}
        self._stdio = stdio
        self._grace = grace
        self._drain_timeout = drain_timeout
        self._clock = clock
        self._wall = wall
        self._chance = chance

        self._memory = WorkloadMemory(state_dir / "workload.json")
        self._state = WorkloadState.STOPPED
        self._wanted = False
        self._finished = False
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._started_at = 0.0
        self._run_open = False
        self._after = WorkloadEvent.GONE
        self._restart_at = self._drain_until = self._kill_at = 0.0
        self._failures = 0
        self._launches = 0
        self._exits = 0
        self._tree: dict[int, int] = {}
        self._leader: Leader | None = self._memory.leader
        self._stop_left_over()

    @property
    def state(self) -> WorkloadState:
        """Where it is in the table of `gaia.planning.workload`."""
        return self._state

    @property
    def stopped(self) -> bool:
        """No process of the workload is left, and none will be started."""
        return self._state is WorkloadState.STOPPED and not self._wanted

    @property
    def running(self) -> bool:
        """It has been launched and has not ended."""
        return self._state in (WorkloadState.RUNNING, WorkloadState.DRAINING)

    @property
    def exits(self) -> int:
        """Times that it ended by itself since this worker started."""
        return self._exits

    def start(self) -> None:
        """Run it, from the beginning: there is a new bundle, or a new worker."""
        self._finished = False
        self._failures = 0
        self._forget_waiting()
        self.resume()

    def resume(self) -> None:
        """Go on after `request_stop`, as if it had not been asked: nothing new has come.

        A batch that had finished stays finished.
        """
        self._wanted = bool(self._command)
        if self._state is WorkloadState.DRAINING:
            self._advance(WorkloadEvent.RESUMED)
        self.poll()

    def request_stop(self) -> None:
        """Drain it: SIGTERM (Windows: Ctrl+Break) once it is not busy, killed after the grace.

        Go on polling.
        """
        self._wanted = False
        self._forget_waiting()
        if self._state is WorkloadState.RUNNING:
            self._drain_until = self._clock() + self._drain_timeout
            self._advance(WorkloadEvent.STOP_REQUESTED)
        self.poll()

    def stop_now(self) -> None:
        """As `request_stop`, however busy it is: the machine's owner ends the worker."""
        self.request_stop()
        if self._state is WorkloadState.DRAINING:
            self._release()

    def poll(self) -> None:
        """Do what is due. Never waits."""
        before = None
        while before is not self._state:
            before = self._state
            self._step()

    def report(self) -> Report | None:
        """For the heartbeat, with every run that ended and is not confirmed yet.

        None when there is no workload.
        """
        if not self._command:
            return None
        return Report(
            state=self._state.value,
            pid=self._process.pid if self._process and self._run_open else None,
            restarts=max(0, self._launches - 1),
            outcomes=self._memory.take(),
        )

    def confirm(self, count: int) -> None:
        """The server has the first `count` outcomes of the last report."""
        self._memory.confirm(count)

    def _step(self) -> None:
        match self._state:
            case WorkloadState.STOPPED if self._wanted:
                if self._finished:
                    self._advance(WorkloadEvent.FINISHED)
                else:
                    self._launch()
            case WorkloadState.WAITING if self._clock() >= self._restart_at:
                self._launch()
            case WorkloadState.RUNNING:
                self._notice_end(EndedBy.ITSELF)
            case WorkloadState.DRAINING:
                if not self._notice_end(EndedBy.ITSELF) and self._may_be_stopped():
                    self._release()
            case WorkloadState.STOPPING | WorkloadState.KILLING:
                self._see_it_gone()
            case _:
                pass

    def _advance(self, event: WorkloadEvent) -> None:
        self._state = TRANSITIONS[self._state, event]

    def _forget_waiting(self) -> None:
        if self._state in (WorkloadState.WAITING, WorkloadState.FINISHED):
            self._advance(WorkloadEvent.STOP_REQUESTED)

    def _launch(self) -> None:
        self._launches += 1
        self._started, self._started_at = self._clock(), self._wall()
        try:
            self._busy.parent.mkdir(parents=True, exist_ok=True)
            self._busy.unlink(missing_ok=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            self._process = start(
                self._command,
                folder=self._folder,
                environment=self._environment,
                stdout=self._stdio[0],
                stderr=self._stdio[1],
            )
        except (OSError, ValueError) as error:
            log.warning("workload cannot be started", command=self._command[0], reason=str(error))
            code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            self._record(code, EndedBy.ITSELF)
            self._advance(WorkloadEvent.NOT_LAUNCHED)
            return
        self._run_open = True
        self._leader = identify(self._process.pid)
        self._memory.remember(self._leader)
        self._advance(WorkloadEvent.LAUNCHED)
        log.info("workload started", pid=self._process.pid, folder=str(self._folder))

    def _notice_end(self, ended_by: EndedBy) -> bool:
        """Record the run if its leader has ended, and ask what it left behind to end too."""
        if not self._leader_ended(ended_by):
            return False
        self._ask_to_end()
        self._advance(WorkloadEvent.ENDED)
        return True

    def _leader_ended(self, ended_by: EndedBy) -> bool:
        """Whether the leader has ended; then the run is recorded.

        It is not reaped before the rest is gone, so that its number cannot become another's.
        """
        if self._process is None:
            return False
        code = ended(self._process)
        if code is None:
            return False
        self._record(code, ended_by)
        return True

    def _record(self, exit_code: int, ended_by: EndedBy) -> None:
        seconds = self._clock() - self._started
        self._run_open = False
        self._memory.add(Outcome(exit_code, self._started_at, seconds, ended_by.value))
        self._after = verdict(exit_code, ended_by)
        self._exits += ended_by is EndedBy.ITSELF
        self._finished = self._after is WorkloadEvent.FINISHED
        log.info("workload ended", exit_code=exit_code, seconds=round(seconds, 3), by=ended_by)
        if self._after is WorkloadEvent.FAILED:
            self._failures = failures_in_a_row(self._failures, seconds)
            delay = restart_delay(self._failures, self._chance())
            self._restart_at = self._clock() + delay
            log.info("workload will be started again", seconds=round(delay, 1))

    def _may_be_stopped(self) -> bool:
        if not self._busy.exists():
            return True
        late = self._clock() >= self._drain_until
        if late:
            log.warning("workload is busy, but has held the update for long enough")
        return late

    def _release(self) -> None:
        self._ask_to_end()
        self._advance(WorkloadEvent.RELEASED)

    def _stop_left_over(self) -> None:
        self._ask_to_end()
        if self._tree:
            log.warning("workload of an earlier worker is stopped", pids=sorted(self._tree))
            self._advance(WorkloadEvent.LEFT_OVER)

    def _ask_to_end(self) -> None:
        self._kill_at = self._clock() + self._grace
        self._tree = members(self._leader, self._marker)
        ask_to_end(self._tree, self._leader)

    def _see_it_gone(self) -> None:
        if self._run_open:
            self._leader_ended(EndedBy.DRAIN)
        if self._any_left():
            if self._state is WorkloadState.KILLING:
                kill(self._tree)
            elif self._clock() >= self._kill_at:
                log.warning("workload is killed", pids=sorted(self._tree), grace=self._grace)
                kill(self._tree)
                self._advance(WorkloadEvent.GRACE_OVER)
        elif not self._run_open:
            if self._process is not None:
                self._process.wait()
            self._process = self._leader = None
            self._memory.remember(None)
            self._advance(self._after if self._wanted else WorkloadEvent.GONE)

    def _any_left(self) -> bool:
        if not still_alive(self._tree):
            self._tree = members(self._leader, self._marker)
            ask_to_end(self._tree, self._leader)  # born after the first signal
        return bool(self._tree)
