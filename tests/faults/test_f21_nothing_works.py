"""Row 21: the release that is gone back to fails as well: bounded, and never back and forth."""

from __future__ import annotations

import sys

from support import supervisor
from support.machine import Machine


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


def test_a_service_manager_does_not_make_it_a_loop(machine: Machine) -> None:
    """The manager starts the old version for ever; that is its business, the way back is ours."""
    old = machine.release("v0.4.9", "exit-if-broken-at-once")
    machine.install(old)
    starts = machine.folder / "starts"
    command = [sys.executable, "-P", supervisor.__file__, str(starts), str(machine.executable)]
    machine.start(*command, "--name", "one")
    machine.reaches(tag="v0.4.9", state="idle")
    (machine.folder / "broken").touch()
    digest = machine.offer("v0.5.0", machine.release("v0.5.0", "exit-at-once"))

    def tags() -> list[str]:
        return [event["tag"] for event in machine.events("start")]

    machine.eventually("old versions that fail", lambda: tags()[1:].count("v0.4.9") >= 5)
    first_back = tags().index("v0.4.9", 1)
    assert set(tags()[first_back:]) == {"v0.4.9"}
    assert 1 <= tags().count("v0.5.0") <= 2
    assert machine.live() == old
    (machine.folder / "broken").unlink()
    machine.eventually("the report", lambda: machine.status().get("failed") == [digest])
    machine.reaches(tag="v0.4.9", state="idle")
