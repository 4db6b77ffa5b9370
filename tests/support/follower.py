"""A worker's trust client on a real server, without the rest of the worker."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from gaia.trust.client import TrustClient
from gaia.trust.pin import RootPin
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
