"""The table of the workload."""

import pytest

from gaia.planning.workload import (
    FIRST_DELAY,
    LONGEST_DELAY,
    TRANSITIONS,
    EndedBy,
    WorkloadEvent,
    WorkloadState,
    diagram,
    failures_in_a_row,
    restart_delay,
    verdict,
)


def test_every_state_can_be_reached_and_left() -> None:
    befores = {before for before, _ in TRANSITIONS}
    afters = set(TRANSITIONS.values())
    assert befores == afters == set(WorkloadState)


def test_nothing_is_launched_while_processes_of_the_last_run_may_be_left() -> None:
    launches = {before for before, event in TRANSITIONS if event is WorkloadEvent.LAUNCHED}
    assert launches == {WorkloadState.STOPPED, WorkloadState.WAITING}
    into_waiting = {b for (b, _), after in TRANSITIONS.items() if after is WorkloadState.WAITING}
    assert WorkloadState.RUNNING not in into_waiting


@pytest.mark.parametrize(
    ("exit_code", "ended_by", "event"),
    [
        (0, EndedBy.ITSELF, WorkloadEvent.FINISHED),
        (1, EndedBy.ITSELF, WorkloadEvent.FAILED),
        (139, EndedBy.ITSELF, WorkloadEvent.FAILED),
        (0, EndedBy.DRAIN, WorkloadEvent.GONE),
        (143, EndedBy.DRAIN, WorkloadEvent.GONE),
    ],
)
def test_only_what_it_does_by_itself_counts(
    exit_code: int, ended_by: EndedBy, event: WorkloadEvent
) -> None:
    assert verdict(exit_code, ended_by) is event


def test_delays_double_up_to_the_longest() -> None:
    middle = 0.5
    delays = [restart_delay(n, middle) for n in range(1, 12)]
    assert delays[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_DELAY
    assert restart_delay(10_000, middle) == LONGEST_DELAY


def test_a_long_run_makes_up_for_earlier_failures() -> None:
    assert failures_in_a_row(7, LONGEST_DELAY - 1) == 8
    assert failures_in_a_row(7, LONGEST_DELAY) == 1


def test_the_diagram_shows_every_move() -> None:
    assert diagram().count("-->") == len(TRANSITIONS) + 1
