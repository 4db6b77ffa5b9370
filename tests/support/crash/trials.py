"""Bad releases, one kind after the other, on workers that run bare or under a service manager."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from gaia.cli.build import Builder
from support import supervisor
from support.crash.place import OLD, Place, bundle_of, sha256
from support.crash.start import PATIENCE, Broken
from support.fleet import BUNDLE, LINUX, Api, end_session
from support.server import ServerProcess
from support.single_file import TESTS

BEATS_NEEDED = 5
SILENCE = 5.0
KINDS = (
    *(f"{deed}.{when}" for deed in ("exit", "hang", "segfault") for when in ("once", "late")),
    "not-executable",
    "truncated",
)


@dataclass
class Cell:
    """What became of the runs of one kind in one setting.

    Attributes:
        reasons: as the server was told.
        starts: by the service manager, the first one included; none when there is no manager.
    """

    kind: str
    supervised: bool
    reasons: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class Trials:
    """A server, and workers at the old release in as many lanes."""

    def __init__(
        self, folder: Path, build_dir: Path, lanes: int, tell: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._builder = Builder(build_dir, entry="support.saboteur:main", source=TESTS)
        self._old = self._builder.stamp(OLD, None, folder / OLD)
        self._server = ServerProcess(
            folder / "server", folder / "server.log", ("--min-heartbeat-interval", "0.1")
        )
        self._lanes: SimpleQueue[Place] = SimpleQueue()
        for number in range(lanes):
            self._lanes.put(Place(folder / f"lane-{number}" / "place"))
        self._executor = ThreadPoolExecutor(lanes)
        # A child that is forked while an executable is copied would keep it open for writing.
        self._forks = threading.Lock()
        self._numbers = itertools.count()
        self._tell = tell

    @contextmanager
    def set_up(self) -> Iterator[Trials]:
        """With the server running and the old release published."""
        self._server.start()
        try:
            self._api = Api(self._server.url, self._server.token)
            bundle = self._folder / "bundle"
            bundle.write_bytes(bundle_of(OLD))
            self._api.curl_upload(OLD, LINUX, self._old)
            self._api.curl_upload(OLD, BUNDLE, bundle)
            self._template = self._make_template()
            yield self
        finally:
            self._server.stop(signal.SIGKILL)

    def run(self, number: int, kind: str, repeats: int) -> list[Cell]:
        """Publish a bad release of that kind, and let it come to workers of both settings."""
        tag = self._publish(number, kind)
        cells = [Cell(kind, supervised) for supervised in (False, True)]
        list(self._executor.map(lambda cell: self._one(cell, tag), cells * repeats))
        return cells

    def _one(self, cell: Cell, tag: str) -> None:
        lane = self._lanes.get()
        try:
            row, starts = self._come_back(lane, tag, supervised=cell.supervised)
        except Broken as broken:
            cell.broken.append(str(broken))
            self._tell(f"{cell.kind}: {broken}")
        else:
            cell.reasons.append(row["failure"]["reason"])
            if cell.supervised:
                cell.starts.append(starts)
            self._tell(f"{cell.kind}, {cell.supervised=}: {row['failure']['reason']}, {starts=}")
        finally:
            self._lanes.put(lane)

    def _come_back(self, lane: Place, tag: str, *, supervised: bool) -> tuple[dict[str, Any], int]:
        with self._forks:
            self._template.copy_to(lane.root)
        starts = lane.root / "starts"
        before = [sys.executable, "-P", supervisor.__file__, str(starts)] if supervised else []
        name, process = self._start(lane, *before)
        try:
            row = self._until(
                name,
                lane,
                lambda row: (
                    row["version"] == OLD
                    and row["state"] == "idle"
                    and row["failed"]
                    and row["failure"]["tag"] == tag
                    and row["workload"]["state"] == "running"
                ),
            )
            if sha256(lane.executable) != sha256(self._old):
                raise Broken("it is not the old release that is at the path")
            goal = row["heartbeats"] + 3
            row = self._until(name, lane, lambda row: row["heartbeats"] >= goal)
            if (row["version"], row["reason"]) != (OLD, "failed-before"):
                raise Broken(f"it does not stay: {row['version']}, {row['reason']}")
        finally:
            end_session(process)
        count = len(starts.read_text().splitlines()) if supervised else 0
        if count > supervisor.START_LIMIT:
            raise Broken(f"{count} starts, more than systemd allows in ten seconds")
        return row, count

    def _until(
        self, name: str, lane: Place, wanted: Callable[[dict[str, Any]], object]
    ) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        row: dict[str, Any] = {}
        while not (row and row["workload"] and wanted(row)):
            if time.monotonic() > deadline:
                told = (lane.root.parent / "worker.log").read_text(errors="replace")
                raise Broken(f"it does not come back: {row}; {told[-3000:]}")
            time.sleep(0.1)
            row = self._api.row(name)
        return row

    def _start(self, place: Place, *before: str) -> tuple[str, subprocess.Popen[bytes]]:
        name = f"w{next(self._numbers)}"
        options = (
            *("--probation-heartbeats", str(BEATS_NEEDED)),
            *("--probation-silence", str(SILENCE)),
        )
        with self._forks, (place.root.parent / "worker.log").open("wb") as log:
            process = subprocess.Popen(
                [*before, *place.command(self._server.url, name, *options)],
                cwd=place.root / "work",
                env={**os.environ, "GAIA_TOKEN": self._server.token},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return name, process

    def _publish(self, number: int, kind: str) -> str:
        path = self._folder / "bad"
        tag = f"v0.5.{number}-{kind}"
        built = self._builder.stamp(tag, None, self._folder / "built").read_bytes()
        match kind:
            case "not-executable":
                path.write_bytes(b"\0\1\2 no program at all")
            case "truncated":
                path.write_bytes(built[: len(built) * 2 // 3])
            case _:
                path.write_bytes(built)
        self._api.curl_upload(tag, LINUX, path)
        return tag

    def _make_template(self) -> Place:
        place = Place(self._folder / "template" / "place")
        for folder in ("worker", "state", "work/experiments"):
            (place.root / folder).mkdir(parents=True)
        shutil.copy2(self._old, place.executable)
        name, process = self._start(place)
        try:
            self._until(name, place, lambda row: row["workload"]["state"] == "running")
        finally:
            end_session(process)
        return place
