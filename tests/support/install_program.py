"""A worker in miniature: the real installation code, without server, trust and workload.

`support.machine` writes tiny `#!` scripts that run it, one for each release. Beside the executable
it keeps `events` (a JSON line for each thing that happened) and `status`, and reads `offer` (the
release to go to) and `server-down`.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from threading import Event

import msgspec

from gaia.planning.probation import Evidence
from gaia.worker.background import Background
from gaia.worker.console import Console
from gaia.worker.journal import Target
from gaia.worker.relaunch import Launch
from gaia.worker.staging import Fetch
from gaia.worker.trial import Policy, Site
from gaia.worker.update import Update

TICK = 0.02


def main(tag: str, behaviour: str, executable: Path) -> None:
    """Run the release `tag`, which behaves well or otherwise."""
    if "--self-check" in sys.argv:
        self_check(behaviour)
        return
    console = Console.adopt(os.environ)
    launch = Launch.here(executable, dict(os.environ))
    policy = Policy(
        heartbeats_needed=5,
        silence_allowed=float(os.environ.get("TEST_SILENCE", "5")),
        restart_grace=float(os.environ.get("TEST_GRACE", "0.3")),
        preflight_deadline=5,
    )
    site = Site(launch, console, policy)
    if site.probation.count_boot():  # a native stub does this first of all
        launch.execute({})
    Worker(tag, behaviour, site).run()


class Worker:
    """The main loop, and its notes in the folder of the executable."""

    def __init__(self, tag: str, behaviour: str, site: Site) -> None:
        self.tag = tag
        self.behaviour = behaviour
        self.site = site
        self.folder = site.launch.path.parent
        self.stopping = False
        self.background = Background()
        self.update = Update(site, self.background, tag, self.folder)
        self.status: dict[str, object] = {}

    def run(self) -> None:
        self.note("start", argv=sys.argv[1:], cwd=self.site.launch.folder)
        misbehave(self.behaviour, "at-once", self.folder)
        signal.signal(signal.SIGTERM, self.stop)
        self.update.start()
        print(f"{self.tag} runs", flush=True)
        self.note("ready", obstacle=self.update.obstacle)
        beats = ticks = 0
        while not self.stopping:
            self.background.poll()
            self.update.alive()
            beats += not (self.folder / "server-down").exists()
            self.update.judge(Evidence(beats, True, True, 0))
            self.follow_offer()
            self.tell_status()
            ticks += 1
            if ticks > 3:
                misbehave(self.behaviour, "late", self.folder)
            time.sleep(TICK)
        self.update.stopping()

    def stop(self, *_: object) -> None:
        self.stopping = True

    def follow_offer(self) -> None:
        try:
            entry = json.loads((self.folder / "offer").read_text())
        except FileNotFoundError:
            return
        target = Target(entry["tag"], entry["sha256"], entry["size"])
        if target.tag != self.tag and self.update.offer(target, copy_of(Path(entry["file"]))):
            self.note("offered", to=target.tag)
        if self.update.state == "draining":
            self.note("swapping")
            arm_kill(self.folder)
            arm_sabotage(self.site.launch.path)
            self.update.swap_and_exec(workload_ran=True)

    def tell_status(self) -> None:
        before, self.status = self.status, status_of(self.tag, self.update)
        if self.status != before:
            aside = self.folder / "status.tmp"
            aside.write_text(json.dumps(self.status))
            aside.replace(self.folder / "status")

    def note(self, event: str, **more: object) -> None:
        line = json.dumps({"event": event, "tag": self.tag, "pid": os.getpid(), **more})
        with (self.folder / "events").open("a") as file:
            file.write(line + "\n")


def status_of(tag: str, update: Update) -> dict[str, object]:
    failure = update.failure
    return {
        "tag": tag,
        "pid": os.getpid(),
        "state": update.state,
        "obstacle": update.obstacle,
        "failure": None if failure is None else msgspec.to_builtins(failure),
        "failed": sorted(update.failed_digests),
        "rescue": None if update.rescue is None else asdict(update.rescue),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
    }


def self_check(behaviour: str) -> None:
    print("checking", flush=True)
    if behaviour == "exit-check":
        sys.exit(3)
    if behaviour == "hang-check":
        if os.fork() == 0:
            Path(sys.argv[0]).with_suffix(".grandchild").write_text(str(os.getpid()))
        time.sleep(1000)
    if behaviour == "segfault-check":
        os.kill(os.getpid(), signal.SIGSEGV)


def misbehave(behaviour: str, when: str, folder: Path) -> None:
    if behaviour == f"exit-if-broken-{when}" and (folder / "broken").exists():
        os._exit(1)
    if behaviour == f"hang-once-{when}" and not (folder / "hung").exists():
        (folder / "hung").touch()
        time.sleep(1000)
    if behaviour == f"exit-{when}":
        print("the release says goodbye", file=sys.stderr, flush=True)
        os._exit(1)
    if behaviour == f"segfault-{when}":
        os.kill(os.getpid(), signal.SIGSEGV)
    if behaviour == f"hang-{when}":
        print("the release hangs", file=sys.stderr, flush=True)
        time.sleep(1000)


def copy_of(source: Path) -> Fetch:
    def fetch(path: Path, progress: Callable[[int], None], cancelled: Event) -> None:
        shutil.copyfile(source, path)

    return fetch


def arm_kill(folder: Path) -> None:
    """SIGKILL the whole session right before the nth call that changes the disk, if so asked."""
    nth = int(os.environ.get("TEST_KILL_AT", "0"))
    if nth == 0 or (folder / "killed").exists():
        return
    count = 0

    def wrap(name: str) -> None:
        call = getattr(os, name)

        def wrapped(*arguments: object, **more: object) -> object:
            nonlocal count
            count += 1
            if count == nth:
                (folder / "killed").touch()
                os.killpg(0, signal.SIGKILL)
            return call(*arguments, **more)

        setattr(os, name, wrapped)

    for name in ("link", "rename", "replace", "unlink", "fsync", "fork", "execve"):
        wrap(name)


def arm_sabotage(executable: Path) -> None:
    """Let someone meddle right before the given call: `TEST_SABOTAGE=CALL:DEED`."""
    name, _, deed = os.environ.get("TEST_SABOTAGE", "").partition(":")
    if not name:
        return
    call = getattr(os, name)
    staged, backup = (
        executable.with_name("gaia-worker.new"),
        executable.with_name("gaia-worker.bak"),
    )

    def meddle(*arguments: object, **more: object) -> object:
        setattr(os, name, call)
        match deed:
            case "change-staged":
                staged.write_bytes(staged.read_bytes() + b"# changed\n")
            case "replace-staged":
                staged.unlink()
                shutil.copy("/bin/true", staged)
            case "remove-staged":
                staged.unlink()
            case "remove-new":
                executable.unlink()
            case "remove-backup":
                backup.unlink()
            case "stop-me":
                os.kill(os.getpid(), signal.SIGTERM)
            case "stop-me":
                os.kill(os.getpid(), signal.SIGTERM)
            case "forbid-new":
                executable.chmod(0o644)
        return call(*arguments, **more)

    setattr(os, name, meddle)
