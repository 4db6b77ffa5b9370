"""Rows 7 and 8: the running executable is linked aside, never written in place."""

from __future__ import annotations

import os

from support.machine import Machine


def test_old_file_lives_on_as_backup(machine: Machine) -> None:
    old, new = machine.release("v0.4.9"), machine.release("v0.5.0")
    machine.install(old)
    inode = machine.executable.stat().st_ino
    machine.start()
    machine.offer("v0.5.0", new)
    machine.reaches(tag="v0.5.0", state="idle")
    assert machine.backup.stat().st_ino == inode
    assert machine.executable.stat().st_ino != inode
    assert os.access(machine.backup, os.X_OK)
