"""What a self-check's end says of the release, and what it says of the machine only."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaia.errors import InstallError
from gaia.model.worker import FailureReason
from gaia.worker.preflight import self_check


def program(folder: Path, line: str) -> Path:
    path = folder / "gaia-worker.new"
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return path


def reason_of(path: Path) -> FailureReason:
    with pytest.raises(InstallError) as refused:
        self_check(path, (), dict(os.environ), cancelled=threading.Event())
    return FailureReason(refused.value.code)


@pytest.mark.parametrize("line", ["exit 3", "kill -SEGV $$", "kill -ABRT $$"])
def test_its_own_end_is_charged(line: str, tmp_path: Path) -> None:
    assert reason_of(program(tmp_path, line)) is FailureReason.PREFLIGHT


@pytest.fixture
def _heard() -> Iterator[None]:
    """A shell's background job ignores SIGINT and has its children ignore it, too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heard")
@pytest.mark.parametrize("name", ["KILL", "TERM", "INT", "HUP"])
def test_an_end_from_outside_is_not(name: str, tmp_path: Path) -> None:
    """A system that shuts down, or that runs out of memory, ends it like this."""
    assert reason_of(program(tmp_path, f"kill -{name} $$")) is FailureReason.BUSY


def test_nor_is_a_file_that_vanished(tmp_path: Path) -> None:
    assert reason_of(tmp_path / "gaia-worker.new") is FailureReason.SWAP


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE])
def test_nor_is_a_machine_without_room(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert reason_of(program(tmp_path, "exit 0")) is FailureReason.BUSY
