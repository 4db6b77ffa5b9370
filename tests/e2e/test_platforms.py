"""A release with a file for one platform only is offered to that platform only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.fleet import LINUX, WINDOWS, Api, RunningWorker


def test_a_windows_only_release_leaves_linux_workers_alone(
    api: Api,
    build: Callable[[str], Path],
    start_worker: Callable[..., RunningWorker],
    tmp_path: Path,
) -> None:
    old = build("v0.4.9")
    api.curl_upload("v0.4.9", LINUX, old)
    worker = start_worker("w", old, "--auto-update")
    api.until("w", reason="up-to-date")
    windows = tmp_path / "windows.exe"
    windows.write_bytes(b"MZ, and the rest of a Windows program")
    api.curl_upload("v0.5.0", WINDOWS, windows)

    latest = api.get("/releases/latest")
    assert latest["tag"] == "v0.5.0"
    assert latest["platforms"] == ["windows"]
    assert latest["latest"] == {"linux": "v0.4.9", "windows": "v0.5.0"}
    assert api.get("/releases/latest?platform=linux")["tag"] == "v0.4.9"
    assert api.get("/releases/latest?platform=windows")["tag"] == "v0.5.0"

    row = api.more_heartbeats("w", 5)
    assert (row["version"], row["reason"]) == ("v0.4.9", "up-to-date")
    assert worker.runs()
