"""Rows 22 and 23: no server, a suspended host: probation waits, and nothing is taken back."""

from __future__ import annotations

import os
import signal
import time

from support.machine import Machine


def on_probation(machine: Machine) -> int:
    machine.environment["TEST_SILENCE"] = "1.5"
    machine.install(machine.release("v0.4.9"))
    (machine.folder / "server-down").touch()
    process = machine.start()
    machine.offer("v0.5.0", machine.release("v0.5.0"))
    machine.reaches(tag="v0.5.0", state="probation")
    return process.pid


def commits(machine: Machine, pid: int) -> None:
    (machine.folder / "server-down").unlink()
    machine.reaches(tag="v0.5.0", state="idle", pid=pid, failed=[])
    assert machine.live() == machine.release("v0.5.0")


def test_server_gone_for_longer_than_silence_may_last(machine: Machine) -> None:
    pid = on_probation(machine)
    alive = machine.private / "gaia-worker.alive"
    first = alive.stat().st_mtime
    machine.eventually("much later", lambda: alive.stat().st_mtime > first + 4)
    assert machine.status()["state"] == "probation"
    commits(machine, pid)


def test_whole_machine_stands_still(machine: Machine) -> None:
    """Guard and worker stop together, as in a suspend or a frozen container."""
    pid = on_probation(machine)
    everyone = machine.running()
    assert len(everyone) == 2
    for one in everyone:
        os.kill(one, signal.SIGSTOP)
    since = time.monotonic()
    machine.eventually("the end of the standstill", lambda: time.monotonic() > since + 4)
    for one in everyone:
        os.kill(one, signal.SIGCONT)
    commits(machine, pid)


def test_clock_set_back_by_years(machine: Machine) -> None:
    """Signs of life are told by their change, not by their date."""
    pid = on_probation(machine)
    alive = machine.private / "gaia-worker.alive"
    os.utime(alive, (0, 0))
    machine.eventually("signs of life", lambda: alive.stat().st_mtime > 0)
    commits(machine, pid)
