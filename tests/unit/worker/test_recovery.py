from __future__ import annotations

import pytest

from gaia.model.worker import WorkerState as S
from gaia.worker.recovery import Facts, Finding, diagnose

OLD, NEW, OTHER = "old", "new", "other"


@pytest.mark.parametrize(
    ("state", "live", "marker", "reverted", "finding"),
    [
        (S.IDLE, OLD, None, None, Finding.AT_REST),
        (S.FETCHING, OLD, None, None, Finding.AT_REST),
        (S.DRAINING, OLD, None, None, Finding.AT_REST),
        # killed before and after each step of the swap
        (S.SWAPPING, OLD, None, None, Finding.INTERRUPTED),
        (S.SWAPPING, OLD, NEW, None, Finding.INTERRUPTED),
        (S.SWAPPING, NEW, NEW, None, Finding.ON_PROBATION),
        (S.PROBATION, NEW, NEW, None, Finding.ON_PROBATION),
        # killed between the marker's removal and the journal
        (S.PROBATION, NEW, None, None, Finding.COMMITTED),
        # the guard or the native stub was there
        (S.PROBATION, OLD, None, NEW, Finding.REVERTED),
        (S.PROBATION, OLD, NEW, None, Finding.REVERTED),
        (S.SWAPPING, OLD, None, NEW, Finding.REVERTED),
        (S.PROBATION, NEW, None, NEW, Finding.STRANDED),
        # the new version took itself back, and was killed
        (S.REVERTING, NEW, NEW, None, Finding.REVERT_BEGUN),
        (S.REVERTING, OLD, NEW, None, Finding.REVERTED),
        (S.REVERTING, OLD, None, None, Finding.INTERRUPTED),
        (S.INCONSISTENT, NEW, None, None, Finding.STRANDED),
        (S.INCONSISTENT, OLD, None, None, Finding.INTERRUPTED),
        # the owner of the machine put another file there
        (S.PROBATION, OTHER, NEW, None, Finding.REPLACED),
        (S.SWAPPING, OTHER, None, None, Finding.REPLACED),
        # the journal was lost; the marker is the truth
        (S.IDLE, NEW, NEW, None, Finding.ON_PROBATION),
        (S.IDLE, OLD, None, NEW, Finding.REVERTED),
    ],
)
def test_reading(
    state: S, live: str, marker: str | None, reverted: str | None, finding: Finding
) -> None:
    assert diagnose(Facts(state, live, NEW, OLD, marker, reverted)) is finding
