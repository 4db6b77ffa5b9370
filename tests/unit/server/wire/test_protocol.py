"""Heartbeats and other requests, mixed on real connections."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from gaia.protocol.problem import CONTENT_TYPE
from gaia.protocol.worker import MAX_BODY

if TYPE_CHECKING:
    from http.client import HTTPResponse

Served = Any
Client = Any


def is_problem(answer: tuple[HTTPResponse, bytes], status: int, code: str) -> None:
    response, body = answer
    assert response.status == status
    assert response.getheader("content-type") == CONTENT_TYPE
    document = json.loads(body)
    assert (document["status"], document["code"]) == (status, code)


def is_answered(answer: tuple[HTTPResponse, bytes]) -> None:
    response, body = answer
    assert response.status == 200
    assert response.getheader("content-type") == "application/json"
    assert response.getheader("date")
    assert json.loads(body)["status"] == "ok"


def test_many_heartbeats_on_one_connection(served: Served, client: Client) -> None:
    for _ in range(3):
        client.send(served.heartbeat())
        is_answered(client.answer())
    assert served.fleet.get(served.worker_id).heartbeats == 3
    assert served.fleet.get(served.worker_id).version == "v0.4.9"


def test_the_old_form(served: Served, client: Client) -> None:
    client.send(served.heartbeat(method="GET"))
    is_answered(client.answer())
    client.send(served.heartbeat(method="GET", worker_id=served.worker_id + "?x=1"))
    is_answered(client.answer())


def test_other_requests_on_the_same_connection(
    served: Served, client: Client, ask: Callable[..., bytes]
) -> None:
    for number in range(3):
        client.send(ask("POST", "/echo", body=b"%d" % number))
        assert client.answer()[1] == b"%d" % number
        client.send(served.heartbeat())
        is_answered(client.answer())
        client.send(ask("GET", "/nowhere"))
        assert client.answer()[0].status == 404


def test_pipelined_requests_are_answered_in_order(
    served: Served, client: Client, ask: Callable[..., bytes]
) -> None:
    client.send(
        served.heartbeat()
        + ask("POST", "/echo", body=b"one")
        + served.heartbeat()
        + served.heartbeat(method="GET")
        + ask("POST", "/echo", body=b"two")
        + served.heartbeat(worker_id="0" * 32)
        + served.heartbeat(token="wrong")
        + ask("POST", "/echo", body=b"three")
    )
    is_answered(client.answer())
    assert client.answer()[1] == b"one"
    is_answered(client.answer())
    is_answered(client.answer())
    assert client.answer()[1] == b"two"
    is_problem(client.answer(), 404, "unknown-worker")
    is_problem(client.answer(), 401, "unauthorized")
    assert client.answer()[1] == b"three"
    assert served.fleet.get(served.worker_id).heartbeats == 3


def test_a_client_that_never_reads_is_not_listened_to(served: Served, client: Client) -> None:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    one = served.heartbeat(method="GET")
    sent, most = 0, 100 * 1024 * 1024
    while sent < most and select.select([], [client.socket], [], 1.0)[1]:
        sent += client.socket.send((one * 100)[sent % len(one) :], socket.MSG_DONTWAIT)
    assert sent < most
    for _ in range(sent // len(one)):
        is_answered(client.answer())


def test_a_request_in_single_bytes(served: Served, client: Client) -> None:
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in served.heartbeat():
        client.send(bytes([byte]))
    is_answered(client.answer())


def test_a_chunked_body(served: Served, client: Client) -> None:
    client.send(
        served.heartbeat(b"", "Transfer-Encoding: chunked")
        + b'b\r\n{"version":\r\n'
        + b'1d\r\n"v0.4.8","platform":"linux"}\n\r\n0\r\n\r\n'
    )
    is_answered(client.answer())
    assert served.fleet.get(served.worker_id).version == "v0.4.8"
    client.send(served.heartbeat())
    is_answered(client.answer())


def test_a_body_that_is_announced_too_large(served: Served, client: Client) -> None:
    client.send(served.heartbeat(b"x" * (MAX_BODY + 1)))
    is_problem(client.answer(), 413, "body-too-large")
    assert client.ended()


def test_a_chunked_body_that_grows_too_large(served: Served, client: Client) -> None:
    client.send(served.heartbeat(b"", "Transfer-Encoding: chunked"))
    for _ in range(MAX_BODY // 4096 + 1):
        client.send(b"1000\r\n" + b" " * 4096 + b"\r\n")
    is_problem(client.answer(), 413, "body-too-large")
    assert client.ended()


def test_the_largest_body(served: Served, client: Client) -> None:
    body = b'{"version":"v0.4.9","platform":"linux"}'
    client.send(served.heartbeat(body + b" " * (MAX_BODY - len(body))))
    is_answered(client.answer())


@pytest.mark.parametrize(("token", "code"), [(None, "unauthorized"), ("wrong", "unauthorized")])
def test_without_a_valid_token(
    served: Served, client: Client, token: str | None, code: str
) -> None:
    client.send(served.heartbeat(token=token))
    answer = client.answer()
    is_problem(answer, 401, code)
    assert answer[0].getheader("www-authenticate", "").startswith("Bearer")
    assert client.ended()
    assert served.fleet.get(served.worker_id).heartbeats == 0


@pytest.mark.parametrize(
    "worker_id", ["0" * 32, "%00", "%c3%bc", "a/b", "", "..%2f..", "x" * 5_000]
)
def test_an_unknown_worker(served: Served, client: Client, worker_id: str) -> None:
    text = served.heartbeat(worker_id="PLACE").replace(b"PLACE", worker_id.encode("latin-1"))
    client.send(text)
    is_problem(client.answer(), 404, "unknown-worker")
    client.send(served.heartbeat())
    is_answered(client.answer())


@pytest.mark.parametrize("body", [b"{", b"\xff", b"null", b"[" * 10_000])
def test_a_body_that_is_no_heartbeat(served: Served, client: Client, body: bytes) -> None:
    client.send(served.heartbeat(body))
    is_problem(client.answer(), 400, "invalid-json")
    client.send(served.heartbeat())
    is_answered(client.answer())


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods(served: Served, client: Client, method: str) -> None:
    client.send(served.heartbeat(method=method))
    answer = client.answer()
    is_problem(answer, 405, "method-not-allowed")
    assert answer[0].getheader("allow") == "GET, POST"


def test_head_has_no_body(served: Served, client: Client) -> None:
    client.send(served.heartbeat(b"", method="HEAD"))
    response, body = client.answer("HEAD")
    assert (response.status, body) == (405, b"")
    assert client.ended()


def test_expect_continue(served: Served, client: Client) -> None:
    head, _, body = served.heartbeat(
        b'{"version":"v0.4.7","platform":"linux"}', "Expect: 100-continue"
    ).partition(b"\r\n\r\n")
    client.send(head + b"\r\n\r\n")
    assert client.line() == b"HTTP/1.1 100 Continue\r\n"
    assert client.line() == b"\r\n"
    client.send(body)
    is_answered(client.answer())
    client.send(served.heartbeat())
    is_answered(client.answer())


def test_expect_continue_without_a_token(served: Served, client: Client) -> None:
    head = served.heartbeat(b"xxx", "Expect: 100-continue", token=None).partition(b"xxx")[0]
    client.send(head)
    is_problem(client.answer(), 401, "unauthorized")
    assert client.ended()


@pytest.mark.parametrize("variant", [{"version": "1.0"}, {"header": "Connection: close"}])
def test_a_connection_for_one_heartbeat(
    served: Served, client: Client, variant: dict[str, str]
) -> None:
    headers = [variant["header"]] if "header" in variant else []
    client.send(served.heartbeat(b"{}", *headers, version=variant.get("version", "1.1")))
    response, _ = client.answer()
    assert response.getheader("connection") == "close"
    assert client.ended()


def test_an_upgrade_is_not_followed(served: Served, client: Client) -> None:
    client.send(served.heartbeat(b"", "Connection: Upgrade", "Upgrade: websocket", method="GET"))
    is_answered(client.answer())


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET /api/workers/heartbeat/\xfc HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_garbage_is_refused(client: Client, garbage: bytes) -> None:
    client.send(garbage)
    is_problem(client.answer(), 400, "malformed-request")
    assert client.ended()


def test_garbage_behind_a_request_that_waits(client: Client, ask: Callable[..., bytes]) -> None:
    client.send(ask("POST", "/echo", body=b"x") + b"\x00\r\n\r\n")
    assert client.answer()[1] == b"x"
    assert client.ended()


def test_garbage_within_a_body(client: Client, ask: Callable[..., bytes]) -> None:
    client.send(ask("POST", "/echo", "Transfer-Encoding: chunked") + b"zz\r\n")
    is_problem(client.answer(), 400, "malformed-request")
    assert client.ended()


def test_garbage_behind_a_heartbeat(served: Served, client: Client) -> None:
    client.send(served.heartbeat() + b"\x00\r\n\r\n")
    is_answered(client.answer())
    is_problem(client.answer(), 400, "malformed-request")
    assert client.ended()


def test_a_client_that_leaves_in_the_middle(served: Served, connect: Callable[[], Client]) -> None:
    leaver = connect()
    leaver.send(served.heartbeat()[:-5])
    leaver.close()
    stayer = connect()
    stayer.send(served.heartbeat())
    is_answered(stayer.answer())
    assert served.fleet.get(served.worker_id).heartbeats == 1


@pytest.mark.parametrize("said", ["nothing", "half a head", "half a body", "a heartbeat", "more"])
def test_silence_ends_a_connection(
    served: Served, client: Client, ask: Callable[..., bytes], said: str
) -> None:
    beat = served.heartbeat()
    if said == "half a head":
        client.send(beat[:20])
    elif said == "half a body":
        client.send(beat[:-5])
    elif said != "nothing":
        client.send(beat)
        is_answered(client.answer())
    if said == "more":
        client.send(ask("POST", "/echo", body=b"x"))
        assert client.answer()[1] == b"x"
    assert client.ended()
