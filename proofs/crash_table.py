"""The tables of docs/reference/crash-points.md, one for each phase of the proof."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from support.crash.place import NEW, OLD
from support.crash.points import Point
from support.crash.scene import REVERT
from support.crash.sweep import Verdict

END = "<!-- end -->"
_INSIDE = re.compile(r"(HASH\.tmp-[^/ ]*)/[^ ]+")
_RELEASES = {OLD: "old", NEW: "new", REVERT.goal: "new"}


@dataclass
class Row:
    """The points of one process that look the same to people."""

    who: str
    what: str
    calls: int = 0
    crashes: int = 0
    lives: set[str] = field(default_factory=set)
    broken: int = 0


def rewritten(before: str, phase: str, lines: Iterable[str]) -> str:
    """The page with that phase's part written anew."""
    mark = f"<!-- written by script/prove crash-points --only {phase} -->\n"
    head, _, rest = before.partition(mark)
    return head + mark + "\n".join([*lines, END]) + rest.partition(END)[2]


def table(points: Sequence[Point], verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A row for what looks the same; calls that no crash was made at are left out."""
    rows: dict[tuple[str, str], Row] = {}
    for point in points:
        _row(rows, point).calls += point.stands_for
    for verdict in verdicts:
        row = _row(rows, verdict.point)
        row.crashes += verdict.crashes
        row.lives |= set(verdict.lives)
        row.broken += len(verdict.broken)
    yield "| process | call | calls | crashes | at the path then | broken |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in rows.values():
        if row.crashes:
            lives = ", ".join(_RELEASES[tag] for tag in sorted(row.lives))
            yield (
                f"| {row.who} | `{row.what}` | {row.calls} | {row.crashes} | {lives} "
                f"| {row.broken} |"
            )


def _row(rows: dict[tuple[str, str], Row], point: Point) -> Row:
    key = point.who, _INSIDE.sub(r"\1/…", point.what)
    return rows.setdefault(key, Row(*key))
