"""Many updates in a row: one process, one PID, nothing piles up."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.single_file import Program

pytestmark = pytest.mark.needs_worker_build

UPDATES = 20


def test_twenty_updates_between_different_versions(
    installed: Program, release: Callable[[str], Path], tmp_path: Path
) -> None:
    queue = tmp_path / "queue"
    queue.mkdir()
    versions = [f"1.{number}.0" for number in range(1, UPDATES + 1)]
    for number, version in enumerate(versions):
        release(version).replace(queue / f"{number:02}")
    log = tmp_path / "log"

    with subprocess.Popen(
        ["./gaia-worker", "replace-self", queue, log],
        cwd=installed.path.parent,
        env=installed.env,
    ) as process:
        assert process.wait(timeout=240) == 0

    seen = [json.loads(line) for line in log.read_text().splitlines()]
    assert [step["version"] for step in seen] == [
        "v1.0.0",
        *(f"v{version}" for version in versions),
    ]
    assert {step["pid"] for step in seen} == {process.pid}
    assert {tuple(step["children"]) for step in seen} == {()}
    assert {tuple(step["descriptors"]) for step in seen} == {("0", "1", "2", "3")}
    assert {step["install_path"] for step in seen} == {str(installed.path)}
    assert {tuple(step["argv"]) for step in seen} == {tuple(seen[0]["argv"])}
    assert all(step["child_environment"] == installed.env for step in seen)
    assert len({step["program"] for step in seen}) == UPDATES + 1
    # This version's and the backup's.
    assert [step["runtimes"] for step in seen] == [1] + [2] * UPDATES
    assert len(installed.runtimes) == 2


def test_a_runtime_that_a_process_runs_from_is_kept(
    installed: Program, release: Callable[[str], Path], tmp_path: Path
) -> None:
    queue = tmp_path / "queue"
    queue.mkdir()
    for number in range(1, 4):
        release(f"1.{number}.0").replace(queue / str(number))
    with installed.waiting() as guard:
        done = installed.run("replace-self", str(queue), str(tmp_path / "log"))
        assert (done.returncode, done.stderr) == (0, b"")
        runtimes = installed.runtimes
        program = Path(f"/proc/{guard.pid}/exe").readlink()
        guard.kill()
    assert program.parent in runtimes
    assert len(runtimes) == 3
