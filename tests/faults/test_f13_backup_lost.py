"""Rows 13 and 21: the way back is damaged, or leads nowhere: said, bounded, and mended."""

from __future__ import annotations

import pytest

from support.machine import Machine


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_worker_stays_and_fetches_the_previous_release(machine: Machine, damage: str) -> None:
    old, new = machine.release("v0.4.9"), machine.release("v0.5.0", "hang-once-late")
    machine.install(old)
    (machine.folder / "server-down").touch()
    machine.start()
    digest = machine.offer("v0.5.0", new)
    machine.reaches(tag="v0.5.0", state="probation")
    machine.backup.unlink()
    if damage == "damaged":
        machine.backup.write_bytes(old[:-5])
        machine.backup.chmod(0o755)
    machine.reaches(tag="v0.5.0", state="inconsistent")
    status = machine.status()
    assert machine.live() == new
    assert status["failure"]["reason"] == "hung"
    assert "missing or damaged" in status["failure"]["detail"]
    assert status["failed"] == [digest]
    assert status["rescue"]["tag"] == "v0.4.9"
    (machine.folder / "server-down").unlink()
    machine.offer("v0.4.9", old)
    machine.reaches(tag="v0.4.9", state="idle", rescue=None, failed=[digest])
    assert machine.live() == old


def test_old_version_fails_as_well(machine: Machine) -> None:
    old = machine.release("v0.4.9", "exit-if-broken-at-once")
    machine.install(old)
    process = machine.start()
    machine.reaches(tag="v0.4.9", state="idle")
    (machine.folder / "server-down").touch()
    machine.offer("v0.5.0", machine.release("v0.5.0", "hang-late"))
    machine.reaches(tag="v0.5.0", state="probation")
    (machine.folder / "broken").touch()
    process.wait()
    machine.eventually("the end", lambda: not machine.running())
    # One start of the new version, one of the old one after it, and no more.
    assert [event["tag"] for event in machine.events("start")] == ["v0.4.9", "v0.5.0", "v0.4.9"]
    assert machine.live() == old
    (machine.folder / "broken").unlink()
    machine.start()
    machine.eventually("the report", lambda: machine.status().get("failed"))
    assert machine.status()["tag"] == "v0.4.9"
