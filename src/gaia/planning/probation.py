"""The verdict on a release that is on probation.

The network, the server, the disk and the clock are never charged to the release: silence of the
server only makes probation longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gaia.model.worker import FailureReason

MAX_BOOTS = 2
"""Starts that a release on probation gets before it is taken back at the next one."""


class Verdict(StrEnum):
    """What to do with a release on probation."""

    WAIT = "wait"
    COMMIT = "commit"


@dataclass(frozen=True)
class Evidence:
    """What the worker has seen of itself since the swap.

    Attributes:
        good_heartbeats: answered by the server since this start.
        workload_running: the workload is up, or there is none to run.
        workload_ran_before: it was up when the old version drained it.
        workload_exits: times it ended by itself since this start.
        follows_server: it has verified the server's metadata since this start, or need not.
    """

    good_heartbeats: int
    workload_running: bool
    workload_ran_before: bool
    workload_exits: int
    follows_server: bool = True


def judge(evidence: Evidence, *, heartbeats_needed: int) -> Verdict:
    """Commit after enough good heartbeats with the workload in the state it was in before.

    A workload that runs to its end, or that fails under both versions alike, is not the
    release's doing; so an ended workload counts as running once it has been started. A release
    that cannot follow the server's metadata could never be replaced, so it is not committed either;
    but that may be the server's fault, so it is not reverted for it.
    """
    if not evidence.follows_server:
        return Verdict.WAIT
    if evidence.good_heartbeats < heartbeats_needed:
        return Verdict.WAIT
    started = evidence.workload_running or evidence.workload_exits > 0
    if evidence.workload_ran_before and not started:
        return Verdict.WAIT
    return Verdict.COMMIT


def judge_watched(
    *, exited: bool, silent_for: float, silence_allowed: float
) -> FailureReason | None:
    """The guard's verdict from outside the process; None while there is nothing to hold against it.

    Args:
        exited: the process has ended without a commit.
        silent_for: seconds since its last sign of life, on a clock that stops in a suspend.
        silence_allowed: seconds.
    """
    if exited:
        return FailureReason.EXITED
    if silent_for > silence_allowed:
        return FailureReason.HUNG
    return None
