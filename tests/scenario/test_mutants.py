"""The rules bite: with a fault of ours in the production code, the simulation finds a violation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from types import SimpleNamespace
from typing import Any

import pytest
from tuf.api.metadata import Root, Targets

from gaia.model.directive import Directive
from gaia.model.worker import FailureReason
from gaia.protocol.worker import Failure
from gaia.worker import agent
from gaia.worker.bundle_state import BundleState
from gaia.worker.bundle_swap import BundleSwap
from gaia.worker.download import _Transfer
from gaia.worker.experiments import Experiments
from gaia.worker.installation import Installation
from gaia.worker.journal import Target
from gaia.worker.probation import Probation
from gaia.worker.trial import Trial
from proofs.simulation.draw import plain, with_experiments
from proofs.simulation.faults import (
    Crash,
    Event,
    Network,
    Publish,
    Schedule,
    Theft,
)
from proofs.simulation.releases import Behaviour
from proofs.simulation.template import Template
from proofs.simulation.world import run

Patch = pytest.MonkeyPatch


TRIES = 30


def nothing_is_signed(patch: Patch) -> None:
    for delegator in (Root, Targets):
        patch.setattr(delegator, "verify_delegate", lambda *_: None)


def the_server_is_believed(patch: Patch) -> None:
    def admit(told: Directive, **_: Any) -> Directive:
        return told

    patch.setattr(agent, "admit", admit)


def bytes_are_not_compared(patch: Patch) -> None:
    def holds(self: Installation, target: Target) -> bool:
        return self.staged.stat().st_size == target.size

    patch.setattr(Installation, "holds", holds)
    patch.setattr(_Transfer, "_matches", lambda *_: True)


def the_swap_leaves_a_gap(patch: Patch) -> None:
    def back_up(self: Installation, sha256: str) -> None:
        self.path.rename(self.backup)

    patch.setattr(Installation, "back_up", back_up)


def the_new_file_is_not_synced(patch: Patch) -> None:
    def seal(self: Installation, target: Target) -> None:
        self.staged.chmod(0o755)

    patch.setattr(Installation, "seal", seal)
    patch.setattr(
        "gaia.worker.download.os", SimpleNamespace(**(vars(os) | {"fsync": lambda _: None}))
    )


def failures_are_forgotten(patch: Patch) -> None:
    patch.setattr(FailureReason, "blames_release", property(lambda _: False))


def the_network_is_charged(patch: Patch) -> None:
    def failure_of(target: Target, error: Exception) -> Failure:
        return Failure(target.tag, target.sha256, "preflight", str(error), "", 0.0)

    patch.setattr("gaia.worker.update.failure_of", failure_of)


def a_commit_is_not_looked_for(patch: Patch) -> None:
    patch.setattr(Trial, "judge", lambda *_: None)


def a_hang_is_not_noticed(patch: Patch) -> None:
    patch.setattr("gaia.worker.guard.judge_watched", lambda **_: None)


def nothing_is_marked_before_the_swap(patch: Patch) -> None:
    patch.setattr(Probation, "begin", lambda *_: None)


def a_swap_is_not_finished(patch: Patch) -> None:
    def finish(self: Experiments) -> None:
        if pending := self._state.load().pending:
            self._state.save(BundleState(pending))

    patch.setattr(Experiments, "recover", finish)


def a_swap_is_not_synced(patch: Patch) -> None:
    patch.setattr(BundleSwap, "_sync", lambda _: None)


def the_owners_file_is_taken_for_ours(patch: Patch) -> None:
    patch.setattr("gaia.worker.bundle_swap.is_unmodified", lambda *_: True)


def the_former_bundle_is_left(patch: Patch) -> None:
    patch.setattr(Experiments, "_tidy", lambda _: None)


def has(kind: type[Event], **fields: object) -> Callable[[Event], bool]:
    """Whether an event is of that kind, with these fields."""

    def fits(event: Event) -> bool:
        found = {name: getattr(event, name, None) for name in fields}
        return isinstance(event, kind) and found == fields

    return fits


Mutant = tuple[Callable[[Patch], None], str, Callable[[Event], bool]]

MUTANTS: list[Mutant] = [
    (nothing_is_signed, "nothing-unsigned-runs", has(Theft, plot="forge")),
    (the_server_is_believed, "no-downgrade", has(Theft, plot="lowest")),
    (bytes_are_not_compared, "nothing-unsigned-runs", has(Theft, plot="evil-bytes")),
    (the_swap_leaves_a_gap, "runnable-file", has(Publish)),
    (the_new_file_is_not_synced, "runnable-file", has(Crash, power=True)),
    (failures_are_forgotten, "never-again", has(Publish, behaviour=Behaviour.EXITS)),
    (the_network_is_charged, "no-false-charge", has(Network)),
    (a_commit_is_not_looked_for, "converges", has(Publish)),
    (a_hang_is_not_noticed, "converges", has(Publish, behaviour=Behaviour.HANGS)),
    (
        nothing_is_marked_before_the_swap,
        "converges",
        has(Publish, behaviour=Behaviour.EXITS),
    ),
]


MUTANTS_OF_EXPERIMENTS: list[Mutant] = [
    (a_swap_is_not_finished, "one-bundle", has(Crash)),
    (a_swap_is_not_synced, "one-bundle", has(Crash, power=True)),
    (the_owners_file_is_taken_for_ours, "owners-work", has(Publish)),
    (the_former_bundle_is_left, "converges", has(Publish)),
]


def drawn_with_experiments(seed: int) -> Schedule:
    return with_experiments(plain(seed))


@pytest.mark.parametrize(
    ("drawn", "mutate", "rule", "wanted"),
    [
        *((plain, *mutant) for mutant in MUTANTS),
        *((drawn_with_experiments, *mutant) for mutant in MUTANTS_OF_EXPERIMENTS),
    ],
)
def test_found(
    drawn: Callable[[int], Schedule],
    mutate: Callable[[Patch], None],
    rule: str,
    wanted: Callable[[Event], bool],
    ground: Template,
    monkeypatch: Patch,
) -> None:
    """Within some seeds, of those whose schedule has what it takes."""
    mutate(monkeypatch)
    assert rule in broken(map(drawn, count()), wanted, ground)


def broken(
    schedules: Iterable[Schedule], wanted: Callable[[Event], bool], ground: Template
) -> Iterator[str]:
    """The rules that some of those schedules break that have a wanted event."""
    fitting = (schedule for schedule in schedules if any(map(wanted, schedule.events)))
    for schedule in islice(fitting, TRIES):
        violation = run(schedule, ground).violation
        if violation is not None:
            yield violation.rule
