"""Bad releases for Windows: the worker is back on the old version without a hand (16, 18, 19)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.fleet import WINDOWS, Api, eventually, sha256
from support.wine import WindowsWorker

pytestmark = [pytest.mark.needs_worker_build, pytest.mark.timeout(900)]

NOT_FOR_THIS_HOST = {
    "garbage": b"\x00\x01\x02 not a program at all",
    "a Linux program": Path("/bin/true").read_bytes(),
    "a script": b"#!/bin/sh\nexit 0\n",
}

# What the release does, the reason that must be reported, and a word of its log.
BAD = (
    ("exits-in-preflight", "preflight", "cannot load"),
    ("exits", "exited", "no GPU"),
    ("crashes", "exited", "no GPU"),
    ("hangs", "hung", "no GPU"),
)


def test_it_comes_back_by_itself(
    api: Api,
    build: Callable[[str], Path],
    bad_release: Callable[[str], Path],
    start_worker: Callable[..., WindowsWorker],
    tmp_path: Path,
) -> None:
    old = build("v0.4.9")
    api.curl_upload("v0.4.9", WINDOWS, old)
    worker = start_worker("one", old, "--auto-update", "--probation-silence", "20")
    api.until("one", reason="up-to-date")
    number = 0

    def publish(path: Path) -> str:
        nonlocal number
        number += 1
        api.curl_upload(f"v0.5.{number}", WINDOWS, path)
        return f"v0.5.{number}"

    def failure_of(tag: str) -> dict[str, str]:
        """Of that release; the heartbeat tells the last one only until the server has it."""
        found: dict[str, str] = {}

        def told() -> bool:
            found.update(api.row("one")["failure"] or {})
            return found.get("tag") == tag

        eventually(lambda: f"a failure of {tag}; it is {found}\n{worker.front.log()}", told)
        return found

    for what, content in NOT_FOR_THIS_HOST.items():
        path = tmp_path / "bad"
        path.write_bytes(content)
        assert failure_of(publish(path))["reason"] == "wrong-platform", what
    arm = bytearray(bad_release("exits").read_bytes())
    machine = int.from_bytes(arm[0x3C:0x40], "little") + 4
    arm[machine : machine + 2] = b"\x64\xaa"
    path.write_bytes(arm)
    assert "another kind of processor" in failure_of(publish(path))["detail"]

    for behaviour, reason, word in BAD:
        failure = failure_of(publish(bad_release(behaviour)))
        assert failure["reason"] == reason, behaviour
        assert word in failure["log_tail"], behaviour
        row = api.until("one", version="v0.4.9", state="idle")
        assert sha256(worker.executable) == sha256(old)
    row = api.more_heartbeats("one", 5)
    assert (row["version"], row["reason"]) == ("v0.4.9", "failed-before")
    assert worker.front.runs()

    good = build("v0.6.0")
    api.curl_upload("v0.6.0", WINDOWS, good)
    api.until("one", version="v0.6.0", state="idle")
    assert sha256(worker.backup) == sha256(old)
