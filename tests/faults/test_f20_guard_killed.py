"""Rows 20 and 25: a service manager kills guard and worker together, and starts it again."""

from __future__ import annotations

import pytest

from support.machine import Machine


def hangs_on_probation(machine: Machine, behaviour: str) -> str:
    machine.install(machine.release("v0.4.9"))
    (machine.folder / "server-down").touch()
    machine.start()
    digest = machine.offer("v0.5.0", machine.release("v0.5.0", behaviour))
    starts_again(machine, 1)
    return digest


def starts_again(machine: Machine, times: int) -> None:
    machine.eventually(
        f"start {times} of v0.5.0",
        lambda: [event["tag"] for event in machine.events("start")].count("v0.5.0") == times,
    )


@pytest.mark.parametrize("behaviour", ["hang-at-once", "hang-late"])
def test_boot_counter_ends_the_trial(machine: Machine, behaviour: str) -> None:
    machine.environment["TEST_SILENCE"] = "600"
    digest = hangs_on_probation(machine, behaviour)
    machine.kill_all()
    machine.start()
    starts_again(machine, 2)
    machine.kill_all()
    machine.start()
    machine.eventually("the revert", lambda: machine.status().get("failed") == [digest])
    status = machine.status()
    assert status["tag"] == "v0.4.9"
    assert status["failure"]["reason"] == "boot-loop"
    assert machine.live() == machine.release("v0.4.9")
    starts_again(machine, 2)


def test_new_version_posts_a_guard_of_its_own(machine: Machine) -> None:
    machine.environment["TEST_SILENCE"] = "600"
    digest = hangs_on_probation(machine, "hang-late")
    machine.kill_all()
    machine.environment["TEST_SILENCE"] = "2"
    machine.start()
    machine.eventually("the revert", lambda: machine.status().get("failed") == [digest])
    assert machine.status()["failure"]["reason"] == "hung"
    assert machine.live() == machine.release("v0.4.9")


def test_good_release_survives_it(machine: Machine) -> None:
    machine.install(machine.release("v0.4.9"))
    (machine.folder / "server-down").touch()
    machine.start()
    machine.offer("v0.5.0", machine.release("v0.5.0"))
    machine.reaches(tag="v0.5.0", state="probation")
    machine.kill_all()
    (machine.folder / "server-down").unlink()
    machine.start()
    machine.reaches(tag="v0.5.0", state="idle", failed=[])


def test_service_manager_is_quicker_than_the_guard(machine: Machine) -> None:
    """The guard has put the old version back; someone else starts it: there are not two."""
    machine.environment["TEST_GRACE"] = "20"
    machine.install(machine.release("v0.4.9"))
    process = machine.start()
    machine.offer("v0.5.0", machine.release("v0.5.0", "exit-late"))
    (machine.folder / "server-down").touch()
    process.wait()
    machine.eventually("the restore", lambda: machine.live() == machine.release("v0.4.9"))
    again = machine.start()
    machine.reaches(tag="v0.4.9", pid=again.pid, state="idle")
    machine.eventually("the guard ends", lambda: machine.running() == [again.pid])
    assert machine.status()["failure"]["reason"] == "exited"
