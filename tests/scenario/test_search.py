"""A seed that fails is shrunk to the least that fails, and told with the command to replay it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaia.model.worker import FailureReason
from proofs.simulation.__main__ import main
from proofs.simulation.draw import draw
from proofs.simulation.faults import Publish
from proofs.simulation.search import minimal, show
from proofs.simulation.shrink import shrink
from proofs.simulation.template import Template
from proofs.simulation.world import run

SEED = 1
"""Has a release that is taken back, and much that has nothing to do with it."""


@given(st.sets(st.integers(0, 29), min_size=1))
def test_only_what_it_takes_is_left(culprits: set[int]) -> None:
    def fails(events: Sequence[int]) -> bool:
        return culprits <= set(events)

    assert shrink(range(30), fails) == sorted(culprits)


def test_what_always_fails_needs_nothing() -> None:
    assert shrink(range(5), lambda _: True) == []


def test_a_world_is_shrunk_and_told(
    ground: Template, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(FailureReason, "blames_release", property(lambda _: False))
    schedule = draw(SEED)
    violation = run(schedule, ground).violation
    assert violation is not None
    assert violation.rule == "never-again"
    smallest = minimal(schedule, violation, ground)
    assert [type(event) for event in smallest.events] == [Publish]
    assert show(SEED, ground) == 1
    told = capsys.readouterr().out
    assert "VIOLATION never-again" in told
    assert f"replay: script/prove simulation --seed {SEED}" in told


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--first", "7", "--seeds", "3", "--processes", "2"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("3 seeds in ")
    assert told.endswith("violations: 0\n")
    assert main(["--seed", "7"]) == 0
    assert "all is well" in capsys.readouterr().out
