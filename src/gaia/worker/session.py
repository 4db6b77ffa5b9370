"""A worker's conversation with its server: register once, then heartbeats."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import msgspec

from gaia.errors import NotFound, TransportError
from gaia.protocol.worker import MAX_BODY, Heartbeat, HeartbeatAnswer, Register, Registered
from gaia.worker.transport import Transport


class Session:
    """Keeps the `worker_id`, and asks for a new one when the server no longer knows it.

    Args:
        alive: called between two calls. Each may take its time, and a server that is slow must not
            look like a worker that hangs.
    """

    def __init__(
        self, transport: Transport, introduction: Register, alive: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._introduction = introduction
        self._alive = alive
        self._encoder = msgspec.json.Encoder()
        self._answers = msgspec.json.Decoder(HeartbeatAnswer)
        self._worker_id: str | None = None

    def beat(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        """Send one heartbeat.

        Raises:
            TransportError: no useful answer.
            Refused: the token is not accepted.
        """
        if self._worker_id is not None:
            try:
                return self._send(self._worker_id, heartbeat)
            except NotFound:
                self._worker_id = None
                self._alive()
        self._worker_id = self._register()
        self._alive()
        return self._send(self._worker_id, heartbeat)

    def _register(self) -> str:
        body = self._transport.post(
            "/api/workers/register", self._encoder.encode(self._introduction), limit=MAX_BODY
        )
        try:
            return msgspec.json.decode(body, type=Registered).worker_id
        except msgspec.DecodeError as error:
            raise _not_ours(error) from None

    def _send(self, worker_id: str, heartbeat: Heartbeat) -> HeartbeatAnswer:
        body = self._transport.post(
            f"/api/workers/heartbeat/{quote(worker_id, safe='')}",
            self._encoder.encode(heartbeat),
            limit=MAX_BODY,
        )
        try:
            return self._answers.decode(body)
        except msgspec.DecodeError as error:
            raise _not_ours(error) from None


def _not_ours(error: msgspec.DecodeError) -> TransportError:
    return TransportError(
        "odd-answer",
        f"The server's answer is not one that this worker understands: {error}.",
        hint="Check that --server is the address of a gaia-server.",
    )
