"""A worker in miniature: the real installation code, without server, trust and workload.

The `machine` fixture (`support.machine`) writes tiny `#!` scripts that run it, one for each release.
Around the executable it keeps `events` (one JSON line for each thing that happened), `status`, and
reads `offer` (the release to go to) and `server-down`.
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
    folder = executable.parent

    def note(event: str, **more: object) -> None:
        line = json.dumps({"event": event, "tag": tag, "pid": os.getpid(), **more})
        with (folder / "events").open("a") as file:
            file.write(line + "\n")

    console = Console.adopt(os.environ)
    launch = Launch.here(executable, dict(os.environ))
    policy = Policy(
        heartbeats_needed=5,
        silence_allowed=float(os.environ.get("TEST_SILENCE", "2")),
        restart_grace=float(os.environ.get("TEST_GRACE", "0.3")),
        preflight_deadline=5,
    )
    site = Site(launch, console, policy)
    if site.probation.count_boot():
        launch.execute({})
    note("start", argv=sys.argv[1:], cwd=launch.folder, environment=sorted(os.environ))
    misbehave(behaviour, "at-once", folder)
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    background = Background()
    update = Update(site, background, tag, folder)
    update.start()
    print(f"{tag} runs", flush=True)
    note("ready", state=update.state, obstacle=update.obstacle)
    beats = ticks = 0
    status = None
    while not stopping:
        background.poll()
        update.alive()
        if not (folder / "server-down").exists():
            beats += 1
        update.judge(Evidence(beats, True, True, 0))
        offer = read_offer(folder)
        if offer is not None and offer[0].tag != tag and update.offer(offer[0], copy_of(offer[1])):
            note("offered", to=offer[0].tag)
        if update.state == "draining":
            note("swapping")
            arm_kill(folder)
            arm_sabotage(executable)
            update.swap_and_exec(workload_ran=True)
        before, status = status, status_of(tag, update)
        if status != before:
            aside = folder / "status.tmp"
            aside.write_text(json.dumps(status))
            aside.replace(folder / "status")
        ticks += 1
        if ticks > 3:
            misbehave(behaviour, "late", folder)
        time.sleep(TICK)
    update.stopping()
    note("stopped")


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
        "descriptors": len(os.listdir("/proc/self/fd")),
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


def read_offer(folder: Path) -> tuple[Target, Path] | None:
    try:
        entry = json.loads((folder / "offer").read_text())
    except FileNotFoundError:
        return None
    return Target(entry["tag"], entry["sha256"], entry["size"]), Path(entry["file"])


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
            case "forbid-new":
                executable.chmod(0o644)
        return call(*arguments, **more)

    setattr(os, name, meddle)
