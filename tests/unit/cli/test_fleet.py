"""`gaia fleet`."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from gaia.cli.command import ExitCode


def worker(number: int, **facts: Any) -> dict[str, Any]:
    return {
        "id": f"w{number}",
        "name": f"gpu-{number}",
        "version": "v0.5.0",
        "platform": "linux",
        "channel": "stable",
        "labels": {"room": "12"},
        "state": "idle",
        "last_seen": time.time() - 10,
        "online": True,
        "outcomes": [],
        "failure": None,
        "alarm": "",
        "alarm_at": None,
        **facts,
    }


FAILURE = {
    "tag": "v0.5.1",
    "sha256": "ab" * 32,
    "reason": "exited",
    "detail": "It ended with exit code 1.",
    "log_tail": "Traceback\n  cannot load \x1b]0;title\x07libexperiment.so.7\n",
    "at": 1.0,
}
RUN = {"exit_code": 137, "started_at": 1.0, "seconds": 12.34, "ended_by": "drain"}


def test_workers_and_their_troubles_are_listed(gaia: Any, routes: dict[str, Any]) -> None:
    workers = [
        worker(1),
        worker(2, failure=FAILURE),
        worker(3, alarm="The metadata is forged.\x1b[2J"),
        worker(4, online=False),
        worker(5, externally_managed="read-only install"),
        worker(6, clock_skew=-10_800.5),
        worker(7, clock_skew=59.0),
        worker(8, withdrawn=True, reason="release-withdrawn", target="v0.4.9"),
        worker(9, withdrawn=True, reason="updates-off", target=""),
    ]
    routes["GET /api/fleet"] = {"workers": workers}
    lines = gaia("fleet", "list").stdout.splitlines()
    assert len(lines) == 10
    assert re.search(r"\b1\d s ago", lines[1])
    assert "v0.5.1 failed: exited" in lines[2]
    assert "ALARM: The metadata is forged." in lines[3]
    assert "\x1b" not in lines[3]
    assert "offline" in lines[4]
    assert "externally managed: read-only install" in lines[5]
    assert "its clock is 3 h behind" in lines[6]
    assert "clock" not in lines[7]
    assert "withdrawn; goes to v0.4.9" in lines[8]
    assert "withdrawn; stays: updates-off" in lines[9]
    listed = json.loads(gaia("fleet", "list", "--json").stdout)
    assert listed["workers"] == workers


def test_a_worker_is_shown_with_its_failure(gaia: Any, routes: dict[str, Any]) -> None:
    found = worker(1, failure=FAILURE, outcomes=[RUN], clock_skew=7200.0)
    routes["GET /api/fleet/w1"] = found
    shown = gaia("fleet", "show", "w1").stdout
    for expected in (
        "2 h ahead",
        "room=12",
        "v0.5.1",
        "exited",
        "exit code 1",
        "137",
        "drain",
        "libexperiment",
    ):
        assert expected in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert json.loads(gaia("fleet", "show", "w1", "--json").stdout) == found


def test_a_worker_is_found_by_its_name(gaia: Any, routes: dict[str, Any]) -> None:
    routes["GET /api/fleet"] = {"workers": [worker(1), worker(2), worker(3, name="gpu-2")]}
    routes["GET /api/fleet/w1"] = worker(1)
    assert json.loads(gaia("fleet", "show", "gpu-1", "--json").stdout)["id"] == "w1"
    assert gaia("fleet", "show", "nobody").exit_code == ExitCode.NOT_FOUND
    ambiguous = gaia("fleet", "show", "gpu-2")
    assert ambiguous.exit_code == ExitCode.USAGE
    assert "w2, w3" in ambiguous.stderr
