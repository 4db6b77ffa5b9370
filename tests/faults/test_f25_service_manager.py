"""Row 25: a service manager ends all that a worker leaves, the guard too, and starts it again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support import supervisor
from support.machine import Machine

FAILURES = [
    f"{deed}-{when}" for deed in ("exit", "hang", "segfault") for when in ("at-once", "late")
]


def start_supervised(machine: Machine) -> subprocess.Popen[bytes]:
    """Start the worker under the service manager."""
    starts = str(machine.folder / "starts")
    return machine.start(
        *(
            sys.executable,
            "-P",
            supervisor.__file__,
            starts,
            str(machine.executable),
            "--name",
            "one",
        )
    )


def starts(machine: Machine) -> int:
    """How often the manager started it."""
    return len((machine.folder / "starts").read_text().splitlines())


@pytest.mark.parametrize("behaviour", FAILURES)
def test_a_bad_release_is_taken_back(machine: Machine, behaviour: str) -> None:
    """By guard or boot counter, whichever the manager's killing lets come first."""
    old = machine.release("v0.4.9")
    machine.install(old)
    start_supervised(machine)
    machine.reaches(tag="v0.4.9", state="idle")
    (machine.folder / "server-down").touch()
    digest = machine.offer("v0.5.0", machine.release("v0.5.0", behaviour))
    machine.eventually("the revert", lambda: machine.status().get("failed") == [digest])
    machine.reaches(tag="v0.4.9", state="idle")
    assert machine.live() == old
    assert machine.status()["failure"]["reason"] in ("exited", "hung", "boot-loop")
    assert [event["to"] for event in machine.events("offered")] == ["v0.5.0"]
    assert starts(machine) <= supervisor.START_LIMIT


def test_restarted_in_mid_update(machine: Machine) -> None:
    """The manager's restart comes in the swap: the next start goes on, and there is one worker."""
    machine.install(machine.release("v0.4.9"))
    machine.environment["TEST_SABOTAGE"] = "execve:stop-me"
    start_supervised(machine)
    new = machine.release("v0.5.0")
    machine.offer("v0.5.0", new)
    status = machine.reaches(tag="v0.5.0", state="idle", failed=[])
    machine.eventually("the second start", lambda: starts(machine) == 2)
    machine.eventually("one worker", lambda: len(machine.running()) == 2)
    assert machine.live() == new
    assert status["pid"] in machine.running() or machine.status()["pid"] in machine.running()


def test_a_good_release_needs_no_restart(machine: Machine) -> None:
    machine.install(machine.release("v0.4.9"))
    start_supervised(machine)
    machine.offer("v0.5.0", machine.release("v0.5.0"))
    machine.reaches(tag="v0.5.0", state="idle", failed=[])
    assert starts(machine) == 1
