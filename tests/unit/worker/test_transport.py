"""The worker's calls, against a real server on the loopback interface."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import msgspec
import pytest

from gaia.errors import (
    Conflict,
    GaiaError,
    InvalidInput,
    NotFound,
    Refused,
    TransportError,
)
from gaia.protocol.problem import CONTENT_TYPE, Problem
from gaia.worker.transport import Transport
from gaia.worker.tuf_source import TufSource
from support.web import Reply, Web

TOKEN = "secret-token-0123456789"


def problem(status: int, code: str) -> Reply:
    document = Problem(f"/problems/{code}", "Title", status, "What happened.", code, "What next.")
    return Reply(status, {"Content-Type": CONTENT_TYPE}, msgspec.json.encode(document))


@pytest.fixture
def web() -> Iterator[Web]:
    with Web(lambda request: Reply(body=b"answer to " + request.path.encode())) as running:
        yield running


@pytest.fixture
def transport(web: Web) -> Iterator[Transport]:
    opened = Transport(web.url, TOKEN, "gaia-worker/0.5.0")
    yield opened
    opened.close()


def test_calls_share_one_connection_and_carry_the_token_in_a_header(
    web: Web, transport: Transport
) -> None:
    assert transport.post("/a", b'{"x":1}', limit=100) == b"answer to /a"
    assert transport.get("/b", limit=100) == b"answer to /b"
    assert transport.post("/c", b"{}", limit=100) == b"answer to /c"
    assert web.connections == 1
    for request in web.requests:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.headers["user-agent"] == "gaia-worker/0.5.0"
        assert TOKEN not in request.path
    assert web.requests[0].body == b'{"x":1}'
    assert web.requests[0].headers["content-type"] == "application/json"


def test_a_path_prefix_of_the_server_is_kept(web: Web) -> None:
    transport = Transport(f"{web.url}/below/here/", TOKEN, "test")
    assert transport.get("/api", limit=100) == b"answer to /below/here/api"
    transport.close()


def test_tuf_files_are_below_tuf(web: Web, transport: Transport) -> None:
    source = TufSource(transport)
    assert source.read("1.root.json", limit=100) == b"answer to /tuf/1.root.json"
    web.respond = lambda _: Reply(404)
    assert source.read("2.root.json", limit=100) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidInput),
        (401, Refused),
        (403, Refused),
        (404, NotFound),
        (409, Conflict),
        (413, InvalidInput),
        (429, TransportError),
        (500, TransportError),
        (503, TransportError),
        (507, TransportError),
    ],
)
def test_problem_documents_become_errors(
    web: Web, transport: Transport, status: int, kind: type[GaiaError]
) -> None:
    web.respond = lambda _: problem(status, "some-code")
    with pytest.raises(kind) as caught:
        transport.post("/a", b"{}", limit=100)
    assert (caught.value.code, caught.value.message) == ("some-code", "What happened.")
    assert caught.value.hint == "What next."


@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b"\xff\xfe", b'{"code": 5}', b""])
def test_other_error_pages_become_errors_too(web: Web, transport: Transport, body: bytes) -> None:
    web.respond = lambda _: Reply(502, body=body)
    with pytest.raises(TransportError) as caught:
        transport.post("/a", b"{}", limit=100)
    assert caught.value.code == "http-502"


def test_terminal_escapes_in_a_problem_are_not_passed_on(web: Web, transport: Transport) -> None:
    document = Problem("/x", "t", 400, "one\x1b[2J\ntwo", "c\x07ode", "")
    web.respond = lambda _: Reply(400, body=msgspec.json.encode(document))
    with pytest.raises(InvalidInput) as caught:
        transport.post("/a", b"{}", limit=100)
    assert caught.value.message.isprintable()
    assert caught.value.code.isprintable()


def test_a_get_of_nothing_is_none(web: Web, transport: Transport) -> None:
    web.respond = lambda _: problem(404, "not-found")
    assert transport.get("/a", limit=100) is None


@pytest.mark.parametrize("length", [-1, None], ids=["announced", "unannounced"])
def test_an_answer_may_be_as_long_as_allowed_and_no_longer(
    web: Web, transport: Transport, length: int | None
) -> None:
    web.respond = lambda _: Reply(body=b"x" * 100, length=length)
    assert transport.get("/a", limit=100) == b"x" * 100
    with pytest.raises(TransportError) as caught:
        transport.get("/a", limit=99)
    assert caught.value.code == "answer-too-long"


def test_a_compressed_answer_is_refused(web: Web, transport: Transport) -> None:
    web.respond = lambda _: Reply(headers={"Content-Encoding": "gzip"}, body=b"\x1f\x8b")
    with pytest.raises(TransportError) as caught:
        transport.get("/a", limit=99)
    assert caught.value.code == "odd-answer"
    assert web.requests[0].headers["accept-encoding"] == "identity"


def test_half_an_answer_is_none(web: Web, transport: Transport) -> None:
    web.respond = lambda _: Reply(body=b"x" * 100, cut=50)
    with pytest.raises(TransportError) as caught:
        transport.get("/a", limit=100)
    assert caught.value.code == "connection-broken"


def test_a_silent_server_is_not_waited_for_beyond_the_deadline(web: Web) -> None:
    web.respond = lambda _: Reply(body=b"x" * 100, cut=50, stall=True)
    transport = Transport(web.url, TOKEN, "test", deadline=0.3)
    with pytest.raises(TransportError) as caught:
        transport.get("/a", limit=100)
    assert caught.value.code == "timed-out"
    transport.close()


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["header", "body", "chunk-size"],
)
def test_a_server_that_drips_is_not_waited_for_beyond_the_deadline(start: bytes) -> None:
    gone = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(start)
            try:
                while not gone.wait(0.02):
                    connection.sendall(b"0")
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        transport = Transport(
            f"http://127.0.0.1:{listener.getsockname()[1]}", TOKEN, "test", deadline=0.3
        )
        with pytest.raises(TransportError) as caught:
            transport.get("/a", limit=99999)
        gone.set()
        thread.join()
        transport.close()
    assert caught.value.code == "timed-out"


def test_nobody_listening_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(TransportError) as caught:
        Transport(address, TOKEN, "test").post("/a", b"{}", limit=10)
    assert caught.value.code == "not-connected"
    assert caught.value.message == f"No connection to {address}: Connection refused."


def test_an_unknown_name_is_said_plainly() -> None:
    with pytest.raises(TransportError) as caught:
        Transport("http://no-such-host.invalid", TOKEN, "test").get("/a", limit=10)
    assert caught.value.code == "name-not-resolved"


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "späť"])
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Transport("http://host", token, "test")
    assert caught.value.code == "invalid-token"
    assert not token or token not in str(caught.value)


def test_the_token_is_not_in_the_representation(transport: Transport) -> None:
    assert TOKEN not in repr(transport)
