"""What a worker can be doing, and how an update can fail."""

from __future__ import annotations

from enum import StrEnum

SKEW_TOLERATED = 60.0
"""Seconds that a worker's clock may differ from the server's before the operator is told."""


class WorkerState(StrEnum):
    """States of one update. The table of moves is `gaia.planning.update.TRANSITIONS`."""

    IDLE = "idle"
    FETCHING = "fetching"
    VERIFIED = "verified"
    DRAINING = "draining"
    SWAPPING = "swapping"
    PROBATION = "probation"
    REVERTING = "reverting"
    INCONSISTENT = "inconsistent"


class FailureReason(StrEnum):
    """Why an update did not succeed. A closed list (`docs/reference/reasons.md`)."""

    NO_SPACE = "no-space"
    TRANSPORT = "transport"
    TRUST = "trust"
    WRONG_PLATFORM = "wrong-platform"
    PREFLIGHT = "preflight"
    BUSY = "busy"
    SWAP = "swap"
    EXEC = "exec"
    EXITED = "exited"
    HUNG = "hung"
    BOOT_LOOP = "boot-loop"
    BACKUP_LOST = "backup-lost"

    @property
    def blames_release(self) -> bool:
        """Whether the release itself is at fault, so that its bytes are not tried again."""
        return self in _RELEASE_FAULTS


_RELEASE_FAULTS = frozenset(
    {
        FailureReason.WRONG_PLATFORM,
        FailureReason.PREFLIGHT,
        FailureReason.EXEC,
        FailureReason.EXITED,
        FailureReason.HUNG,
        FailureReason.BOOT_LOOP,
    }
)
