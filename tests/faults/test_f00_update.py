"""The update that nothing disturbs: what every row of the catalogue is measured against."""

from __future__ import annotations

from support.machine import Machine


def test_same_process_becomes_the_new_release(machine: Machine) -> None:
    old, new = machine.release("v0.4.9"), machine.release("v0.5.0")
    machine.install(old)
    process = machine.start()
    machine.reaches(tag="v0.4.9", state="idle")
    machine.offer("v0.5.0", new)
    status = machine.reaches(tag="v0.5.0", state="idle")
    assert status["pid"] == process.pid
    assert machine.live() == new
    assert machine.backup.read_bytes() == old
    machine.eventually("the guard ends", lambda: machine.running() == [process.pid])
    first, second = machine.events("start")
    assert second["argv"] == first["argv"] == ["--name", "one"]
    assert second["cwd"] == first["cwd"]
