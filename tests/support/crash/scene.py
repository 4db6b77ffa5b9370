"""The stage of the crash proofs: a real server with its releases, and worker folders to kill in.

The template of those folders has lived: it has been updated before, so that a backup, two runtimes,
trusted metadata and a bundle are there when the update in question begins.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from support.crash import tracer
from support.crash.place import (
    FIRST,
    INTERVAL,
    NEW,
    OLD,
    OWNERS_FILE,
    SHAPES,
    Place,
    bundle_of,
    sha256,
)
from support.crash.start import Broken, Row, Start
from support.crash.tracer import Moment, Setup
from support.fleet import BUNDLE, LINUX, Api
from support.server import ServerProcess
from support.single_file import TESTS

RUNTIMES = 2
"""That are needed at rest: the live release's and its backup's."""


@dataclass(frozen=True)
class Story:
    """What happens on the scene.

    Attributes:
        goal: the release that is published to the worker at rest on the old one.
        end: the release that it rests on then.
        ends: those that it may rest on when it was killed more than once.
    """

    goal: str
    end: str
    ends: tuple[str, ...]


UPDATE = Story(NEW, NEW, (NEW, OLD))
REVERT = Story(f"{NEW}-exit.late", OLD, (OLD,))
"""The new release, as `support.saboteur` makes it, ends on probation."""


class Scene:
    """Server, releases and template. Its methods may be called from several threads.

    Attributes:
        template: the old release at rest.
        origin: where the update ran that nothing disturbed.
        reference: the calls of that.
        contents: what its files held when they were fsynced.
        at_rest: the names that there may be in the end.

    Args:
        build: makes the single-file worker of a version.
    """

    def __init__(self, folder: Path, build: Callable[[str], Path], story: Story = UPDATE) -> None:
        self.folder = folder
        self.story = story
        self.contents = folder / "contents"
        self.origin = Place(folder / "lane-0" / "place")
        self.files = {tag: build(tag) for tag in (FIRST, OLD, story.goal)}
        self.digests = {tag: sha256(path) for tag, path in self.files.items()}
        bundle = bundle_of(NEW if story.goal == NEW else OLD)
        self._bundle = hashlib.sha256(bundle).hexdigest()
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
            self._publish(self.story.goal)
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
                    *(sys.executable, "-m", tracer.__name__, json.dumps(asdict(setup))),
                    *place.command(self._server.url, name),
                ],
                cwd=place.root / "work",
                env={
                    **os.environ,
                    "GAIA_TOKEN": self._server.token,
                    "PYTHONPATH": str(TESTS),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return Start(self.api, name, place, process, lambda row: self._rests(row, self.story.ends))

    def converge(self, place: Place, *tags: str) -> Start:
        """Start the worker; it comes to rest on one of `tags`, whole, with nothing left over.

        Args:
            tags: the story's end, if none is given.

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
        if surplus := place.names() - self.at_rest:
            raise Broken(f"left over: {sorted(surplus)}")
        if len(place.runtimes()) > RUNTIMES:
            raise Broken(f"runtimes pile up: {place.runtimes()}")

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
        for tag in (OLD, self.story.goal):
            if found == self.digests[tag]:
                return tag
        raise Broken("what is at the path is neither the old nor the new release")

    def _rests(self, row: Row, tags: Sequence[str] = ()) -> bool:
        return (
            row["version"] in (tags or [self.story.end])
            and row["state"] == "idle"
            and row["bundle"] == self._bundle
            and row["workload"] is not None
            and row["workload"]["state"] == "running"
            and (row["version"] == self.story.goal or _knows_that_it_failed(row))
        )

    def _publish(self, *tags: str) -> None:
        for tag in tags:
            self.api.curl_upload(tag, LINUX, self.files[tag])
            if tag in SHAPES:
                path = self.folder / f"{tag}.tar.gz"
                path.write_bytes(bundle_of(tag))
                self.api.curl_upload(tag, BUNDLE, path)

    def _see_it_undisturbed(self) -> set[str]:
        """The names that the story leaves; a release that is taken back leaves the old ones too."""
        self.contents.mkdir()
        place = self.template.copy_to(self.origin.root)
        start = self.start(place, contents=str(self.contents))
        start.until(self._rests)
        self.reference = start.calls()  # without those of its stop
        start.stop()
        return self.template.names() | place.names()

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
                and row["bundle"] == hashlib.sha256(bundle_of(OLD)).hexdigest()
                and row["workload"]["state"] == "running"
            )
        )
        start.stop()
        (place.root / "seen").unlink()
        return place


def _knows_that_it_failed(row: Row) -> bool:
    """Told once: a worker that was killed after that, and is another one here, only refuses it."""
    return bool(row["failed"]) or row["reason"] == "failed-before"
