"""Row 10: two workers of one executable: the second says so and does not update."""

from __future__ import annotations

from support.machine import Machine


def test_second_worker_leaves_the_executable_alone(machine: Machine) -> None:
    machine.install(machine.release("v0.4.9"))
    machine.start()
    machine.eventually("the first", lambda: machine.events("ready"))
    second = machine.start()
    machine.eventually("the second", lambda: len(machine.events("ready")) == 2)
    assert machine.events("ready")[0]["obstacle"] == ""
    ready = machine.events("ready")[1]
    assert ready["pid"] == second.pid
    assert "another worker" in ready["obstacle"]


def test_lock_ends_with_its_holder(machine: Machine) -> None:
    machine.install(machine.release("v0.4.9"))
    first = machine.start()
    machine.eventually("the first", lambda: machine.events("ready"))
    first.kill()
    first.wait()
    machine.start()
    machine.eventually("the second", lambda: len(machine.events("ready")) == 2)
    assert machine.events("ready")[1]["obstacle"] == ""
