"""The supervised workload as a state machine, and how long it waits before it is started again.

A workload is a batch or a service; its exit code says which. Exit 0 means done: it is not run
again until a new bundle or a new worker starts it. Anything else is a failure: it is started again,
later each time.
"""

from __future__ import annotations

from enum import StrEnum

from gaia.planning.backoff import jittered

FIRST_DELAY = 1.0
"""Seconds before the first restart of a workload that failed."""

LONGEST_DELAY = 300.0
"""Seconds. Also the run time after which an earlier failure no longer counts."""


class WorkloadState(StrEnum):
    """States of the workload; values of `gaia.protocol.worker.Workload.state`."""

    STOPPED = "stopped"
    RUNNING = "running"
    WAITING = "waiting"
    FINISHED = "finished"
    DRAINING = "draining"
    STOPPING = "stopping"
    KILLING = "killing"


class WorkloadEvent(StrEnum):
    """What happened to the workload."""

    LAUNCHED = "launched"
    NOT_LAUNCHED = "not-launched"
    ENDED = "ended"
    LEFT_OVER = "left-over"
    STOP_REQUESTED = "stop-requested"
    RESUMED = "resumed"
    RELEASED = "released"
    GRACE_OVER = "grace-over"
    GONE = "gone"
    FINISHED = "finished"
    FAILED = "failed"


class EndedBy(StrEnum):
    """Who ended a run; values of `gaia.protocol.worker.Outcome.ended_by`."""

    ITSELF = "itself"
    DRAIN = "drain"


_S = WorkloadState
_E = WorkloadEvent

TRANSITIONS: dict[tuple[WorkloadState, WorkloadEvent], WorkloadState] = {
    (_S.STOPPED, _E.LAUNCHED): _S.RUNNING,
    (_S.STOPPED, _E.NOT_LAUNCHED): _S.WAITING,
    (_S.STOPPED, _E.LEFT_OVER): _S.STOPPING,
    (_S.STOPPED, _E.FINISHED): _S.FINISHED,
    (_S.WAITING, _E.LAUNCHED): _S.RUNNING,
    (_S.WAITING, _E.NOT_LAUNCHED): _S.WAITING,
    (_S.WAITING, _E.STOP_REQUESTED): _S.STOPPED,
    (_S.FINISHED, _E.STOP_REQUESTED): _S.STOPPED,
    # A run has ended only when no process of it is left: what its leader leaves behind is stopped.
    (_S.RUNNING, _E.ENDED): _S.STOPPING,
    (_S.RUNNING, _E.STOP_REQUESTED): _S.DRAINING,
    (_S.DRAINING, _E.RESUMED): _S.RUNNING,
    (_S.DRAINING, _E.ENDED): _S.STOPPING,
    (_S.DRAINING, _E.RELEASED): _S.STOPPING,
    (_S.STOPPING, _E.GRACE_OVER): _S.KILLING,
    (_S.STOPPING, _E.GONE): _S.STOPPED,
    (_S.STOPPING, _E.FINISHED): _S.FINISHED,
    (_S.STOPPING, _E.FAILED): _S.WAITING,
    (_S.KILLING, _E.GONE): _S.STOPPED,
    (_S.KILLING, _E.FINISHED): _S.FINISHED,
    (_S.KILLING, _E.FAILED): _S.WAITING,
}


def verdict(exit_code: int, ended_by: EndedBy) -> WorkloadEvent:
    """What the end of a run means for the next one.

    Args:
        exit_code: as the shell counts.
        ended_by: a drained run says nothing about the workload, whatever its exit code.
    """
    if ended_by is EndedBy.DRAIN:
        return WorkloadEvent.GONE
    return WorkloadEvent.FINISHED if exit_code == 0 else WorkloadEvent.FAILED


def failures_in_a_row(before: int, seconds: float) -> int:
    """The count of failures, this one included, after a run of `seconds` that failed."""
    return 1 if seconds >= LONGEST_DELAY else before + 1


def restart_delay(failures: int, chance: float) -> float:
    """Seconds to wait before the next start.

    Args:
        failures: failures in a row, at least 1.
        chance: a random number in [0, 1): machines that fail together do not come back together.
    """
    window: float = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(failures - 1, 32))
    return jittered(window, chance)


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {WorkloadState.STOPPED}"]
    lines += [
        f"    {before} --> {after}: {event}" for (before, event), after in TRANSITIONS.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram())
