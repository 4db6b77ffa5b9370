"""The front by itself: what it does for a version that it has started, whatever that is."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gaia.worker.probation import Marker
from support.fleet import eventually, sha256
from support.wine import SYSTEM, WindowsProcess, kill_program, processes_in
from support.wine_front import Install

pytestmark = pytest.mark.timeout(600)

MIB = 1024 * 1024


@pytest.fixture
def start(install: Install) -> Iterator[Callable[..., WindowsProcess]]:
    started: list[WindowsProcess] = []

    def begin(*arguments: str, program: Path = install.executable) -> WindowsProcess:
        log = install.folder / "out.log"
        process = WindowsProcess.start(
            program, *arguments, log_file=log, cwd=install.folder, env={}
        )
        started.append(process)
        eventually("the program's start", lambda: log.exists() and "runs" in process.log())
        return process

    yield begin
    for process in started:
        process.kill()


def test_killed_between_the_two_renames_of_the_swap(
    install: Install, start: Callable[..., WindowsProcess]
) -> None:
    """Row 1: the front gives the path its file back."""
    whole = sha256(install.executable)
    process = start()
    install.executable.rename(install.backup)
    kill_program(install.folder)
    process.process.wait(60)
    assert sha256(install.executable) == whole
    assert not install.backup.exists()
    start()


def test_without_a_file_at_the_path_the_copy_of_a_service_starts_the_backup(
    install: Install, start: Callable[..., WindowsProcess]
) -> None:
    """Row 1: front and worker killed between the two renames, or the power cut there."""
    whole = sha256(install.executable)
    shutil.copy2(install.executable, install.copy)
    install.executable.rename(install.backup)
    process = start(program=install.copy)
    assert sha256(install.executable) == whole
    assert not install.backup.exists()
    assert process.press_control_c() == 0


def test_a_release_that_the_system_does_not_start(
    install: Install, start: Callable[..., WindowsProcess]
) -> None:
    """Row 17: the version before it is started, behind the same front."""
    whole = sha256(install.executable)
    shutil.copy2(install.executable, install.copy)
    install.begin_probation(b"no program at all")
    start(program=install.copy)
    assert sha256(install.executable) == whole
    marker = Marker.parse(install.private("reverted").read_bytes())
    assert (marker.tag, marker.reason) == ("v2.0.0", "exec")
    assert not install.private("probation").exists()


def test_a_release_started_too_often_by_the_copy_of_a_service(
    install: Install, start: Callable[..., WindowsProcess]
) -> None:
    """Rows 20 and 25: the boot counter is the release's own, and counts behind a service too."""
    before = install.executable.read_bytes()
    shutil.copy2(install.executable, install.copy)
    release = before.replace(b"DOS mode", b"DOS MODE")
    assert release != before
    install.begin_probation(release, boots="2")
    start(program=install.copy)
    assert install.executable.read_bytes() == before
    marker = Marker.parse(install.private("reverted").read_bytes())
    assert (marker.tag, marker.reason) == ("v2.0.0", "boot-loop")


def test_the_log_of_a_long_probation_stays_short(
    install: Install, start: Callable[..., WindowsProcess]
) -> None:
    install.begin_probation(install.executable.read_bytes(), **{"silence-allowed": "600"})
    process = start("--kilobytes=3000")
    eventually("all of it", lambda: process.log_file.stat().st_size > 3000 * 1024)
    log = install.private("log")

    def short_and_ends_as_written() -> bool:
        kept = log.read_bytes()
        return len(kept) < MIB and kept.endswith(b"...\n")

    eventually(lambda: f"a short log; it has {log.stat().st_size}", short_and_ends_as_written)


def test_the_log_of_a_probation_that_nobody_reads_stays_short(install: Install) -> None:
    install.begin_probation(install.executable.read_bytes(), **{"silence-allowed": "600"})
    process = subprocess.Popen(
        ["wine", install.executable, "--kilobytes=20000"],
        env=SYSTEM.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    log = install.private("log")
    longest = 0

    def grown_and_cut() -> bool:
        nonlocal longest
        size = log.stat().st_size if log.exists() else 0
        longest = max(longest, size)
        return longest > 2 * MIB and size < longest

    try:
        eventually(lambda: f"a shorter log; it had {longest}", grown_and_cut)
    finally:
        process.kill()
        process.communicate()
    eventually("the end of all", lambda: not processes_in(install.folder))
