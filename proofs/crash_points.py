"""Kills one real update at every call that changes files, and cuts the power there.

`script/prove crash-points [--lanes N] [--only PHASE] [--build-dir DIR]`. It writes the
tables of docs/reference/crash-points.md, unless it is told to do only a part.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gaia.cli.build import Builder
from proofs.crash_table import page
from support.crash.points import Point, crash_points
from support.crash.scene import Place, Scene
from support.crash.sweep import Sweep, Verdict

TABLE = Path(__file__).parents[1] / "docs" / "reference" / "crash-points.md"
PHASES = ("kill", "recovery", "repeat", "power")


@dataclass(frozen=True)
class Result:
    """What one phase has shown, and how long it took."""

    phase: str
    verdicts: Sequence[Verdict]
    seconds: float

    @property
    def broken(self) -> int:
        """Promises that were not kept."""
        return sum(len(verdict.broken) for verdict in self.verdicts)


def main() -> None:
    """Run the phases, and write what they have shown."""
    options = argparse.ArgumentParser(prog="script/prove crash-points", description=__doc__)
    options.add_argument("--lanes", type=int, default=2, help="workers at a time")
    options.add_argument("--only", choices=PHASES)
    options.add_argument("--build-dir", type=Path, help="keep the build of the worker there")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="crash-") as name:
        folder = Path(name)
        builder = Builder(chosen.build_dir or folder / "build")
        with Scene(folder, lambda tag: builder.stamp(tag, None, folder / tag)).set_up() as scene:
            points = list(crash_points(scene.reference))
            sweep = Sweep(scene, chosen.lanes, tell)
            acts: dict[str, Callable[[], Iterable[Callable[[Place], Verdict]]]] = {
                "kill": lambda: (partial(sweep.crash, point) for point in points),
                "recovery": lambda: (partial(sweep.crash_twice, point) for point in points),
                "repeat": lambda: (
                    partial(sweep.crash_repeatedly, point) for point in points if _makes(point)
                ),
                "power": lambda: (
                    partial(sweep.cut_power, cut) for cut in sweep.power_cuts(points)
                ),
            }
            results = []
            for phase in [chosen.only] if chosen.only else PHASES:
                begun = time.monotonic()
                verdicts = sweep.run(acts[phase]())
                results.append(Result(phase, verdicts, time.monotonic() - begun))
    if not chosen.only:
        calls = sum(point.stands_for for point in points)
        by_phase = {result.phase: result.verdicts for result in results}
        figures = [
            f"- {len(scene.reference)} calls; {calls} changed something, at {len(points)} points",
            *(f"- {summary(result)}" for result in results),
        ]
        before = TABLE.read_text(encoding="utf-8")
        TABLE.write_text(page(before, points, by_phase, figures), encoding="utf-8")
    for result in results:
        print(summary(result))
    sys.exit(min(1, sum(result.broken for result in results)))


def tell(verdict: Verdict) -> None:
    """A line for each point, as it is done."""
    lives = " ".join(verdict.lives) or "-"
    print(f"{verdict.point.who}: {verdict.point.what}: {lives}", flush=True)
    for broken in verdict.broken:
        print(f"  BROKEN {broken}", flush=True)


def summary(result: Result) -> str:
    """A line for each phase."""
    kills = sum(len(verdict.lives) for verdict in result.verdicts)
    unreached = sum(verdict.unreached for verdict in result.verdicts)
    return (
        f"{result.phase}: {kills} crashes, {unreached} moments not reached, "
        f"{result.broken} promises broken, {result.seconds / 60:.0f} min"
    )


def _makes(point: Point) -> bool:
    """Whether the call makes something that could be left over."""
    return point.call.call.startswith(("open", "creat", "mkdir", "link", "rename"))


if __name__ == "__main__":
    main()
