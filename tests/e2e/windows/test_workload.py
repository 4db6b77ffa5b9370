"""The workload on Windows: ended for an update, started again, never left behind.

Wine 8 does not deliver Ctrl+Break, so that the workload here always ends by force, with its grace.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.fleet import WINDOWS, Api, eventually
from support.wine import SYSTEM, WindowsWorker, processes_in, windows_path

pytestmark = [pytest.mark.needs_worker_build, pytest.mark.timeout(900)]

WORKLOAD = """
import os, subprocess, sys, time
def note(what):
    with open("notes", "a") as file:
        file.write(what + "\\n")
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)", os.getcwd()])
note("runs in " + os.getcwd())
while True:
    time.sleep(0.1)
"""


def test_it_is_drained_for_an_update_and_never_outlives_the_front(
    api: Api,
    build: Callable[[str], Path],
    start_worker: Callable[..., WindowsWorker],
    tmp_path: Path,
) -> None:
    old, new = build("v0.4.9"), build("v0.5.0")
    script = tmp_path / "workload.py"
    script.write_text(WORKLOAD)
    api.curl_upload("v0.4.9", WINDOWS, old)
    command = (windows_path(SYSTEM.python()), windows_path(script))
    worker = start_worker("one", old, "--auto-update", "--drain-grace", "0.5", "--", *command)
    notes = worker.folder / "notes"

    def noted() -> list[str]:
        return notes.read_text().splitlines() if notes.exists() else []

    eventually(lambda: f"the workload's start\n{worker.front.log()}", noted)
    api.until("one", reason="up-to-date")
    api.curl_upload("v0.5.0", WINDOWS, new)
    api.until("one", version="v0.5.0", state="idle")
    eventually(lambda: f"the second start; {noted()}", lambda: len(noted()) == 2)
    place = f"runs in {windows_path(worker.folder)}"
    assert noted() == [place, place]

    def nothing_runs() -> bool:
        return not processes_in(worker.folder)

    assert not nothing_runs()
    assert worker.front.press_control_c() == 0
    eventually(lambda: f"the end of {processes_in(worker.folder)}", nothing_runs)

    again = start_worker("one", old, "--", *command)
    eventually("the third start", lambda: len(noted()) == 3)
    again.front.kill()
    eventually(lambda: f"the end of {processes_in(worker.folder)}", nothing_runs)
