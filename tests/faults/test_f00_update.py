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


def test_many_updates_leak_nothing(machine: Machine) -> None:
    machine.install(machine.release("v0.5.0"))
    process = machine.start()
    first = machine.reaches(tag="v0.5.0", state="idle")
    for number in range(1, 11):
        machine.offer(f"v0.5.{number}", machine.release(f"v0.5.{number}"))
        status = machine.reaches(tag=f"v0.5.{number}", state="idle", pid=process.pid)
        assert status["descriptors"] == first["descriptors"]
    machine.eventually("the guards end", lambda: machine.running() == [process.pid])
    assert {path.name for path in machine.folder.iterdir()} == {
        *("gaia-worker", "gaia-worker.bak", ".gaia"),
        *("events", "status", "offer"),
    }


def test_stop_in_the_middle_of_the_swap_reaches_the_new_version(machine: Machine) -> None:
    """A signal that comes between two versions is not lost: the new one stops, in good order."""
    machine.install(machine.release("v0.4.9"))
    machine.environment["TEST_SABOTAGE"] = "execve:stop-me"
    process = machine.start()
    machine.offer("v0.5.0", machine.release("v0.5.0"))
    assert process.wait() == 0
    assert [event["tag"] for event in machine.events("start")] == ["v0.4.9", "v0.5.0"]
    machine.eventually("the guard ends", lambda: not machine.running())
    assert machine.live() == machine.release("v0.5.0")
