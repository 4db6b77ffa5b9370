"""Row 11: what must not be replaced is found before the download, and the worker works on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaia.worker.installation import Installation
from support.machine import Machine

NOBODY = 65534


@pytest.fixture
def executable() -> Iterator[Path]:
    """An executable in a folder that every user can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "worker"
        path.write_bytes(b"#!/bin/sh\n")
        path.chmod(0o755)
        yield path


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """The effective user of this process has no privileges."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


def test_nothing_against_it(executable: Path) -> None:
    assert Installation(executable).obstacle() == ""
    assert {path.name for path in executable.parent.iterdir()} == {"worker", ".gaia"}


def test_managed_by_someone_else(executable: Path) -> None:
    (executable.parent / "EXTERNALLY-MANAGED").touch()
    assert "EXTERNALLY-MANAGED" in Installation(executable).obstacle()


@pytest.mark.parametrize("name", ["worker.bak", "worker.new", "worker.bak.t"])
def test_started_from_a_backup_or_staged_file(executable: Path, name: str) -> None:
    executable.rename(executable.with_name(name))
    assert "backup or of a staged file" in Installation(executable.with_name(name)).obstacle()


def test_not_executable(executable: Path) -> None:
    executable.chmod(0o644)
    assert "not executable" in Installation(executable).obstacle()


def test_not_a_regular_file(executable: Path) -> None:
    link = executable.with_name("link")
    link.symlink_to(executable)
    assert "regular file" in Installation(link).obstacle()
    assert "regular file" in Installation(executable.parent).obstacle()
    assert "cannot be looked at" in Installation(executable.with_name("none")).obstacle()


def test_private_folder_is_a_link(executable: Path, tmp_path: Path) -> None:
    (executable.parent / ".gaia").symlink_to(tmp_path)
    assert "not a folder of the executable's owner" in Installation(executable).obstacle()


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user")
def test_other_owner(executable: Path, as_nobody: None) -> None:
    assert "belongs to user 0" in Installation(executable).obstacle()


def test_no_permission_in_the_folder(executable: Path, request: pytest.FixtureRequest) -> None:
    if os.geteuid() == 0:
        os.chown(executable, NOBODY, NOBODY)
    executable.parent.chmod(0o555)
    request.getfixturevalue("as_nobody")
    assert "cannot be written to" in Installation(executable).obstacle()


def test_worker_works_on_and_fetches_nothing(machine: Machine) -> None:
    machine.install(machine.release("v0.4.9"))
    (machine.folder / "EXTERNALLY-MANAGED").touch()
    machine.start()
    machine.offer("v0.5.0", machine.release("v0.5.0"))
    status = machine.reaches(tag="v0.4.9", state="idle")
    assert "EXTERNALLY-MANAGED" in status["obstacle"]
    assert not machine.events("offered")
    assert not (machine.folder / "gaia-worker.new").exists()
