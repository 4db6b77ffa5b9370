"""Rows 9 and 34: files vanish or change in the middle of the swap: the old version works on."""

from __future__ import annotations

import pytest

from support.machine import Machine

CASES = [
    pytest.param("link:change-staged", "swap", id="34-changed-after-verification"),
    pytest.param("link:replace-staged", "swap", id="34-replaced-after-verification"),
    pytest.param("link:remove-staged", "swap", id="9-staged-quarantined"),
    pytest.param("fork:remove-new", "swap", id="9-new-file-quarantined"),
    pytest.param("fork:remove-backup", "swap", id="9-backup-quarantined"),
]


@pytest.mark.parametrize(("sabotage", "reason"), CASES)
def test_old_process_works_on(machine: Machine, sabotage: str, reason: str) -> None:
    old = machine.release("v0.4.9")
    machine.install(old)
    machine.environment["TEST_SABOTAGE"] = sabotage
    process = machine.start()
    machine.offer("v0.5.0", machine.release("v0.5.0"))
    machine.eventually("the failure", lambda: machine.status().get("failure"))
    status = machine.status()
    assert (status["tag"], status["pid"], status["state"]) == ("v0.4.9", process.pid, "idle")
    assert status["failure"]["reason"] == reason
    assert status["failed"] == []
    assert machine.live() == old
    machine.eventually("the guard ends", lambda: machine.running() == [process.pid])
    assert not list(machine.private.glob("*.probation"))
