"""Row 1: SIGKILL at any point of the swap leaves one runnable executable, and is recovered from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.machine import Machine

SWEEP = Path(__file__).parents[1] / "support" / "swap_sweep.py"


def test_every_call_of_the_swap(tmp_path: Path) -> None:
    """A child is killed before its first, second, … call that changes the disk; see the sweep."""
    done = subprocess.run(
        [sys.executable, "-P", SWEEP, tmp_path],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kills, old, new = (int(word) for word in done.stdout.splitlines()[-1].split())
    assert kills == old + new
    assert old > 5, "kills that left the old version"
    assert new > 5, "kills that left the new version"


@pytest.mark.parametrize("nth", [3, 9, 14, 18, 22])
def test_whole_session_killed_and_started_again(machine: Machine, nth: int) -> None:
    old, new = machine.release("v0.4.9"), machine.release("v0.5.0")
    machine.install(old)
    machine.environment["TEST_KILL_AT"] = str(nth)
    process = machine.start()
    machine.offer("v0.5.0", new)
    machine.eventually("the kill", lambda: process.poll() is not None)
    assert (machine.folder / "killed").exists()
    assert machine.live() in (old, new)
    machine.start()
    machine.reaches(tag="v0.5.0", state="idle", failed=[])
    assert machine.live() == new
    assert machine.backup.read_bytes() == old
