"""An idle worker makes no request but its heartbeats, and none without its token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.fleet import BUNDLE, LINUX, Api, RunningServer, RunningWorker, eventually
from support.proxy import CountingProxy


def test_once_it_knows_the_release_it_asks_for_nothing_else(
    server: RunningServer,
    api: Api,
    build: Callable[[str], Path],
    bundle: Callable[..., Path],
    start_worker: Callable[..., RunningWorker],
) -> None:
    old = build("v0.4.9")
    api.curl_upload("v0.4.9", LINUX, old)
    api.curl_upload("v0.4.9", BUNDLE, bundle("first"))
    with CountingProxy(server.url) as proxy:
        worker = start_worker("w", old, "--auto-update", server_url=proxy.url)
        eventually("the bundle is there", (worker.folder / "run_all.py").exists)
        row = api.until("w", reason="up-to-date", bundle=...)
        settled = len(proxy.requests)
        api.more_heartbeats("w", 20)
        idle = proxy.requests[settled:]
        assert len(idle) >= 20
        assert set(idle) == {f"POST /api/workers/heartbeat/{row['id']}"}
        assert proxy.tokens >= len(proxy.requests) - 1, "one may be on its way"
