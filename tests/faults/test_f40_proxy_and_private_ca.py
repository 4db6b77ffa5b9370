"""40: proxy, private CA."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gaia.errors import InvalidInput, TransportError
from gaia.worker.transport import Transport
from support.web import Reply, Request, Web, make_certificate

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "GAIA_CA_FILE", "SSL_CERT_FILE")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path / "authority.pem")


@pytest.fixture
def secure(certificate: Path) -> Iterator[Web]:
    with Web(lambda _: Reply(body=b"secure"), certificate) as running:
        yield running


@pytest.fixture
def proxy() -> Iterator[Web]:
    with Web(lambda _: Reply(body=b"by proxy")) as running:
        yield running


def get(url: str) -> bytes | None:
    transport = Transport(url, "secret-token", "test")
    try:
        return transport.get("/x", limit=100)
    finally:
        transport.close()


def test_http_goes_through_the_proxy(proxy: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//user:p%40ss@"))
    assert get("http://gaia.invalid:7434") == b"by proxy"
    assert proxy.requests[0].path == "http://gaia.invalid:7434/x"
    assert proxy.requests[0].headers["host"] == "gaia.invalid:7434"
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"


def test_https_goes_through_a_tunnel_that_sees_no_token(
    proxy: Web, secure: Web, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")
    monkeypatch.setenv("GAIA_CA_FILE", str(certificate))
    assert get(secure.url) == b"secure"
    (connect,) = proxy.requests
    assert (connect.method, connect.path) == ("CONNECT", f"127.0.0.1:{secure.port}")
    assert "authorization" not in connect.headers
    assert secure.requests[0].headers["authorization"] == "Bearer secret-token"


def test_no_proxy_is_honoured(
    proxy: Web, secure: Web, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "example.org,127.0.0.1")
    monkeypatch.setenv("GAIA_CA_FILE", str(certificate))
    assert get(secure.url) == b"secure"
    assert proxy.requests == []


def test_a_proxy_that_refuses_or_is_not_there_is_named_as_the_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Web(lambda _: Reply()) as gone:
        address = gone.url
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(TransportError) as caught:
        get("https://gaia.invalid")
    assert caught.value.code == "proxy-failed"
    assert caught.value.message.endswith("Connection refused.")
    assert "NO_PROXY" in caught.value.hint


def test_a_proxy_of_an_unknown_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://user:hunter2@proxy")
    monkeypatch.setenv("http_proxy", "gopher://user:hunter2@proxy")
    with pytest.raises(InvalidInput) as caught:
        get("http://gaia.invalid")
    assert caught.value.code == "invalid-proxy"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("variable", ["GAIA_CA_FILE", "SSL_CERT_FILE"])
def test_a_private_authority_is_trusted_when_named(
    secure: Web, certificate: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(certificate))
    assert get(secure.url) == b"secure"


def test_without_it_nothing_is_sent(secure: Web) -> None:
    with pytest.raises(TransportError) as caught:
        get(secure.url)
    assert caught.value.code == "tls-failed"
    assert "GAIA_CA_FILE" in caught.value.hint
    assert secure.requests == []


def test_a_certificate_for_another_host_is_not_accepted(
    secure: Web, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAIA_CA_FILE", str(certificate))
    with pytest.raises(TransportError) as caught:
        get(f"https://localhost:{secure.port}")
    assert caught.value.code == "tls-failed"
    assert secure.requests == []


def test_a_file_of_authorities_that_is_not_there_is_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAIA_CA_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(InvalidInput) as caught:
        get("https://gaia.invalid")
    assert caught.value.code == "invalid-ca-file"


def test_a_redirect_chooses_its_own_proxy(proxy: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def onward(_: Request) -> Reply:
        return Reply(302, {"Location": "http://files.invalid/y"})

    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Web(onward) as server:
        assert get(server.url) == b"by proxy"
    assert proxy.requests[0].path == "http://files.invalid/y"
    assert "authorization" not in proxy.requests[0].headers
