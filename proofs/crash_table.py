"""docs/reference/crash-points.md, from what the phases of the proof have shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from support.crash.points import Point
from support.crash.scene import NEW, OLD
from support.crash.sweep import Verdict

MARK = "<!-- written by script/prove crash-points: -->"
"""What stands below it in the page is generated."""

_INSIDE = re.compile(r"(HASH\.tmp-[^/ ]*)/[^ ]+")
_RELEASES = {OLD: "old", NEW: "new"}


@dataclass
class _Row:
    who: str
    what: str
    calls: int = 0
    crashes: int = 0
    lives: set[str] = field(default_factory=set)
    again: int = 0
    cuts: int = 0
    broken: int = 0


def page(
    before: str,
    points: Sequence[Point],
    phases: Mapping[str, Sequence[Verdict]],
    figures: Iterable[str],
) -> str:
    """The whole page, from what it was before."""
    rows: dict[tuple[str, str], _Row] = {}
    for point in points:
        _row(rows, point).calls += point.stands_for
    for phase, verdicts in phases.items():
        for verdict in verdicts:
            row = _row(rows, verdict.point)
            row.broken += len(verdict.broken)
            match phase:
                case "kill":
                    row.crashes += len(verdict.lives)
                    row.lives |= set(verdict.lives)
                case "power":
                    row.cuts += len(verdict.lives)
                case _:
                    row.again += verdict.again
    prose = before.partition(MARK)[0]
    return prose + "\n".join([MARK, "## Figures", *figures, "", "## The calls", *_table(rows), ""])


def _row(rows: dict[tuple[str, str], _Row], point: Point) -> _Row:
    key = point.who, _INSIDE.sub(r"\1/…", point.what)
    return rows.setdefault(key, _Row(*key))


def _table(rows: Mapping[tuple[str, str], _Row]) -> Iterable[str]:
    yield "| process | call | calls | kills | at the path then | again | power cuts | broken |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in rows.values():
        lives = ", ".join(_RELEASES[tag] for tag in sorted(row.lives))
        yield (
            f"| {row.who} | `{row.what}` | {row.calls} | {row.crashes} | {lives} "
            f"| {row.again} | {row.cuts} | {row.broken} |"
        )
