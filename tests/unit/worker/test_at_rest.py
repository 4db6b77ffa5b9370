"""Whatever way an update went, what it left over goes as soon as no update is under way."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from gaia.errors import InstallError
from gaia.model.worker import FailureReason, WorkerState
from gaia.worker.background import Background
from gaia.worker.composition import Options, Program, _remove_old_runtimes, site_of
from gaia.worker.console import Console
from gaia.worker.journal import Target
from gaia.worker.relaunch import Launch
from gaia.worker.trial import Policy, Site
from gaia.worker.update import Update


@pytest.fixture
def executable(tmp_path: Path) -> Path:
    path = tmp_path / "worker"
    path.write_bytes(b"#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def background() -> Background:
    return Background()


@pytest.fixture
def update(executable: Path, background: Background) -> Update:
    site = Site(Launch.here(executable, dict(os.environ)), Console.adopt({}), Policy())
    return Update(site, background, "v1.0.0", executable.parent)


def broken_off(path: Path, tell: Callable[[int], None], cancelled: Event) -> None:
    raise InstallError(FailureReason.NO_SPACE, "There is no room.")


def test_at_a_start_and_after_an_update_that_failed(update: Update, background: Background) -> None:
    states: list[WorkerState] = []
    update.trial.on_rest = lambda: states.append(update.state)
    update.start()
    assert states == [WorkerState.IDLE]
    assert update.offer(Target("v2.0.0", "0" * 64, 9), broken_off)
    while update.state is not WorkerState.IDLE:
        background.poll()
        time.sleep(0.001)
    assert states == [WorkerState.IDLE] * 2


def test_after_a_start_that_finds_an_update_cut_off(
    update: Update, executable: Path, background: Background
) -> None:
    update.start()
    assert update.offer(Target("v2.0.0", "0" * 64, 9), broken_off)
    update.release()
    background.wait(10.0)
    site = Site(Launch.here(executable, dict(os.environ)), Console.adopt({}), Policy())
    again = Update(site, Background(), "v1.0.0", executable.parent)
    states: list[WorkerState] = []
    again.trial.on_rest = lambda: states.append(again.state)
    again.start()
    assert states == [WorkerState.IDLE]


def test_a_runtime_that_cannot_be_removed_does_not_end_the_worker(
    executable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtimes = executable.parent / "runtimes"
    (runtimes / ("1a" * 16) / "_internal").mkdir(parents=True)
    (runtimes / "unpack.lock").mkdir()  # so that the lock cannot be opened
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", str(runtimes / ("1a" * 16) / "_internal"), raising=False)
    monkeypatch.setenv("_GAIA_EXE", str(executable))
    options = Options(server="http://localhost", token="t", name="n")
    site = site_of(Program("v1.0.0", executable), options, Console.adopt({}), {})
    _remove_old_runtimes(site)
    assert (runtimes / ("1a" * 16)).is_dir()
