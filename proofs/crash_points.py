"""Kills one real update at every call that changes files, and cuts the power there.

`script/prove crash-points [--lanes N] [--only PHASE] [--build-dir DIR]`. Each phase writes a table
of docs/reference/crash-points.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gaia.cli.build import Builder
from proofs.crash_table import rewritten, table
from support.crash.place import Place
from support.crash.points import Point, crash_points, of_the_revert
from support.crash.scene import REVERT, UPDATE, Scene, Story
from support.crash.sweep import Sweep, Verdict
from support.single_file import TESTS

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "crash-points.md"

Act = Callable[[Place], Verdict]


def kill(sweep: Sweep, points: list[Point]) -> Iterator[Act]:
    """Killed right before and right after each call."""
    return (partial(sweep.crash, point) for point in points)


def recovery(sweep: Sweep, points: list[Point]) -> Iterator[Act]:
    """Killed, and killed again in every new kind of recovery."""
    return (partial(sweep.crash_twice, point) for point in points)


def repeat(sweep: Sweep, points: list[Point]) -> Iterator[Act]:
    """Killed at one call again and again, if the call makes what could be left over."""
    makers = ("open", "creat", "mkdir", "link", "rename")
    return (
        partial(sweep.crash_repeatedly, point)
        for point in points
        if point.call.call.startswith(makers)
    )


def power(sweep: Sweep, points: list[Point]) -> Iterator[Act]:
    """Without power right after each call."""
    return (partial(sweep.cut_power, cut) for cut in sweep.power_cuts(points))


@dataclass(frozen=True)
class Phase:
    """One table of the page: what is done, in which story, at which points."""

    acts: Callable[[Sweep, list[Point]], Iterator[Act]]
    story: Story = UPDATE
    among: Callable[[Iterable[Point]], Iterable[Point]] = iter


PHASES = {
    "kill": Phase(kill),
    "recovery": Phase(recovery),
    "repeat": Phase(repeat),
    "power": Phase(power),
    "revert-kill": Phase(kill, REVERT, of_the_revert),
    "revert-power": Phase(power, REVERT, of_the_revert),
}


def main() -> None:
    """Run the phases, and write what they have shown."""
    options = argparse.ArgumentParser(prog="script/prove crash-points", description=__doc__)
    options.add_argument("--lanes", type=int, default=2, help="workers at a time")
    options.add_argument("--only", choices=PHASES)
    options.add_argument("--build-dir", type=Path, help="keep what is built there")
    chosen = options.parse_args()
    names = [chosen.only] if chosen.only else list(PHASES)
    with tempfile.TemporaryDirectory(prefix="crash-") as name:
        folder = Path(name)
        builds = chosen.build_dir or folder / "builds"
        broken = sum(prove(phase, folder / phase, builds, chosen.lanes) for phase in names)
    sys.exit(min(1, broken))


def prove(name: str, folder: Path, builds: Path, lanes: int) -> int:
    """Run a phase and write its table; how many promises were broken."""
    folder.mkdir()
    phase = PHASES[name]
    if phase.story == UPDATE:
        builder = Builder(builds / "worker")
    else:
        builder = Builder(builds / "saboteur", entry="support.saboteur:main", source=TESTS)
    begun = time.monotonic()
    with Scene(
        folder, lambda tag: builder.stamp(tag, None, folder / tag), phase.story
    ).set_up() as scene:
        points = list(phase.among(crash_points(scene.reference)))
        sweep = Sweep(scene, lanes, tell)
        verdicts = sweep.run(phase.acts(sweep, points))
    line = figures(verdicts, points, time.monotonic() - begun)
    page = rewritten(PAGE.read_text(encoding="utf-8"), name, [line, "", *table(points, verdicts)])
    PAGE.write_text(page, encoding="utf-8")
    print(f"{name}: {line}", flush=True)
    return sum(len(verdict.broken) for verdict in verdicts)


def tell(verdict: Verdict) -> None:
    """A line for each point, as it is done."""
    lives = " ".join(verdict.lives) or "-"
    print(f"{verdict.point.who}: {verdict.point.what}: {lives}", flush=True)
    for broken in verdict.broken:
        print(f"  BROKEN {broken}", flush=True)


def figures(verdicts: list[Verdict], points: list[Point], seconds: float) -> str:
    """The figures of a phase, in a line."""
    changes = sum(point.stands_for for point in points)
    crashes = sum(verdict.crashes for verdict in verdicts)
    unreached = sum(verdict.unreached for verdict in verdicts)
    broken = sum(len(verdict.broken) for verdict in verdicts)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}: {changes} calls that change files, {len(points)} points; "
        f"{crashes} crashes, **{broken} promises broken**; {unreached} moments that timing kept "
        f"from coming; {seconds / 60:.0f} min."
    )


if __name__ == "__main__":
    main()
