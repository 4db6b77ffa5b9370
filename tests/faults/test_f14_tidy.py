"""Row 14: cleaning up never removes the live file or the only known-good one."""

from __future__ import annotations

from pathlib import Path

from gaia.worker.installation import Installation


def test_only_leftovers_go(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "worker")
    installation.private.mkdir()
    ours = ["worker.new", "worker.bak.t", ".gaia/worker.journal.tmp"]
    others = ["worker", "worker.bak", "worker.new.txt", "other.new", ".gaia/worker.journal"]
    for name in ours + others:
        (tmp_path / name).touch()
    installation.tidy()
    assert {name for name in ours if (tmp_path / name).exists()} == set()
    assert {name for name in others if not (tmp_path / name).exists()} == set()


def test_without_a_live_file_nothing_goes(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "worker")
    for path in (installation.backup, installation.staged):
        path.touch()
    installation.tidy()
    assert installation.backup.exists()
    assert installation.staged.exists()
