"""Kills one update at each crash point, looks, starts it again, and looks again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue

from support.crash import power
from support.crash.place import Place
from support.crash.points import Point, crash_points
from support.crash.scene import Scene
from support.crash.start import Broken
from support.crash.tracer import Call, Moment

TRIES = 3
"""Runs until a moment that depends on timing has come."""

REPEATS = 4
"""Crashes at one and the same moment, one after the other."""


@dataclass
class Verdict:
    """What became of the crashes at one point.

    Attributes:
        crashes: how many there were.
        lives: which release was at the path right after each.
        unreached: moments that never came, as they depend on timing.
        broken: promises that were not kept.
    """

    point: Point
    crashes: int = 0
    lives: list[str] = field(default_factory=list)
    unreached: int = 0
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PowerCut:
    """What a power cut right after a point leaves, when it keeps what `kept` names."""

    point: Point
    kept: str
    tree: power.Tree


class Sweep:
    """One sweep over a scene. `lanes`: workers at a time."""

    def __init__(self, scene: Scene, lanes: int, tell: Callable[[Verdict], None]) -> None:
        self._scene = scene
        self._lanes: SimpleQueue[Place] = SimpleQueue()
        for number in range(lanes):
            self._lanes.put(Place(scene.folder / f"lane-{number}" / "place"))
        self._executor = ThreadPoolExecutor(lanes)
        self._tell = tell
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._ways: set[tuple[tuple[str, str, str], ...]] = set()

    def run(self, acts: Iterable[Callable[[Place], Verdict]]) -> list[Verdict]:
        """Each act in a lane that is free; the verdicts in the order of the acts."""

        def in_a_lane(act: Callable[[Place], Verdict]) -> Verdict:
            lane = self._lanes.get()
            try:
                verdict = act(lane)
            finally:
                self._lanes.put(lane)
            self._tell(verdict)
            return verdict

        return list(self._executor.map(in_a_lane, acts))

    def crash(self, point: Point, lane: Place) -> Verdict:
        """Kill right before and right after the call; each time see the next start converge."""
        verdict = Verdict(point)
        self._crash(lane, point.moment(after=False), verdict)
        self._crash(lane, point.moment(after=True), verdict)
        return verdict

    def crash_after(self, point: Point, lane: Place) -> Verdict:
        """The same, right after only."""
        verdict = Verdict(point)
        self._crash(lane, point.moment(after=True), verdict)
        return verdict

    def _crash(self, lane: Place, moment: Moment, verdict: Verdict) -> None:
        """Where an earlier crash has left the same on the disk, the next start is known."""
        if not self._kill(lane, moment):
            verdict.unreached += 1
            return
        verdict.crashes += 1
        try:
            verdict.lives.append(self._scene.live(lane))
            self._scene.check_owners_things(lane)
            if self._is_news(lane):
                self._scene.converge(lane)
        except Broken as broken:
            verdict.broken.append(f"{'after' if moment.after else 'before'}: {broken}")

    def crash_twice(self, point: Point, lane: Place) -> Verdict:
        """Kill right before the call, then at each call of the recovery that is new in kind.

        The recovery counts up to where it has read what it found: its first talk with the server.
        A release that was killed on probation more often than its boots allow may be taken back.
        """
        verdict = Verdict(point)
        if not self._kill(lane, point.moment(after=False)):
            verdict.unreached += 1
            return verdict
        if not self._is_news(lane):
            return verdict
        kept = lane.copy_to(lane.root.with_name("kept"))
        start = self._scene.converge(lane)
        way = list(_recovery(start.calls()))
        if not self._is_new_way(way):
            return verdict
        for second in crash_points(way):
            kept.copy_to(lane.root)
            again = self._scene.start(lane, kill=second.moment(after=True))
            if not again.killed():
                verdict.unreached += 1
                continue
            verdict.crashes += 1
            try:
                verdict.lives.append(self._scene.live(lane))
                self._scene.converge(lane, *self._scene.story.ends)
            except Broken as broken:
                verdict.broken.append(f"again at {second.what}: {broken}")
        return verdict

    def crash_repeatedly(self, point: Point, lane: Place) -> Verdict:
        """Kill right after the call, start, kill there again, …: what is left does not grow."""
        verdict = Verdict(point)
        names: list[int] = []
        self._scene.template.copy_to(lane.root)
        moment = point.moment(after=True)
        for _ in range(REPEATS):
            if not self._scene.start(lane, kill=moment).killed():
                break
            # Whoever starts a new version after a crash is the first of its run.
            first = moment.role.replace("run-2", "run-1")
            moment = Moment(first, moment.call, moment.path, moment.nth, moment.after)
            names.append(len(lane.names()))
        verdict.crashes = len(names)
        if len(names) == REPEATS and names[-1] > names[1]:
            verdict.broken.append(f"files after each crash: {names}")
        return verdict

    def power_cuts(self, points: Iterable[Point]) -> list[PowerCut]:
        """The trees that a power cut right after each of the points may leave, each once."""
        scene = self._scene
        disk = power.Disk(scene.template.root, scene.contents)
        awaited = {id(point.call): point for point in points}
        cuts: list[PowerCut] = []
        seen: set[str] = set()
        for call in power.replayed(disk, scene.reference):
            if (point := awaited.get(id(call))) is None:
                continue
            for choice in (power.nothing_unsynced, power.names_without_data):
                tree = disk.after(choice)
                if (digest := power.digest(tree)) not in seen:
                    seen.add(digest)
                    cuts.append(PowerCut(point, choice.__name__, tree))
        return cuts

    def cut_power(self, cut: PowerCut, lane: Place) -> Verdict:
        """Lay out what the power cut has left, and see the next start converge."""
        verdict = Verdict(cut.point, crashes=1)
        origin, here = self._scene.origin.root, lane.root
        power.lay_out(cut.tree, here, (os.fsencode(origin), os.fsencode(here)))
        try:
            verdict.lives.append(self._scene.live(lane))
            self._scene.converge(lane)
        except Broken as broken:
            verdict.broken.append(f"{cut.kept.replace('_', ' ')}: {broken}")
        return verdict

    def _kill(self, lane: Place, moment: Moment) -> bool:
        for _ in range(TRIES):
            self._scene.template.copy_to(lane.root)
            if self._scene.start(lane, kill=moment).killed():
                return True
        return False

    def _is_news(self, lane: Place) -> bool:
        digest = lane.digest()
        with self._lock:
            news = digest not in self._seen
            self._seen.add(digest)
        return news

    def _is_new_way(self, way: list[Call]) -> bool:
        key = tuple((call.role, call.call, call.path) for call in way)
        with self._lock:
            news = key not in self._ways
            self._ways.add(key)
        return news


def _recovery(calls: Iterable[Call]) -> Iterable[Call]:
    """Of a start, what comes before it follows the server."""
    for call in calls:
        if call.path.startswith(("state/trust/", "worker/gaia-worker.new", "state/experiments")):
            return
        if call.role and call.result >= 0:
            yield call
