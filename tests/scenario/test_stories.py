"""Schedules by hand, for what chance finds too seldom."""

from __future__ import annotations

from dataclasses import replace

from proofs.simulation.faults import Event, Manager, NoMemory, Publish, Schedule
from proofs.simulation.releases import Behaviour
from proofs.simulation.template import Template
from proofs.simulation.world import run

BAD = Publish(at=20.0, key="bad", tag="v0.2.0", behaviour=Behaviour.EXITS)
OWNED = Schedule(seed=1, machines=(Manager.OWNER,), events=(BAD,))


def story(ground: Template, *events: Event) -> tuple[str, ...]:
    outcome = run(replace(OWNED, events=(BAD, *events)), ground)
    assert outcome.violation is None
    return outcome.trace


def when(trace: tuple[str, ...], what: str) -> float:
    return next(float(line.split()[0]) for line in trace if what in line)


def test_the_guard_starts_the_old_version_as_soon_as_there_is_memory(ground: Template) -> None:
    bad_from = when(story(ground), "starts v0.2.0")
    trace = story(ground, NoMemory(bad_from + 0.1, "short", machine=0, until=bad_from + 20))
    assert when(trace[trace.index(next(t for t in trace if "goes back" in t)) :], "starts v0.1.0")
    assert sum("its owner starts" in line for line in trace) == 1  # at the very beginning
