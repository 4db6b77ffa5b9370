"""The table of one update."""

import pytest

from gaia.model.worker import FailureReason, WorkerState
from gaia.planning.probation import Evidence, Verdict, judge, judge_watched
from gaia.planning.update import TRANSITIONS, Event, IllegalTransition, advance


def walk(*events: Event) -> WorkerState:
    state = WorkerState.IDLE
    for event in events:
        state = advance(state, event)
    return state


def test_the_good_way_ends_where_it_began() -> None:
    assert (
        walk(
            Event.OFFERED,
            Event.FETCHED,
            Event.PASSED_PREFLIGHT,
            Event.DRAINED,
            Event.SWAPPED,
            Event.COMMITTED,
        )
        is WorkerState.IDLE
    )


def test_every_state_survives_a_restart_and_can_get_back_to_idle() -> None:
    reached = {WorkerState.IDLE}
    while True:
        more = {before for (before, _), after in TRANSITIONS.items() if after in reached}
        if more <= reached:
            break
        reached |= more
    assert reached == set(WorkerState)
    for state in WorkerState:
        assert (state, Event.RESTARTED) in TRANSITIONS


def test_nothing_is_swapped_that_was_not_verified_preflighted_and_drained() -> None:
    into = {
        state: {
            (b, e) for (b, e), after in TRANSITIONS.items() if after is state and b is not state
        }
        for state in WorkerState
    }
    assert into[WorkerState.SWAPPING] == {(WorkerState.DRAINING, Event.DRAINED)}
    assert into[WorkerState.DRAINING] == {(WorkerState.VERIFIED, Event.PASSED_PREFLIGHT)}
    assert into[WorkerState.VERIFIED] == {(WorkerState.FETCHING, Event.FETCHED)}


def test_a_move_that_is_not_in_the_table_is_a_bug() -> None:
    with pytest.raises(IllegalTransition):
        advance(WorkerState.IDLE, Event.SWAPPED)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (Evidence(0, True, True, 0), Verdict.WAIT),
        (Evidence(2, True, True, 0), Verdict.WAIT),
        (Evidence(3, True, True, 0), Verdict.COMMIT),
        (Evidence(3, False, False, 0), Verdict.COMMIT),
        (Evidence(3, False, True, 0), Verdict.WAIT),
        (Evidence(3, False, True, 1), Verdict.COMMIT),
        (Evidence(9, True, True, 0, follows_server=False), Verdict.WAIT),
    ],
)
def test_probation_ends_with_heartbeats_and_the_workload(
    evidence: Evidence, verdict: Verdict
) -> None:
    assert judge(evidence, heartbeats_needed=3) is verdict


def test_the_guard_charges_exit_and_silence_only() -> None:
    assert judge_watched(exited=True, silent_for=0, silence_allowed=60) is FailureReason.EXITED
    assert judge_watched(exited=False, silent_for=61, silence_allowed=60) is FailureReason.HUNG
    assert judge_watched(exited=False, silent_for=60, silence_allowed=60) is None
