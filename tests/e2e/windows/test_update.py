"""The update on Windows: renamed aside, started by the front, kept after its probation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.fleet import WINDOWS, Api, sha256
from support.wine import WindowsWorker

pytestmark = [pytest.mark.needs_worker_build, pytest.mark.timeout(900)]


def test_two_updates_in_a_row(
    api: Api, build: Callable[[str], Path], start_worker: Callable[..., WindowsWorker]
) -> None:
    first, second, third = (build(version) for version in ("v0.4.9", "v0.5.0", "v0.5.1"))
    api.curl_upload("v0.4.9", WINDOWS, first)
    worker = start_worker("one", first, "--auto-update")
    api.until("one", version="v0.4.9", reason="up-to-date")
    api.curl_upload("v0.5.0", WINDOWS, second)
    api.until("one", version="v0.5.0", state="idle")
    assert sha256(worker.executable) == sha256(second)
    assert sha256(worker.backup) == sha256(first)
    api.curl_upload("v0.5.1", WINDOWS, third)
    api.until("one", version="v0.5.1", state="idle")
    assert sha256(worker.executable) == sha256(third)
    assert sha256(worker.backup) == sha256(second)
    assert worker.front.runs()
