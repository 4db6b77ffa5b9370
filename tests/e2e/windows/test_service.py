"""The worker as a service, by Wine's service manager."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from support.fleet import WINDOWS, Api, RunningServer, eventually, sha256
from support.wine import WindowsProcess, processes_in, processes_of, windows_path
from support.wine_front import Install
from support.wine_service import WindowsService

pytestmark = pytest.mark.timeout(900)

Register = Callable[[str], WindowsService]


def test_a_worker_that_ends_unasked_is_a_service_that_failed(
    install: Install, register: Register
) -> None:
    service = register(f"{windows_path(install.executable)} --exit=7")
    service.begin()
    service.await_end()
    status = service.status()
    assert (status["WIN32_EXIT_CODE"], status["SERVICE_EXIT_CODE"]) == ("0x42a", "0x7")


def test_a_worker_that_was_asked_to_end_is_not(install: Install, register: Register) -> None:
    service = register(windows_path(install.executable))
    service.start()
    eventually("a log", lambda: b"runs\n" in install.private("service.log").read_bytes())
    service.stop()
    status = service.status()
    assert (status["WIN32_EXIT_CODE"], status["SERVICE_EXIT_CODE"]) == ("0x0", "0x0")
    eventually("the end of all", lambda: not processes_in(install.folder))


def test_a_worker_that_drains_shows_that_it_is_at_it(install: Install, register: Register) -> None:
    service = register(windows_path(install.executable))
    service.start()
    eventually("a log", lambda: b"runs\n" in install.private("service.log").read_bytes())
    held = install.folder / "gaia-worker.exe.hold"
    held.touch()
    service.ask_to_end()

    def beats() -> int:
        status = service.status()
        assert status["STATE"] == "STOP_PENDING", status
        return int(status["CHECKPOINT"], 16)

    first = beats()
    eventually(lambda: f"more than {first}", lambda: beats() > first + 1)
    held.unlink()
    service.await_end()


@pytest.mark.needs_worker_build
def test_it_updates_itself_and_outlives_bad_releases_and_power_cuts(
    api: Api,
    server: RunningServer,
    build: Callable[[str], Path],
    bad_release: Callable[[str], Path],
    register: Register,
    tmp_path: Path,
) -> None:
    old, new = build("v0.4.9"), build("v0.5.0")
    place = Install(tmp_path / "a folder")
    place.folder.mkdir()
    shutil.copy2(old, place.executable)
    token = place.folder / "token"
    token.write_text(server.token)
    api.curl_upload("v0.4.9", WINDOWS, old)

    options = ("--server", server.url, "--name", "one", "--token-file", windows_path(token))
    quick = ("--heartbeat-interval", "0.3")
    printed = WindowsProcess.start(
        place.executable,
        *("install", "--print", *options, *quick, "--auto-update"),
        log_file=place.folder / "install.log",
        cwd=tmp_path,
        env={},
    )
    assert printed.process.wait(60) == 0, printed.log()
    printed.reader.join()
    [line] = re.findall(r"-BinaryPathName '(.*)'", printed.log())
    shutil.copy2(place.executable, place.copy)
    service = register(line)

    service.start()
    api.until("one", version="v0.4.9", reason="up-to-date")
    front = processes_of(place.copy)
    assert len(front) == 1
    api.curl_upload("v0.5.0", WINDOWS, new)
    api.until("one", version="v0.5.0", state="idle")
    assert sha256(place.backup) == sha256(old)

    api.curl_upload("v0.5.1", WINDOWS, bad_release("exits"))
    failure = api.until("one", version="v0.5.0", failure=..., state="idle")["failure"]
    assert (failure["tag"], failure["reason"]) == ("v0.5.1", "exited")
    assert processes_of(place.copy) == front

    for pid in [*front, *processes_of(place.folder)]:
        os.kill(pid, signal.SIGKILL)
    eventually("the end of all", lambda: not processes_in(place.folder))
    place.executable.replace(place.backup)
    service = register(line)  # Wine's manager does not see that the first one was killed
    service.start()
    api.more_heartbeats("one", 2)
    assert sha256(place.executable) == sha256(new)

    service.stop()
    assert service.status()["WIN32_EXIT_CODE"] == "0x0"
    eventually(
        lambda: f"the end of {processes_in(place.folder)}", lambda: not processes_in(place.folder)
    )
