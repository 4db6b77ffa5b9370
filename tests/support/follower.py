"""A worker's trust client on a real server, without the rest of the worker."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

from gaia.trust.client import TrustClient
from gaia.trust.pin import RootPin
from support.fleet import eventually
from support.server import ServerProcess


class _Source:
    def __init__(self, server: ServerProcess) -> None:
        self._server = server

    def read(self, path: str, *, limit: int) -> bytes | None:
        answer = self._server.get(f"/tuf/{path}")
        return None if answer.status == 404 else answer.body


def follower(server: ServerProcess, state: Path, pin: RootPin) -> TrustClient:
    """A client with its state in `state`."""
    return TrustClient(state, _Source(server), pin, lambda: datetime.now(UTC))


def follow(client: TrustClient, server: ServerProcess) -> None:
    """What the answer to a real heartbeat makes a worker do."""
    body = json.dumps({"name": "follower", "version": "v0.0.1", "machine": "m"}).encode()
    worker_id = server.ask("POST", "/api/workers/register", body).json()["worker_id"]
    beat = json.dumps({"version": "v0.0.1", "platform": "linux"}).encode()
    tuf = server.ask("POST", f"/api/workers/heartbeat/{worker_id}", beat).json()["tuf"]
    client.refresh(tuf["root"], tuf["timestamp"])


def clock_passes_what_was_seen(state: Path) -> None:
    """Return when the clock has passed the versions that the client with this state has seen.

    Versions are Unix seconds, but ahead of the clock when much is published within one. A server
    that was restored counts from the clock, and no real one is restored within these seconds.
    """
    timestamp = json.loads((state / "timestamp.json").read_bytes())
    seen: int = timestamp["signed"]["version"]
    eventually(f"a time after {seen}", lambda: time.time() >= seen + 1)
