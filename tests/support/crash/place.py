"""All that one worker owns on the disk, and what lies there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from support.bundles import pack_files
from support.crash import tracer

FIRST, OLD, NEW = "v0.4.8", "v0.4.9", "v0.5.0"
EXECUTABLE = "worker/gaia-worker"
OWNERS_FILE = "work/experiments/mine.csv"
INTERVAL = "0.1"

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
SHAPES = {
    OLD: ("experiments/a.txt", "experiments/deep/b.txt", "experiments/gone.txt", "experiments/x"),
    NEW: (
        "experiments/a.txt",
        "experiments/deep/b.txt",
        "experiments/n/new.txt",
        "experiments/x/y",
    ),
}


def bundle_of(tag: str) -> bytes:
    """The experiments of a release: files that stay, go, come, and become a folder."""
    names = SHAPES[tag]
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

    def runtimes(self) -> list[str]:
        """Names of the unpacked payloads, and of what is left of some."""
        return sorted(
            path.name
            for path in (self.root / "worker/.gaia").iterdir()
            if _RUNTIME.fullmatch(path.name)
        )

    def digest(self) -> str:
        """Equal for places from which every start goes on in the same way.

        Left out are times, process IDs in names, where the place is, and what is only told.
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
                elif name in ("gaia-worker.probation", "gaia-worker.reverted"):
                    content = path.read_text().replace(str(self.root), "")
                total.update(repr((told, kind[0], content or kind)).encode())
            inside = str(Path(folder).relative_to(self.root))
            total.update(tracer.without_process(inside).encode())
        return total.hexdigest()


def _without_times(path: Path) -> str:
    try:
        document = json.loads(path.read_bytes())
        return json.dumps([document.get(k) for k in ("state", "target", "from", "rescue")])
    except ValueError:
        return sha256(path)
