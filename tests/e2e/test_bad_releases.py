"""A bad release: every worker back on the old version without a hand, and staying there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.fleet import LINUX, Api, RunningWorker, sha256

SELF_CHECK_PASSES = '#!/bin/sh\n[ "$1" = --self-check ] && exit 0\n'

# What is published, the reason that must be reported, and a word of its log (if it wrote one).
BAD = {
    "garbage": (b"\x00\x01\x02 not a program at all", "wrong-platform", ""),
    "exits-in-preflight": (
        b"#!/bin/sh\necho cannot load >&2\nexit 1\n",
        "preflight",
        "cannot load",
    ),
    "segfaults-in-preflight": (b"#!/bin/sh\nkill -SEGV $$\n", "preflight", ""),
    "exits": ((SELF_CHECK_PASSES + "echo no GPU >&2\nexit 1\n").encode(), "exited", "no GPU"),
    "segfaults": ((SELF_CHECK_PASSES + "echo oh >&2\nkill -SEGV $$\n").encode(), "exited", "oh"),
    "hangs": (
        (SELF_CHECK_PASSES + "echo waiting >&2\nexec sleep 1000\n").encode(),
        "hung",
        "waiting",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_it_comes_back_by_itself(
    kind: str,
    api: Api,
    build: Callable[[str], Path],
    start_worker: Callable[..., RunningWorker],
    tmp_path: Path,
) -> None:
    content, reason, word = BAD[kind]
    old = build("v0.4.9")
    api.curl_upload("v0.4.9", LINUX, old)
    workers = [
        start_worker(name, old, "--auto-update", "--probation-silence", "3") for name in ("a", "b")
    ]
    for worker in workers:
        api.until(worker.name, reason="up-to-date")

    bad = tmp_path / "bad"
    bad.write_bytes(content)
    api.curl_upload("v0.5.0", LINUX, bad)

    for worker in workers:
        failure = api.until(worker.name, failure=..., state="idle")["failure"]
        assert (failure["tag"], failure["reason"]) == ("v0.5.0", reason)
        assert word in failure["log_tail"]
        assert sha256(worker.executable) == sha256(old)
        # It stays: told of the same release again and again, it takes it no second time.
        row = api.more_heartbeats(worker.name, 5)
        assert (row["version"], row["state"], row["reason"]) == ("v0.4.9", "idle", "failed-before")

    api.curl_upload("v0.5.1", LINUX, build("v0.5.1"))
    for worker in workers:
        api.until(worker.name, version="v0.5.1", state="idle")
