"""Artifacts over real connections: sendfile, ranges, conditions, damaged blobs."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.fleet import eventually

Served = Any
Client = Any
Ask = Callable[..., bytes]

PATH = "/releases/v1.0.0/file"


def test_the_whole_file(served: Served, client: Client, ask: Ask) -> None:
    for path, cache in ((PATH, "immutable"), ("/releases/latest/file", "no-cache")):
        client.send(ask("GET", path))
        response, body = client.answer()
        assert response.status == 200
        assert hashlib.sha256(body).hexdigest() == served.artifact.sha256
        assert response.getheader("etag") == f'"{served.artifact.sha256}"'
        assert cache in response.getheader("cache-control")


def test_it_takes_the_way_through_sendfile(
    served: Served, client: Client, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, real = [], os.sendfile

    def counting(target: int, source: int, offset: int, count: int) -> int:
        sent = real(target, source, offset, count)
        counted.append(sent)
        return sent

    monkeypatch.setattr(os, "sendfile", counting)
    client.send(ask("GET", PATH))
    _, body = client.answer()
    assert len(body) == served.artifact.size
    # The last call may not have returned yet when its bytes are here.
    eventually("all of it counted", lambda: sum(counted) == len(body))


@pytest.mark.parametrize(
    ("text", "first", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=1000000-", 1_000_000, None), ("bytes=-300", -300, None)],
)
def test_a_part(
    served: Served, client: Client, ask: Ask, text: str, first: int, stop: int | None
) -> None:
    client.send(ask("GET", PATH, f"Range: {text}", f'If-Range: "{served.artifact.sha256}"'))
    response, body = client.answer()
    assert response.status == 206
    assert body == served.blob.read_bytes()[first:stop]


def test_what_sends_no_content(served: Served, client: Client, ask: Ask) -> None:
    client.send(ask("HEAD", PATH))
    response, body = client.answer("HEAD")
    assert (response.status, body) == (200, b"")
    assert response.getheader("content-length") == str(served.artifact.size)
    client.send(ask("GET", PATH, f'If-None-Match: "{served.artifact.sha256}"'))
    response, body = client.answer()
    assert (response.status, body) == (304, b"")
    client.send(ask("GET", PATH, "Range: bytes=9999999-"))
    response, body = client.answer()
    assert response.status == 416
    assert response.getheader("content-range") == f"bytes */{served.artifact.size}"
    assert json.loads(body)["code"] == "range-not-satisfiable"


def test_pipelined_with_heartbeats(served: Served, client: Client, ask: Ask) -> None:
    whole = served.blob.read_bytes()
    client.send(
        ask("GET", PATH)
        + served.heartbeat()
        + ask("GET", PATH, "Range: bytes=5-9")
        + ask("GET", PATH)
        + served.heartbeat()
    )
    assert client.answer()[1] == whole
    assert client.answer()[0].status == 200
    assert client.answer()[1] == whole[5:10]
    assert client.answer()[1] == whole
    assert json.loads(client.answer()[1])["status"] == "ok"


def test_many_at_once(served: Served, connect: Callable[[], Client], ask: Ask) -> None:
    clients = [connect() for _ in range(20)]
    for client in clients:
        client.send(ask("GET", PATH))
    for client in clients:
        assert hashlib.sha256(client.answer()[1]).hexdigest() == served.artifact.sha256


def test_a_connection_for_one_download(served: Served, client: Client, ask: Ask) -> None:
    client.send(ask("GET", PATH, "Connection: close"))
    assert hashlib.sha256(client.answer()[1]).hexdigest() == served.artifact.sha256
    assert client.ended()


@pytest.mark.parametrize("damage", ["missing", "shorter", "longer"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_damaged_blob_is_refused_before_the_first_byte(
    served: Served, client: Client, ask: Ask, damage: str, method: str
) -> None:
    if damage == "missing":
        served.blob.unlink()
    elif damage == "shorter":
        served.blob.write_bytes(b"MZ")
    else:
        served.blob.write_bytes(served.blob.read_bytes() + b"x")
    client.send(ask(method, PATH))
    response, body = client.answer(method)
    assert response.status == 503
    if method == "GET":
        assert json.loads(body)["code"] == "storage-unavailable"
    client.send(served.heartbeat())
    assert client.answer()[0].status == 200


def test_a_blob_that_shrinks_closes_the_connection(
    served: Served, client: Client, ask: Ask
) -> None:
    client.send(ask("GET", "/shrinking"))
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.answer()
    assert len(caught.value.partial) == 100


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_clients_that_leave_cost_nothing(
    served: Served, connect: Callable[[], Client], ask: Ask, leave: str, caplog: Any
) -> None:
    def is_open() -> bool:
        return any(
            entry.is_symlink() and entry.readlink() == served.blob
            for entry in Path("/proc/self/fd").iterdir()
        )

    for _ in range(5):
        client = connect()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(ask("GET", PATH))
        assert client.line().startswith(b"HTTP/1.1 200")
        if leave == "reset":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    while is_open():
        stayer = connect()
        stayer.send(served.heartbeat())
        assert stayer.answer()[0].status == 200
        stayer.close()
    assert "Exception" not in caplog.text
