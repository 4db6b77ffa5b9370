"""A conversation with a slow server does not look like a worker that hangs."""

from __future__ import annotations

import msgspec

from gaia.errors import NotFound
from gaia.protocol.worker import DirectiveMessage, Heartbeat, HeartbeatAnswer, Register, Tuf
from gaia.worker.session import Session
from gaia.worker.transport import Transport

ANSWER = HeartbeatAnswer(
    "ok", None, False, DirectiveMessage("stay", "no-release"), None, Tuf(1, ""), 5.0
)


class Forgetful(Transport):
    """A server that knows nobody at first, and forgets one worker later."""

    def __init__(self) -> None:
        super().__init__("http://server", "token", "test")
        self.story: list[str] = []
        self.forgets = False

    def alive(self) -> None:
        self.story.append("alive")

    def post(self, path: str, body: bytes, *, limit: int) -> bytes:
        self.story.append("register" if path.endswith("/register") else "heartbeat")
        if path.endswith("/register"):
            return msgspec.json.encode({"worker_id": "1"})
        if self.forgets:
            self.forgets = False
            raise NotFound("unknown-worker", "No worker has this ID.")
        return msgspec.json.encode(ANSWER)


def test_a_sign_of_life_between_any_two_calls() -> None:
    server = Forgetful()
    session = Session(server, Register("one"), server.alive)
    heartbeat = Heartbeat("v0.1.0", "linux")
    session.beat(heartbeat)
    assert server.story == ["register", "alive", "heartbeat"]
    server.story.clear()
    server.forgets = True
    session.beat(heartbeat)
    assert server.story == ["heartbeat", "alive", "register", "alive", "heartbeat"]
