"""Recovery reads every combination of what may be on a disk, and its routes are in the table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gaia.model.worker import WorkerState as S
from gaia.planning.update import advance, route
from gaia.worker.recovery import Facts, Finding, diagnose

DIGESTS = st.sampled_from(["old", "new", "other"])
FACTS = st.builds(
    Facts,
    state=st.sampled_from(S),
    live=DIGESTS,
    target=st.none() | DIGESTS,
    source=st.none() | DIGESTS,
    marker=st.none() | DIGESTS,
    reverted=st.none() | DIGESTS,
)


@given(FACTS)
def test_probation_is_of_what_runs(facts: Facts) -> None:
    finding = diagnose(facts)
    if finding is Finding.ON_PROBATION:
        assert facts.marker == facts.live
    if finding in (Finding.COMMITTED, Finding.AT_REST):
        assert facts.marker is None
        assert facts.reverted is None
    if finding is Finding.REVERTED:
        assert facts.live not in (facts.marker, facts.reverted)


@given(st.sampled_from(S), st.sampled_from(S))
def test_routes_lead_there(state: S, goal: S) -> None:
    for event in route(state, goal):
        state = advance(state, event)
    assert state is goal
