"""The single-file worker: size, memory at rest, time to launch, and downtime of an update.

When a heartbeat came is what the server says (`last_seen` in the fleet); when the workload
stopped and started is what the workload says.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from benchmarks.installed import Entry, Installed
from benchmarks.servers import Running, gaia, upload
from gaia.cli.build import Builder

STARTS = 5
UPDATES = 5
HEARTBEATS = 30
INTERVAL = 0.1
IDLE_AIM = 60
SECONDS_AIM = 1
FILENAME = "gaia-worker-linux"

# Ends as soon as it is told to, so that only the worker's own time is seen.
WORKLOAD = """
import signal, sys, time
def note(act):
    with open("acts.txt", "a") as out:
        out.write(f"{act} {time.time()}\\n")
signal.signal(signal.SIGTERM, lambda *_: (note("stopped"), sys.exit()))
note("started")
while True:
    signal.pause()
"""

Times = dict[str, list[float]]


def run() -> None:
    """Print all figures of the worker, with ratios to what is aimed at."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        builder = Builder(folder / "build")
        first = builder.stamp("v1.0.0", None, folder / "v1.0.0")
        print(f"worker: one file of {first.stat().st_size / 1e6:.1f} MB; medians and slowest")
        with gaia(folder, "--min-heartbeat-interval", str(INTERVAL)) as server:
            upload(server, "v1.0.0", FILENAME, first)
            _show(_launches(server, folder, first), SECONDS_AIM)
            downtimes, totals = _updates(server, folder, builder)
            _show(downtimes, SECONDS_AIM)
            _show(totals)


def _launches(server: Running, folder: Path, executable: Path) -> Times:
    """From the start of the process to the arrival of its first heartbeat."""
    times: Times = defaultdict(list)
    for number in range(STARTS):
        worker = Installed(server, folder / f"launch-{number}", executable)
        times["first launch, unpacking, to first heartbeat"].append(_launch(worker))
        times["later launch, to first heartbeat"].append(_launch(worker))
    return times


def _launch(worker: Installed) -> float:
    before = worker.entry()["heartbeats"]
    began = time.time()
    with worker.running("--auto-update"):
        entry = worker.wait(lambda entry: entry["heartbeats"] > before)
    return float(entry["last_seen"]) - began


def _updates(server: Running, folder: Path, builder: Builder) -> tuple[Times, Times]:
    """Downtimes of updates, and how long it all took."""
    down: Times = defaultdict(list)
    total: Times = defaultdict(list)
    worker = Installed(server, folder / "updates", folder / "v1.0.0" / FILENAME)
    options = ("--auto-update", "--heartbeat-interval", str(INTERVAL))
    with worker.running(*options, "--", sys.executable, "-c", WORKLOAD) as process:
        worker.wait(lambda entry: entry["heartbeats"] >= HEARTBEATS and worker.acts())
        _show_memory("fresh", process)
        for number in range(1, UPDATES + 1):
            tag = f"v1.0.{number}"
            upload(server, tag, FILENAME, builder.stamp(tag, None, folder / tag))
            uploaded = time.time()
            old, new, committed = _update(worker, tag, workload_acts=2 * number + 1)
            down["update, last heartbeat of old to first of new"].append(new - old)
            total["update, uploaded to first heartbeat of new"].append(new - uploaded)
            total["update, uploaded to committed"].append(committed - uploaded)
        _show_memory(f"after {UPDATES} updates", process)
    stops = itertools.pairwise((act, float(at)) for act, at in worker.acts())
    down["update, workload stopped to started"] = [
        end - begin for (act, begin), (_, end) in stops if act == "stopped"
    ]
    return down, total


def _update(worker: Installed, tag: str, workload_acts: int) -> tuple[float, float, float]:
    """When the last heartbeat of the old version came, the first of the new, the first at rest."""

    def done(entry: Entry) -> bool:
        at_rest = (entry["version"], entry["state"]) == (tag, "idle")
        return at_rest and len(worker.acts()) >= workload_acts

    seen = list(worker.watch(done))
    return (
        max(entry["last_seen"] for entry in seen if entry["version"] != tag),
        min(entry["last_seen"] for entry in seen if entry["version"] == tag),
        min(e["last_seen"] for e in seen if (e["version"], e["state"]) == (tag, "idle")),
    )


def _show(times: Times, aim: float | None = None) -> None:
    for what, taken in times.items():
        middle = statistics.median(taken)
        ratio = "" if aim is None else f", {middle / aim:.2f} of the aim of {aim:g} s"
        print(f"  {what:48} {middle:5.2f} s, slowest {max(taken):5.2f} s{ratio}")


def _show_memory(when: str, process: int) -> None:
    """Resident: all pages; proportional: those shared with others counted in part."""
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(value.split()[0]) * 1024 / 1e6 for name, value in map(_split, rollup)}
    print(
        f"  {'idle, ' + when:48} {sizes['Rss']:5.0f} MB resident ({sizes['Pss']:.0f} MB "
        f"proportional), {sizes['Rss'] / IDLE_AIM:.2f} of the aim of {IDLE_AIM} MB"
    )


def _split(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value
