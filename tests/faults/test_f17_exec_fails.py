"""Row 17: exec() itself fails after the swap: the old file is put back, the process works on."""

from __future__ import annotations

import pytest

from support.machine import Machine


@pytest.mark.parametrize("sabotage", ["forbid-new", "remove-new"])
def test_old_process_works_on(machine: Machine, sabotage: str) -> None:
    """By no permission to execute it, and by nothing there to execute."""
    old = machine.release("v0.4.9")
    machine.install(old)
    machine.environment["TEST_SABOTAGE"] = f"execve:{sabotage}"
    process = machine.start()
    digest = machine.offer("v0.5.0", machine.release("v0.5.0"))
    machine.eventually("the failure", lambda: machine.status().get("failure"))
    status = machine.status()
    assert (status["tag"], status["pid"], status["state"]) == ("v0.4.9", process.pid, "idle")
    assert status["failure"]["reason"] == "exec"
    assert status["failed"] == [digest]
    assert machine.live() == old
    machine.eventually("the guard ends", lambda: machine.running() == [process.pid])
    assert not list(machine.private.glob("*.probation"))


def test_descriptors_and_output_are_as_before(machine: Machine) -> None:
    machine.install(machine.release("v0.4.9"))
    machine.environment["TEST_SABOTAGE"] = "execve:forbid-new"
    machine.start()
    before = machine.reaches(tag="v0.4.9", state="idle")["descriptors"]
    machine.offer("v0.5.0", machine.release("v0.5.0"))
    machine.eventually("the failure", lambda: machine.status().get("failure"))
    assert machine.status()["descriptors"] == before
    assert "update failed" in machine.console.read_text()
