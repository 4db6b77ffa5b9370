"""What a start finds: a pure reading of the journal, the marker and the files' digests.

The files are the truth, the journal is the memory: after a crash they may be one step apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gaia.model.worker import WorkerState as S


class Finding(StrEnum):
    """What has to be done."""

    AT_REST = "at-rest"
    INTERRUPTED = "interrupted"
    ON_PROBATION = "on-probation"
    COMMITTED = "committed"
    REVERTED = "reverted"
    REVERT_BEGUN = "revert-begun"
    STRANDED = "stranded"
    REPLACED = "replaced"


@dataclass(frozen=True)
class Facts:
    """What is on the disk. Digests are None for what is not there.

    Attributes:
        live: digest of the executable.
        target, source: of the journal.
        marker, reverted: digest of the release that each is about.
    """

    state: S
    live: str
    target: str | None
    source: str | None
    marker: str | None
    reverted: str | None


def diagnose(facts: Facts) -> Finding:
    """Read the facts; every combination has a reading."""
    if facts.reverted is not None and facts.live != facts.marker:
        return Finding.STRANDED if facts.live == facts.reverted else Finding.REVERTED
    if facts.marker is not None:
        return _marked(facts)
    if facts.state in (S.IDLE, S.FETCHING, S.VERIFIED, S.DRAINING):
        return Finding.AT_REST
    if facts.live == facts.target:
        # Without a marker nothing is on trial: its removal was the commit.
        return Finding.STRANDED if facts.state is S.INCONSISTENT else Finding.COMMITTED
    return Finding.INTERRUPTED if facts.live == facts.source else Finding.REPLACED


def _marked(facts: Facts) -> Finding:
    if facts.live == facts.marker:
        return Finding.REVERT_BEGUN if facts.state is S.REVERTING else Finding.ON_PROBATION
    if facts.live != facts.source:
        return Finding.REPLACED
    # The old version is back, or still there. It was taken back only if the swap had ended.
    if facts.state in (S.PROBATION, S.REVERTING):
        return Finding.REVERTED
    return Finding.INTERRUPTED
