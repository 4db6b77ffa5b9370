"""The stage of the crash proofs: a real server with two releases, and worker folders to kill in.

A `Place` is all that one worker owns on the disk: executable, state, experiments. The template is
one that has lived: it has been updated before, so that a backup, two runtimes, trusted metadata
and a bundle are there when the update in question begins.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from support.bundles import pack_files
from support.crash import tracer
from support.crash.tracer import Call, Moment, Setup
from support.fleet import BUNDLE, LINUX, Api
from support.server import ServerProcess

FIRST, OLD, NEW = "v0.4.8", "v0.4.9", "v0.5.0"
EXECUTABLE = "worker/gaia-worker"
OWNERS_FILE = "work/experiments/mine.csv"
PATIENCE = 120.0
INTERVAL = "0.1"
_POLL = 0.1

Row = dict[str, Any]
"""A worker as the fleet's list shows it."""

# Says what it sees of its bundle as long as it runs: all of one edition, or a mixture.
_WORKLOAD = """
import pathlib, time
EDITION, NAMES = {edition!r}, {names!r}
def look():
    files = [p for p in pathlib.Path("experiments").rglob("*")
             if p.is_file() and p.name[0] != "." and p.name != "mine.csv"]
    return sorted((str(p), p.read_text()) for p in files)
while True:
    try:
        whole = look() == [(name, EDITION) for name in NAMES]
    except OSError:
        whole = False
    with open("../seen", "a") as out:
        out.write(f"{{EDITION}} {{'whole' if whole else 'MIXTURE'}}\\n")
    time.sleep(0.05)
"""
_RUNTIME = re.compile(r"[0-9a-f]{32}(\.tmp-.*)?")
_SHAPES = {
    OLD: ("experiments/a.txt", "experiments/deep/b.txt", "experiments/gone.txt", "experiments/x"),
    NEW: (
        "experiments/a.txt",
        "experiments/deep/b.txt",
        "experiments/n/new.txt",
        "experiments/x/y",
    ),
}


class Broken(AssertionError):
    """A promise that was not kept."""


def bundle_of(tag: str) -> bytes:
    """The experiments of a release: files that stay, go, come, and become a folder."""
    names = _SHAPES[tag]
    files = dict.fromkeys(names, tag)
    return pack_files({**files, "run_all.py": _WORKLOAD.format(edition=tag, names=sorted(names))})


def sha256(path: Path) -> str:
    """Of the file; empty when there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


@dataclass(frozen=True)
class Place:
    """A folder with everything that one worker owns."""

    root: Path

    @property
    def executable(self) -> Path:
        return self.root / EXECUTABLE

    def command(self, server: str, name: str, *options: str) -> list[str]:
        """How its owner starts the worker."""
        return [
            str(self.executable),
            *("--server", server, "--name", name, "--auto-update", "--sync-experiments"),
            *("--experiments-dir", str(self.root / "work/experiments")),
            *("--state-dir", str(self.root / "state"), "--heartbeat-interval", INTERVAL),
            *options,
            *("--", sys.executable, "run_all.py"),
        ]

    def copy_to(self, root: Path) -> Place:
        """A copy in the place of what is there; of the runtimes, which nobody writes to, links."""
        shutil.rmtree(root, ignore_errors=True)

        def copy(source: str, target: str) -> str:
            if "/_internal/" in source:
                os.link(source, target)
                return target
            return shutil.copy2(source, target)

        shutil.copytree(self.root, root, copy_function=copy, symlinks=True)
        return Place(root)

    def names(self) -> set[str]:
        """Everything that is there but the runtimes' insides and what the workload notes."""
        found = set()
        for folder, folders, files in os.walk(self.root):
            inside = Path(folder).relative_to(self.root)
            found |= {str(inside / name) for name in (*folders, *files)}
            folders[:] = [name for name in folders if not _RUNTIME.fullmatch(name)]
        return found - {"seen"}

    def digest(self) -> str:
        """Equal for places from which every start goes on in the same way.

        What is merely told from their content are times, and process IDs in names.
        """
        total = hashlib.sha256()
        for folder, folders, files in os.walk(self.root):
            folders.sort()
            for name in sorted(files):
                path = Path(folder, name)
                if name in ("seen", "gaia-worker.log", "workload.json"):
                    continue
                told = tracer.without_process(str(path.relative_to(self.root)))
                kind = path.stat().st_mode, path.stat().st_size
                content = "" if "_internal" in folder else sha256(path)
                if name in ("gaia-worker.journal", "gaia-worker.journal.tmp"):
                    content = _without_times(path)
                total.update(repr((told, kind[0], content or kind)).encode())
            total.update(repr(tracer.without_process(folder)).encode())
        return total.hexdigest()


def _without_times(path: Path) -> str:
    try:
        document = json.loads(path.read_bytes())
        return json.dumps([document.get(k) for k in ("state", "target", "from", "rescue")])
    except ValueError:
        return sha256(path)


class Scene:
    """Server, releases and template. Its methods may be called from several threads.

    Attributes:
        template: the old release at rest.
        origin: where the update ran that nothing disturbed.
        reference: the calls of that.
        contents: what its files held when they were fsynced.
        at_rest: the names that there may be in the end, with each of the two releases.

    Args:
        build: makes the single-file worker of a version.
    """

    def __init__(self, folder: Path, build: Callable[[str], Path]) -> None:
        self.folder = folder
        self.contents = folder / "contents"
        self.origin = Place(folder / "lane-0" / "place")
        self.files = {tag: build(tag) for tag in (FIRST, OLD, NEW)}
        self.digests = {tag: sha256(path) for tag, path in self.files.items()}
        self.bundles = {tag: hashlib.sha256(bundle_of(tag)).hexdigest() for tag in (OLD, NEW)}
        self._numbers = itertools.count()
        self._server = ServerProcess(
            folder / "server",
            folder / "server.log",
            ("--min-heartbeat-interval", INTERVAL),
            {"GAIA_LOG_LEVEL": "warning"},
        )

    @contextmanager
    def set_up(self) -> Iterator[Scene]:
        """With the server running, the template made, and the new release published."""
        self._server.start()
        try:
            self.api = Api(self._server.url, self._server.token)
            self._publish(FIRST, OLD)
            self.template = self._make_template()
            self._publish(NEW)
            self.at_rest = self._see_it_undisturbed()
            yield self
        finally:
            self._server.stop(signal.SIGKILL)

    def start(self, place: Place, *, kill: Moment | None = None, contents: str = "") -> Start:
        """Start the worker of `place` under the tracer."""
        name = f"{place.root.parent.name}-{next(self._numbers)}"
        setup = Setup(
            str(place.root), str(place.executable), str(place.root.parent / "calls"), contents, kill
        )
        with (place.root.parent / "worker.log").open("ab") as output:
            process = subprocess.Popen(
                [
                    *(sys.executable, tracer.__file__, json.dumps(asdict(setup))),
                    *place.command(self._server.url, name),
                ],
                cwd=place.root / "work",
                env={**os.environ, "GAIA_TOKEN": self._server.token},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return Start(self.api, name, place, process)

    def converge(self, place: Place, *tags: str) -> Start:
        """Start the worker; it comes to rest on one of `tags`, whole, with nothing left over.

        Raises:
            Broken: it does not.
        """
        start = self.start(place)
        try:
            start.until(lambda row: self._rests(row, tags))
        finally:
            start.stop()
        self.check_at_rest(place)
        return start

    def check_at_rest(self, place: Place) -> None:
        """No leftover, and no workload ever saw a mixture.

        Raises:
            Broken: there was.
        """
        self.check_owners_things(place)
        if surplus := place.names() - self.at_rest[self.live(place)]:
            raise Broken(f"left over: {sorted(surplus)}")

    def check_owners_things(self, place: Place) -> None:
        """The workload's bundle was always whole, and the owner's own file is as it was."""
        seen = place.root / "seen"
        if seen.exists() and "MIXTURE" in seen.read_text():
            raise Broken("the workload saw files of two bundles")
        if (place.root / OWNERS_FILE).read_text() != "mine":
            raise Broken("the owner's own file was changed")

    def live(self, place: Place) -> str:
        """Which release is at the path.

        Raises:
            Broken: none that can be run.
        """
        found = sha256(place.executable)
        if not os.access(place.executable, os.X_OK):
            raise Broken("there is no executable at the path")
        for tag in (OLD, NEW):
            if found == self.digests[tag]:
                return tag
        raise Broken("what is at the path is neither the old nor the new release")

    def _rests(self, row: Row, tags: Sequence[str]) -> bool:
        return (
            row["version"] in tags
            and row["state"] == "idle"
            and row["bundle"] == self.bundles[NEW]
            and row["workload"]["state"] == "running"
            and (row["version"] == NEW or bool(row["failed"]))
        )

    def _publish(self, *tags: str) -> None:
        for tag in tags:
            self.api.curl_upload(tag, LINUX, self.files[tag])
            if tag in self.bundles:
                path = self.folder / f"{tag}.tar.gz"
                path.write_bytes(bundle_of(tag))
                self.api.curl_upload(tag, BUNDLE, path)

    def _see_it_undisturbed(self) -> dict[str, set[str]]:
        """The names that an update leaves, and those that a release that was taken back leaves."""
        self.contents.mkdir()
        place = self.template.copy_to(self.origin.root)
        start = self.start(place, contents=str(self.contents))
        start.until(lambda row: self._rests(row, [NEW]))
        start.stop()
        self.reference = start.calls()
        return {NEW: place.names(), OLD: self.template.names() | place.names()}

    def _make_template(self) -> Place:
        place = Place(self.folder / "template" / "place")
        for name in ("worker", "state", "work/experiments"):
            (place.root / name).mkdir(parents=True)
        (place.root / OWNERS_FILE).write_text("mine")
        shutil.copy2(self.files[FIRST], place.executable)
        start = self.start(place)
        start.until(
            lambda row: (
                row["version"] == OLD
                and row["state"] == "idle"
                and row["bundle"] == self.bundles[OLD]
                and row["workload"]["state"] == "running"
            )
        )
        start.stop()
        (place.root / "seen").unlink()
        return place


class Start:
    """A worker that runs under the tracer."""

    def __init__(self, api: Api, name: str, place: Place, process: subprocess.Popen[bytes]) -> None:
        self._api = api
        self._name = name
        self._place = place
        self._process = process
        self._id = ""

    def until(self, wanted: Callable[[Row], bool]) -> None:
        """Wait for the fleet's row of it to be as wanted.

        Raises:
            Broken: it never is, or the worker ends.
        """
        deadline = time.monotonic() + PATIENCE
        row: Row = {}
        while not (row and row["workload"] and wanted(row)):
            if self._process.poll() is not None:
                raise Broken(f"the worker ended with {self._process.returncode}; {self._told()}")
            if time.monotonic() > deadline:
                raise Broken(f"it does not come to rest: {row}; {self._told()}")
            time.sleep(_POLL)
            row = self._row()

    def killed(self) -> bool:
        """Wait for the tracer's kill; False when the moment did not come before it was at rest."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._process.wait(10 * _POLL) == tracer.KILLED
            except subprocess.TimeoutExpired:
                row = self._row()
                if time.monotonic() > deadline or (row and _is_done(row)):
                    self.kill()
                    return False

    def _row(self) -> Row:
        """Asked for by ID once that is known, as the list of all is long in the end."""
        if self._id:
            found: Row = self._api.get(f"/api/fleet/{self._id}")
            return found
        row = self._api.row(self._name)
        self._id = row.get("id", "")
        return row

    def stop(self) -> None:
        """End the worker in good order, and the tracer with it."""
        for pid in _children(self._process.pid):
            os.kill(pid, signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End everything at once."""
        self._process.terminate()
        self._process.wait(30)

    def calls(self) -> list[Call]:
        """What the tracer noted."""
        return [
            Call(**json.loads(line))
            for line in (self._place.root.parent / "calls").read_text().splitlines()
        ]

    def _told(self) -> str:
        return (self._place.root.parent / "worker.log").read_text(errors="replace")[-3000:]


def _is_done(row: Row) -> bool:
    return bool(row["version"] == NEW and row["state"] == "idle" and row["heartbeats"] > 30)


def _children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in children.read_text().split()] if children.exists() else []
