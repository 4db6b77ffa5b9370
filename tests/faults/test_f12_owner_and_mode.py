"""Row 12: an executable with another owner or mode keeps both, whatever becomes of the update."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gaia.worker.installation import Installation
from gaia.worker.journal import Target
from support.machine import Machine, sha256

NOBODY = 65534
MODE = 0o750


def owned(machine: Machine, content: bytes) -> tuple[int, int, int]:
    """Install as somebody else, where the tests may do so."""
    machine.install(content)
    machine.executable.chmod(MODE)
    if os.geteuid() == 0:
        os.chown(machine.executable, NOBODY, NOBODY)
    return owner_and_mode(machine.executable)


def owner_and_mode(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def test_kept_by_an_update(machine: Machine) -> None:
    before = owned(machine, machine.release("v0.4.9"))
    machine.start()
    machine.offer("v0.5.0", machine.release("v0.5.0"))
    machine.reaches(tag="v0.5.0", state="idle")
    assert owner_and_mode(machine.executable) == owner_and_mode(machine.backup) == before


def test_kept_by_a_revert(machine: Machine) -> None:
    old = machine.release("v0.4.9")
    before = owned(machine, old)
    machine.start()
    machine.offer("v0.5.0", machine.release("v0.5.0", "exit-at-once"))
    machine.eventually("the revert", lambda: machine.status().get("failed"))
    assert machine.live() == old
    assert owner_and_mode(machine.executable) == before


def test_nobody_else_runs_what_is_not_verified_yet(machine: Machine) -> None:
    """A download is private, without a run bit, until it is whole."""
    before = owned(machine, machine.release("v0.4.9"))
    installation, new = Installation(machine.executable), machine.release("v0.5.0")
    assert installation.obstacle() == ""
    installation.begin_staging(resume=False)
    assert owner_and_mode(installation.staged)[2] == 0o600
    installation.staged.write_bytes(new)
    installation.seal(Target("v0.5.0", sha256(new), len(new)))
    assert owner_and_mode(installation.staged) == before
