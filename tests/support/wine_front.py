"""The native front of a worker for Windows, with a small program of ours behind it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gaia.cli.build import Builder, native
from gaia.worker.probation import Marker
from support.wine import SYSTEM, InstallFolder, compile_program, windows_path

_PROGRAM = Path(__file__).with_name("front_program.c")


def build_front(folder: Path) -> Path:
    """An executable that is whole but for Python: it is ready when the stub is compiled."""
    payload = folder / "build" / "payload"
    payload.mkdir(parents=True)
    compile_program(_PROGRAM, payload / SYSTEM.program)
    for leftover in payload.iterdir():
        if leftover.name != SYSTEM.program:
            leftover.rename(folder / leftover.name)
    work = folder / "work"
    native.finish(native.start(SYSTEM.platform, work), work).rename(payload.parent / "stub")
    return Builder(payload.parent, SYSTEM).stamp("v1.0.0", None, folder)


class Install(InstallFolder):
    """One where a release may be on probation."""

    @property
    def copy(self) -> Path:
        """What a service is started by."""
        return self.folder / "gaia-worker.service.exe"

    def private(self, what: str) -> Path:
        return self.folder / ".gaia" / f"gaia-worker.exe.{what}"

    def begin_probation(self, release: bytes, **more: str) -> None:
        """What an update leaves right after its swap: a release, the backup, the marker."""
        before = self.executable.read_bytes()
        self.backup.write_bytes(before)
        self.executable.write_bytes(release)
        lines = {
            "boots": "0",
            "max-boots": "2",
            "tag": "v2.0.0",
            "sha256": hashlib.sha256(release).hexdigest(),
            "backup": windows_path(self.backup).replace("\\", "/"),
            "backup-sha256": hashlib.sha256(before).hexdigest(),
        }
        marker = self.private("probation")
        marker.parent.mkdir(exist_ok=True)
        marker.write_bytes(Marker({**lines, **more}).encode())
