"""Kills one real update at every call that changes files, and cuts the power there.

`script/prove crash-points [--lanes N] [--only PHASE] [--build-dir DIR]`. Each phase writes a table
of docs/reference/crash-points.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gaia.cli.build import Builder
from proofs.crash_table import rewritten, table
from support.crash.points import Point, crash_points
from support.crash.scene import Place, Scene
from support.crash.sweep import Sweep, Verdict

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


PHASES = {act.__name__: act for act in (kill, recovery, repeat, power)}


def main() -> None:
    """Run the phases, and write what they have shown."""
    options = argparse.ArgumentParser(prog="script/prove crash-points", description=__doc__)
    options.add_argument("--lanes", type=int, default=2, help="workers at a time")
    options.add_argument("--only", choices=PHASES)
    options.add_argument("--build-dir", type=Path, help="keep the build of the worker there")
    chosen = options.parse_args()
    broken = 0
    with tempfile.TemporaryDirectory(prefix="crash-") as name:
        folder = Path(name)
        builder = Builder(chosen.build_dir or folder / "build")
        with Scene(folder, lambda tag: builder.stamp(tag, None, folder / tag)).set_up() as scene:
            points = list(crash_points(scene.reference))
            changes = sum(point.stands_for for point in points)
            print(f"{len(scene.reference)} calls, {changes} change something, {len(points)} points")
            for phase in [chosen.only] if chosen.only else PHASES:
                begun = time.monotonic()
                sweep = Sweep(scene, chosen.lanes, tell)
                verdicts = sweep.run(PHASES[phase](sweep, points))
                line = figures(verdicts, changes, len(points), time.monotonic() - begun)
                page = PAGE.read_text(encoding="utf-8")
                page = rewritten(page, phase, [line, "", *table(points, verdicts)])
                PAGE.write_text(page, encoding="utf-8")
                print(f"{phase}: {line}", flush=True)
                broken += sum(len(verdict.broken) for verdict in verdicts)
    sys.exit(min(1, broken))


def tell(verdict: Verdict) -> None:
    """A line for each point, as it is done."""
    lives = " ".join(verdict.lives) or "-"
    print(f"{verdict.point.who}: {verdict.point.what}: {lives}", flush=True)
    for broken in verdict.broken:
        print(f"  BROKEN {broken}", flush=True)


def figures(verdicts: list[Verdict], changes: int, points: int, seconds: float) -> str:
    """The figures of a phase, in a line."""
    crashes = sum(verdict.crashes for verdict in verdicts)
    unreached = sum(verdict.unreached for verdict in verdicts)
    broken = sum(len(verdict.broken) for verdict in verdicts)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}: {changes} calls that change something, at {points} points; "
        f"{crashes} crashes, **{broken} promises broken**; {unreached} moments that timing kept "
        f"from coming; {seconds / 60:.0f} min."
    )


if __name__ == "__main__":
    main()
