"""42: server gone for days."""

from __future__ import annotations

import random
import socket

import pytest

from gaia.errors import TransportError
from gaia.worker.schedule import LONGEST_BACKOFF, Schedule
from gaia.worker.transport import Transport
from support.web import Reply, Web

INTERVAL = 5.0


def test_the_waits_grow_to_a_limit_are_spread_and_never_zero() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    transport = Transport(url, "token", "test")
    chance = random.Random(42)
    now = 0.0
    schedule = Schedule(INTERVAL, lambda: now, chance.random)
    waits = []
    while now < 3 * 86_400:
        with pytest.raises(TransportError) as caught:
            transport.post("/api/workers/heartbeat/w", b"{}", limit=100)
        schedule.failed(caught.value.retry_after)
        waits.append(schedule.remaining)
        now += schedule.remaining
    late = waits[10:]
    assert min(waits) >= INTERVAL / 10
    assert max(waits) <= LONGEST_BACKOFF
    assert max(late) - min(late) > LONGEST_BACKOFF / 2, "full jitter"
    assert sum(late) / len(late) > LONGEST_BACKOFF / 3


def test_the_same_transport_works_again_when_the_server_is_back() -> None:
    with Web(lambda _: Reply(503)) as web:
        transport = Transport(web.url, "token", "test")
        with pytest.raises(TransportError):
            transport.post("/a", b"{}", limit=100)
        web.respond = lambda _: Reply(body=b"back")
        assert transport.post("/a", b"{}", limit=100) == b"back"
        transport.close()


def test_a_connection_that_died_while_idle_is_replaced() -> None:
    with Web(lambda _: Reply(body=b"one")) as web:
        transport = Transport(web.url, "token", "test")
        assert transport.post("/a", b"{}", limit=100) == b"one"
        web.drop_connections()
        assert transport.post("/a", b"{}", limit=100) == b"one"
        assert web.connections == 2
        transport.close()
