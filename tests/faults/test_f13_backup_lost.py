"""Row 13: the way back is damaged: it is said, and the previous release is fetched again."""

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
