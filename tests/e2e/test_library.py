"""A daemon that embeds the updater, word for word as the guide has it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.fleet import LINUX, Api, RunningServer, end_session

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "embed-the-updater.md"
WORK = "        stop.wait(0.1)  # one unit of work\n"
FAILS_AT_WORK = WORK + '        sys.exit("the sensor is not there")\n'


@pytest.fixture
def release(tmp_path: Path) -> Callable[..., Path]:
    """Write a release of the guide's daemon."""
    found = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    example = found[1]

    def make(version: str, work: str = WORK) -> Path:
        text = example
        for old, new in (
            ("/usr/bin/env python3", sys.executable),
            ('version="v1.0.0",', f'version="{version}", heartbeat_interval=0.2,'),
            (WORK, work),
        ):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / f"sensor-{version}"
        path.write_text(text)
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def daemon(
    release: Callable[..., Path], server: RunningServer, tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The guide's daemon, v1.0.0, running as `installed/sensor`."""
    folder = tmp_path / "installed"
    folder.mkdir()
    release("v1.0.0").rename(folder / "sensor")
    with (folder / "sensor.log").open("ab") as log:
        process = subprocess.Popen(
            ["./sensor"],
            cwd=folder,
            env={**os.environ, "GAIA_SERVER": server.url, "GAIA_TOKEN": server.token},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    yield process
    end_session(process)


def test_a_daemon_updates_itself_and_comes_back_from_a_bad_release(
    daemon: subprocess.Popen[bytes], release: Callable[..., Path], api: Api, tmp_path: Path
) -> None:
    installed = tmp_path / "installed" / "sensor"
    v100, v110 = installed.read_bytes(), release("v1.1.0")
    api.until("sensor-1", version="v1.0.0", reason="no-release", pid=daemon.pid)

    api.curl_upload("v1.1.0", LINUX, v110)

    api.until("sensor-1", version="v1.1.0", state="idle", reason="up-to-date", pid=daemon.pid)
    assert installed.read_bytes() == v110.read_bytes()
    assert installed.with_name("sensor.bak").read_bytes() == v100

    api.curl_upload("v1.2.0", LINUX, release("v1.2.0", FAILS_AT_WORK))

    row = api.until("sensor-1", version="v1.1.0", state="idle", failure=...)
    failure = row["failure"]
    assert (failure["tag"], failure["reason"]) == ("v1.2.0", "exited")
    assert "the sensor is not there" in failure["log_tail"]
    assert installed.read_bytes() == v110.read_bytes()
    row = api.more_heartbeats("sensor-1", 3)
    assert (row["version"], row["reason"]) == ("v1.1.0", "failed-before")


def test_a_daemon_that_is_told_to_end_does(
    daemon: subprocess.Popen[bytes], api: Api, tmp_path: Path
) -> None:
    api.until("sensor-1", version="v1.0.0")
    daemon.terminate()
    assert daemon.wait(60) == 0


def test_a_new_version_that_is_started_too_often_is_taken_back_at_its_start(
    daemon: subprocess.Popen[bytes],
    server: RunningServer,
    release: Callable[..., Path],
    api: Api,
    tmp_path: Path,
) -> None:
    """Where every guard is killed too, the count of starts is what remains."""
    installed = tmp_path / "installed" / "sensor"
    api.until("sensor-1", version="v1.0.0", reason="no-release")
    old = installed.read_bytes()
    # It proves nothing: it ends in good order, again and again, before it has polled once.
    api.curl_upload("v1.1.0", LINUX, release("v1.1.0", "        break\n"))
    assert daemon.wait(90) == 0

    def start() -> subprocess.Popen[bytes]:
        with (installed.parent / "sensor.log").open("ab") as log:
            return subprocess.Popen(
                ["./sensor"],
                cwd=installed.parent,
                env={**os.environ, "GAIA_SERVER": server.url, "GAIA_TOKEN": server.token},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    again = start()
    assert again.wait(90) == 0
    third = start()
    try:
        row = api.until("sensor-1", version="v1.0.0", failure=..., pid=third.pid)
        assert row["failure"]["reason"] == "boot-loop"
        assert installed.read_bytes() == old
    finally:
        end_session(third)
