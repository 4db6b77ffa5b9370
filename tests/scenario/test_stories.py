"""Schedules by hand, for what chance finds too seldom."""

from __future__ import annotations

from dataclasses import replace

from gaia.planning.probation import MAX_BOOTS
from proofs.simulation.faults import (
    DiskFull,
    Event,
    Manager,
    Network,
    NoMemory,
    Publish,
    Schedule,
    Stop,
)
from proofs.simulation.releases import Behaviour
from proofs.simulation.template import Template
from proofs.simulation.world import run

GOOD = Publish(at=20.0, key="good", tag="v0.2.0", behaviour=Behaviour.GOOD)
BAD = Publish(at=20.0, key="bad", tag="v0.2.0", behaviour=Behaviour.EXITS)
ALONE = Schedule(seed=1, machines=(Manager.OWNER,), events=())


def story(ground: Template, *events: Event) -> tuple[str, ...]:
    outcome = run(replace(ALONE, events=events), ground)
    assert outcome.violation is None
    return outcome.trace


def when(trace: tuple[str, ...], what: str) -> float:
    return next(float(line.split()[0]) for line in trace if what in line)


def test_the_guard_starts_the_old_version_as_soon_as_there_is_memory(ground: Template) -> None:
    bad_from = when(story(ground, BAD), "starts v0.2.0")
    trace = story(ground, BAD, NoMemory(bad_from + 0.1, "short", machine=0, until=bad_from + 20))
    assert when(trace[trace.index(next(t for t in trace if "goes back" in t)) :], "starts v0.1.0")
    assert sum("its owner starts" in line for line in trace) == 1  # at the very beginning


def test_a_machine_that_is_shut_down_while_the_server_is_gone(ground: Template) -> None:
    """However often: nothing is wrong with the release that it has just installed."""
    new_from = when(story(ground, GOOD), "starts v0.2.0")
    gone = Network(
        new_from + 0.1, "gone", machine=0, until=400, kinds=("request-lost",), harm=1, delay=1
    )
    stops = [Stop(new_from + 70.0 * number, "stop", machine=0) for number in range(1, 5)]
    trace = story(ground, GOOD, gone, *stops)
    assert sum("starts v0.2.0" in line for line in trace) > MAX_BOOTS + 1
    assert not any("goes back" in line for line in trace)


def test_a_failure_is_not_forgotten_for_want_of_space(ground: Template) -> None:
    """Taken back on a full disk, with the server gone, and the worker restarted then."""
    bad_from = when(story(ground, BAD), "starts v0.2.0")
    full = DiskFull(bad_from + 0.1, "full", machine=0, until=bad_from + 100)
    gone = Network(
        bad_from + 0.1,
        "gone",
        machine=0,
        until=bad_from + 200,
        kinds=("request-lost",),
        harm=1,
        delay=1,
    )
    stop = Stop(bad_from + 60, "stop", machine=0)
    trace = story(ground, BAD, full, gone, stop)
    assert sum("installs v0.2.0" in line for line in trace) == 1
