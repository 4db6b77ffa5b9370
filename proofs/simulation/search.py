"""Looking for a seed that breaks a rule, and for the least that breaks it."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from proofs.simulation.draw import draw
from proofs.simulation.faults import Event, Schedule
from proofs.simulation.rules import Violation
from proofs.simulation.shrink import shrink
from proofs.simulation.template import Template
from proofs.simulation.world import Outcome, run

_MEMORY = Path("/dev/shm")
_CHUNK = 20
_LINE_EVERY = 500
_CHUNKS_OF_A_PROCESS = 25
"""Simulated processes that are killed leave descriptors open; with a real one they are gone."""


@contextlib.contextmanager
def template() -> Iterator[Template]:
    """The ground that worlds are made on."""
    where = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="gaia-simulation-", dir=where) as folder:
        yield Template(Path(folder))


def show(seed: int, ground: Template) -> int:
    """Run one seed; print its trace or, when it fails, that of the smallest schedule that does."""
    schedule = draw(seed)
    outcome = run(schedule, ground)
    if outcome.violation is None:
        print(_told(schedule, outcome))
        return 0
    print(f"\nseed {seed}: {outcome.violation}\nshrinking {len(schedule.events)} events …")
    smallest = minimal(schedule, outcome.violation, ground)
    print(_told(smallest, run(smallest, ground)))
    print(f"replay: {replay(seed)}")
    return 1


def minimal(schedule: Schedule, violation: Violation, ground: Template) -> Schedule:
    """The smallest schedule that breaks the same rule."""

    def fails(events: Sequence[Event]) -> bool:
        found = run(replace(schedule, events=tuple(events)), ground).violation
        return found is not None and found.rule == violation.rule

    return replace(schedule, events=tuple(shrink(schedule.events, fails)))


def failures(seeds: range, ground: Template, processes: int) -> Iterator[tuple[int, Violation]]:
    """The seeds that break a rule, as they are found."""
    # Not forked: a process that is copied in the middle of its threads' work may hang.
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, maxtasksperchild=_CHUNKS_OF_A_PROCESS) as pool:
        results = pool.imap_unordered(partial(_judge, ground), seeds, _CHUNK)
        for done, (seed, violation) in enumerate(results, 1):
            if sys.stderr.isatty():
                print(f"\r{done} of {len(seeds)} seeds", end="", file=sys.stderr, flush=True)
            elif done % _LINE_EVERY == 0:
                print(f"{done} of {len(seeds)} seeds", file=sys.stderr, flush=True)
            if violation is not None:
                yield seed, violation


def _judge(ground: Template, seed: int) -> tuple[int, Violation | None]:
    return seed, run(draw(seed), ground).violation


def _told(schedule: Schedule, outcome: Outcome) -> str:
    experiments = ", with experiments" if schedule.experiments else ""
    lines = [
        f"machines: {', '.join(schedule.machines)}{experiments}",
        *outcome.trace,
        f"{outcome.seconds:.0f} virtual seconds: {outcome.violation or 'every rule held'}",
    ]
    return "\n".join(lines)


def replay(seed: int) -> str:
    """The command that runs a seed again."""
    return f"script/prove simulation --seed {seed}"
