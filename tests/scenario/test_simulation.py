"""Simulated fleets under faults: every rule holds at every step, and every fleet converges."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from proofs.simulation.draw import draw, plain, with_experiments
from proofs.simulation.template import Template
from proofs.simulation.world import run

SEEDS = 200
TOGETHER = 10
TOP = Path(__file__).parents[2]

TRACE = """
from proofs.simulation.draw import draw
from proofs.simulation.search import template
from proofs.simulation.world import run
with template() as ground:
    print(*run(draw({seed}), ground).trace, sep="\\n")
"""


@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
def test_every_rule_holds(first: int, ground: Template) -> None:
    for seed in range(first, first + TOGETHER):
        violation = run(draw(seed), ground).violation
        assert violation is None, f"script/prove simulation --seed {seed}"


@pytest.mark.parametrize("seed", [1540, 1592, 1914, 2154, 2970, 3199, 4093, 5520, 20021])
def test_what_was_found_once_stays_away(seed: int, ground: Template) -> None:
    """These seeds were found before there were experiments here."""
    violation = run(plain(seed), ground).violation
    assert violation is None, f"script/prove simulation --seed {seed}"


@pytest.mark.parametrize("seed", [2678])
def test_what_was_found_with_experiments_stays_away(seed: int, ground: Template) -> None:
    violation = run(with_experiments(plain(seed)), ground).violation
    assert violation is None, f"script/prove simulation --seed {seed}"


@pytest.mark.parametrize("seed", [3, 50])
def test_a_seed_replays_exactly(seed: int) -> None:
    """In another process, where hashes of text are others."""
    first, second = (
        subprocess.run(
            [sys.executable, "-c", TRACE.format(seed=seed)],
            cwd=TOP,
            env={"PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    )
    assert first == second
    assert "starts v1.0.0" in first
