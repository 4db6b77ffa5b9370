"""Row 19 from outside: a stopped process is a hung one. The other hangs are in row 18's file."""

from __future__ import annotations

import signal

from support.machine import Machine


def test_stopped_process_is_taken_back(machine: Machine) -> None:
    old = machine.release("v0.4.9")
    machine.install(old)
    (machine.folder / "server-down").touch()
    process = machine.start()
    machine.offer("v0.5.0", machine.release("v0.5.0"))
    machine.reaches(tag="v0.5.0", state="probation")
    process.send_signal(signal.SIGSTOP)
    process.wait()
    machine.reaches(tag="v0.4.9", state="idle")
    assert machine.status()["failure"]["reason"] == "hung"
    assert machine.live() == old
