"""41: redirect to another origin."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaia.errors import TransportError
from gaia.model.artifact import Artifact
from gaia.worker.download import download
from gaia.worker.transport import MAX_REDIRECTS, Transport
from support.web import Reply, Request, Web, make_certificate, serving

TOKEN = "secret-token"


@pytest.fixture
def store() -> Iterator[Web]:
    with Web(lambda request: Reply(body=b"stored " + request.path.encode())) as running:
        yield running


@pytest.fixture
def server() -> Iterator[Web]:
    with Web(lambda _: Reply(500)) as running:
        yield running


@pytest.fixture
def transport(server: Web) -> Iterator[Transport]:
    opened = Transport(server.url, TOKEN, "test")
    yield opened
    opened.close()


def to(location: str, status: int = 302) -> Reply:
    return Reply(status, {"Location": location})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_is_never_sent_along(
    server: Web, store: Web, transport: Transport, status: int
) -> None:
    server.respond = lambda _: to(f"{store.url}/blob?signature=abc", status)
    assert transport.get("/a", limit=100) == b"stored /blob?signature=abc"
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in str(store.requests)


def test_a_download_is_followed_with_its_range_and_without_the_token(
    server: Web, store: Web, transport: Transport, tmp_path: Path
) -> None:
    content = b"content" * 100
    digest = hashlib.sha256(content).hexdigest()
    server.respond = lambda _: to(f"{store.url}/blob")
    store.respond = serving(content, f'"{digest}"')
    file = tmp_path / "f"
    file.write_bytes(content[:100])
    download(transport, "/f", file, Artifact("gaia-worker-linux", len(content), digest))
    assert file.read_bytes() == content
    assert store.requests[0].headers["range"] == "bytes=100-"
    assert TOKEN not in str(store.requests)


def test_within_the_origin_the_token_stays(server: Web, transport: Transport) -> None:
    server.respond = lambda request: to("/b") if request.path == "/a" else Reply(body=b"here")
    assert transport.get("/a", limit=100) == b"here"
    assert server.requests[1].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_foreign_server_cannot_send_the_token_back(
    server: Web, store: Web, transport: Transport
) -> None:
    server.respond = lambda request: (
        to(f"{store.url}/x") if request.path == "/a" else Reply(body=b"deleted everything")
    )
    store.respond = lambda _: to(f"{server.url}/api/danger")
    transport.get("/a", limit=100)
    assert server.requests[1].path == "/api/danger"
    assert "authorization" not in server.requests[1].headers


def test_another_port_is_another_origin_for_a_post(
    server: Web, store: Web, transport: Transport
) -> None:
    server.respond = lambda _: to(f"{store.url}/a", 307)
    with pytest.raises(TransportError) as caught:
        transport.post("/a", b"private", limit=100)
    assert caught.value.code == "redirected"
    assert store.url in caught.value.message
    assert store.requests == []


def test_a_post_is_repeated_as_it_is_within_the_origin(server: Web, transport: Transport) -> None:
    server.respond = lambda request: to("/b", 308) if request.path == "/a" else Reply(body=b"ok")
    assert transport.post("/a", b"body", limit=100) == b"ok"
    assert (server.requests[1].method, server.requests[1].body) == ("POST", b"body")


def test_a_post_never_turns_into_a_get(server: Web, transport: Transport) -> None:
    server.respond = lambda _: to("/b", 302)
    with pytest.raises(TransportError) as caught:
        transport.post("/a", b"body", limit=100)
    assert caught.value.code == "redirected"
    assert len(server.requests) == 1


def test_redirects_end(server: Web, transport: Transport) -> None:
    server.respond = lambda _: to("/a")
    with pytest.raises(TransportError) as caught:
        transport.get("/a", limit=100)
    assert caught.value.code == "too-many-redirects"
    assert len(server.requests) == MAX_REDIRECTS + 1


def test_encryption_is_never_left(
    store: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path / "authority.pem")
    monkeypatch.setenv("GAIA_CA_FILE", str(certificate))

    def onward(_: Request) -> Reply:
        return to(f"{store.url}/x")

    with Web(onward, certificate) as secure:
        transport = Transport(secure.url, TOKEN, "test")
        with pytest.raises(TransportError) as caught:
            transport.get("/a", limit=100)
        transport.close()
    assert caught.value.code == "bad-redirect"
    assert store.requests == []


def test_a_refusal_of_the_store_says_nothing_about_the_token(
    server: Web, store: Web, transport: Transport
) -> None:
    server.respond = lambda _: to(f"{store.url}/expired")
    store.respond = lambda _: Reply(403, body=b"<Error>Request has expired</Error>")
    with pytest.raises(TransportError) as caught:
        transport.get("/a", limit=100)
    assert store.url in caught.value.message
