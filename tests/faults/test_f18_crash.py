"""Rows 18 and 19: a release that crashes or hangs is taken back, reported, and not tried again."""

from __future__ import annotations

import pytest

from support.machine import Machine

CASES = [
    ("exit-at-once", "exited", "the release says goodbye"),
    ("exit-late", "exited", "the release says goodbye"),
    ("segfault-at-once", "exited", ""),
    ("segfault-late", "exited", "v0.5.0 runs"),
    ("hang-at-once", "hung", "the release hangs"),
    ("hang-late", "hung", "the release hangs"),
]


@pytest.mark.parametrize(("behaviour", "reason", "said"), CASES)
def test_taken_back(machine: Machine, behaviour: str, reason: str, said: str) -> None:
    old = machine.release("v0.4.9")
    machine.install(old)
    (machine.folder / "server-down").touch()
    process = machine.start()
    machine.reaches(tag="v0.4.9", state="idle")
    digest = machine.offer("v0.5.0", machine.release("v0.5.0", behaviour))
    process.wait()
    machine.eventually("the revert", lambda: machine.status().get("failed") == [digest])
    status = machine.status()
    assert status["tag"] == "v0.4.9"
    assert status["state"] == "idle"
    assert status["failure"]["reason"] == reason
    assert status["failure"]["tag"] == "v0.5.0"
    assert said in status["failure"]["log_tail"]
    assert machine.live() == old
    assert machine.running() == [status["pid"]]
    # It was offered all the time, and begun once only.
    assert [event["to"] for event in machine.events("offered")] == ["v0.5.0"]
    assert machine.events("start")[-1]["argv"] == ["--name", "one"]
    assert said in machine.console.read_text()


def test_next_release_is_taken(machine: Machine) -> None:
    machine.install(machine.release("v0.4.9"))
    machine.start()
    machine.offer("v0.5.0", machine.release("v0.5.0", "exit-at-once"))
    machine.eventually("the revert", lambda: machine.status().get("failed"))
    good = machine.release("v0.5.1")
    machine.offer("v0.5.1", good)
    machine.reaches(tag="v0.5.1", state="idle")
    assert machine.live() == good


def test_stop_is_no_crash(machine: Machine) -> None:
    machine.install(machine.release("v0.4.9"))
    (machine.folder / "server-down").touch()
    process = machine.start()
    new = machine.release("v0.5.0")
    machine.offer("v0.5.0", new)
    machine.reaches(tag="v0.5.0", state="probation")
    process.terminate()
    assert process.wait() == 0
    machine.eventually("the guard ends", lambda: not machine.running())
    assert machine.live() == new
    (machine.folder / "server-down").unlink()
    machine.start()
    machine.reaches(tag="v0.5.0", state="idle", failed=[])
