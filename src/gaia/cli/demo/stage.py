"""The processes of the demo: a server and workers, started as a user would start them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaia.errors import GaiaError

PATIENCE = 120.0
"""Seconds. No scene of the demo takes longer on a slow machine; beyond it, something is wrong."""


class DemoError(GaiaError):
    """A scene did not end as it should."""


def wait_for(what: str, condition: Callable[[], bool], *, patience: float = PATIENCE) -> float:
    """Poll until `condition` holds.

    Returns:
        Seconds that it took.

    Raises:
        DemoError: it did not within `patience` seconds.
    """
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > patience:
            raise DemoError("demo-timeout", f"{what} did not happen within {patience:.0f} s.")
        time.sleep(0.1)
    return time.monotonic() - start


@dataclass
class Server:
    """A running `gaia-server`."""

    url: str
    fingerprint: str
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path, token: str, port: int) -> Server:
        """Start `gaia-server` with its data and log in `folder`; port 0 takes a free one."""
        folder.mkdir(parents=True)
        address = folder / "data" / "server.json"
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [_program("gaia-server"), "--port", str(port), "--data-dir", str(folder / "data")],
                env={**os.environ, "GAIA_TOKEN": token},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        wait_for("The server's start", lambda: address.exists() or process.poll() is not None)
        if process.poll() is not None:
            tail = (folder / "server.log").read_text(errors="replace")[-2000:]
            raise DemoError("demo-server", f"gaia-server did not start:\n{tail}")
        facts = json.loads(address.read_text())
        return cls(facts["url"], facts["fingerprint"], process)


@dataclass
class Worker:
    """One worker in a folder of its own, with the workload of the demo."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def executable(self) -> Path:
        """Its one file."""
        return self.folder / "gaia-worker"

    @classmethod
    def start(
        cls, name: str, folder: Path, executable: Path, *, server: Server, token_file: Path
    ) -> Worker:
        """Copy `executable` to `folder` and start it there by its relative path."""
        folder.mkdir(parents=True)
        shutil.copy2(executable, folder / "gaia-worker")
        with (folder / "worker.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [
                    "./gaia-worker",
                    *("--server", server.url),
                    *("--token-file", str(token_file)),
                    *("--name", name),
                    *("--trust-root", f"sha256:{server.fingerprint}"),
                    *("--heartbeat-interval", "0.5"),
                    *("--drain-grace", "2"),
                    "--auto-update",
                    "--",
                    *(sys.executable, "run_all.py"),
                ],
                cwd=folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return cls(name, folder, process)

    def log(self) -> str:
        """What it has written so far."""
        return (self.folder / "worker.log").read_text(errors="replace")


def stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End sessions of processes: politely first."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + 15
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()


def upload(server: Server, token: str, tag: str, file: Path, filename: str) -> dict[str, Any]:
    """The brief's curl line, with the token from standard input rather than from an argument."""
    done = subprocess.run(  # noqa: S603 - the user's own curl
        [
            *(_program("curl"), "--silent", "--show-error", "-X", "POST"),
            f"{server.url}/api/releases/upload?tag={tag}&filename={filename}",
            *("-H", "@-"),
            *("-H", "Content-Type: application/octet-stream"),
            *("--data-binary", f"@{file}"),
        ],
        input=f"Authorization: Bearer {token}\n".encode(),
        capture_output=True,
        check=False,
    )
    answer = json.loads(done.stdout or b"{}")
    if answer.get("status") != "ok":
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise DemoError("demo-upload", f"The upload of {filename} was refused: {said}")
    assert isinstance(answer, dict)  # noqa: S101 - for the type checker
    return answer


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _program(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise DemoError("demo-program", f"{name} is not installed.", hint=f"Install {name}.")
    return found
