"""Row 1 in full: a real worker, killed at each call of the swap that changes files, and on a disk
that has lost what was not fsynced there. `script/prove crash-points` does the same with all calls.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from support.crash.place import NEW, OLD
from support.crash.points import Point, crash_points, of_the_swap
from support.crash.scene import Scene
from support.crash.sweep import Sweep, Verdict

only_where_it_traces = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the tracer knows x86-64's calls"
)

pytestmark = [pytest.mark.needs_worker_build, pytest.mark.timeout(1200), only_where_it_traces]

LANES = 2


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory, build: Callable[[str], Path]
) -> Iterator[Scene]:
    with Scene(tmp_path_factory.mktemp("crash"), build).set_up() as scene:
        yield scene


@pytest.fixture(scope="module")
def swap(scene: Scene) -> list[Point]:
    return list(of_the_swap(crash_points(scene.reference)))


def broken(verdicts: Sequence[Verdict]) -> list[str]:
    return [f"{v.point.who}: {v.point.what}: {b}" for v in verdicts for b in v.broken]


def test_killed_at_every_call_of_the_swap(scene: Scene, swap: list[Point]) -> None:
    sweep = Sweep(scene, LANES, lambda _: None)
    verdicts = sweep.run(partial(sweep.crash_after, point) for point in swap)
    assert broken(verdicts) == []
    assert {verdict.point.who for verdict in verdicts} == {"old version", "guard", "new version"}
    lives = [live for verdict in verdicts for live in verdict.lives]
    assert len(lives) > 0.9 * len(swap), "moments that never came"
    assert {OLD, NEW} == set(lives)


def test_power_lost_at_every_call_of_the_swap(scene: Scene, swap: list[Point]) -> None:
    sweep = Sweep(scene, LANES, lambda _: None)
    verdicts = sweep.run(partial(sweep.cut_power, cut) for cut in sweep.power_cuts(swap))
    assert broken(verdicts) == []
    assert {OLD, NEW} == {live for verdict in verdicts for live in verdict.lives}
