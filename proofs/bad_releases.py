"""Lets releases that fail in every way come to real workers, bare and under a service manager.

`script/prove bad-releases [--lanes N] [--repeats N] [--build-dir DIR]`. It writes the table of
docs/reference/bad-releases.md.
"""

from __future__ import annotations

import argparse
import collections
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from support.crash.trials import KINDS, Cell, Trials

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "bad-releases.md"
MARK = "<!-- written by script/prove bad-releases: -->"


def main() -> None:
    """Run all cells, and write what became of them."""
    options = argparse.ArgumentParser(prog="script/prove bad-releases", description=__doc__)
    options.add_argument("--lanes", type=int, default=4, help="workers at a time")
    options.add_argument("--repeats", type=int, default=20, help="runs of each cell")
    options.add_argument("--build-dir", type=Path, help="keep the build of the bad worker there")
    chosen = options.parse_args()
    cells: list[Cell] = []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bad-releases-") as name:
        folder = Path(name)
        trials = Trials(folder, chosen.build_dir or folder / "build", chosen.lanes, print)
        with trials.set_up():
            for number, kind in enumerate(KINDS):
                cells += trials.run(number, kind, chosen.repeats)
    broken = sum(len(cell.broken) for cell in cells)
    runs = sum(len(cell.reasons) for cell in cells)
    told = (
        f"{runs} releases taken back or refused, {broken} workers lost, "
        f"{(time.monotonic() - begun) / 60:.0f} min"
    )
    text = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(text + "\n".join([MARK, told, "", *table(cells), ""]), encoding="utf-8")
    print(told)
    sys.exit(min(1, broken))


def table(cells: Iterable[Cell]) -> Iterator[str]:
    """A row for each cell."""
    yield "| release | worker | came back | reasons told | starts by the manager |"
    yield "| --- | --- | --- | --- | --- |"
    for cell in cells:
        setting = "under a manager" if cell.supervised else "bare"
        runs = len(cell.reasons) + len(cell.broken)
        yield (
            f"| {cell.kind.replace('.', ', ')} | {setting} | {len(cell.reasons)} of {runs} "
            f"| {_counted(f'`{reason}`' for reason in cell.reasons)} "
            f"| {_counted(str(count) for count in cell.starts)} |"
        )


def _counted(words: Iterable[str]) -> str:
    counts = collections.Counter(words)
    return ", ".join(f"{word}: {count}" for word, count in sorted(counts.items()))


if __name__ == "__main__":
    main()
