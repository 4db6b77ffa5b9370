"""Where a server is, and where it may send a client on to."""

import pytest

from gaia.errors import InvalidInput, TransportError
from gaia.protocol.address import Address, Origin, redirected


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://host:7434", "http://host:7434/x"),
        ("http://host:7434/", "http://host:7434/x"),
        ("HTTPS://Host", "https://host/x"),
        ("https://host:443/gaia/", "https://host/gaia/x"),
        ("http://[::1]:7434", "http://[::1]:7434/x"),
    ],
)
def test_addresses(text: str, url: str) -> None:
    assert Address.parse(text).url("/x") == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "host:7434",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://host:99999",
        "http://ho st",
        "http://host\n",
        "http://host?token=x",
        "http://host#x",
        "http://hóst",
        "http://[::1",
    ],
)
def test_other_texts_are_refused_with_a_hint(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Address.parse(text)
    assert caught.value.code == "invalid-address"
    assert "http://HOST:7434" in caught.value.hint


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(InvalidInput) as caught:
        Address.parse("https://user:hunter2@host")
    assert "hunter2" not in str(caught.value)


def test_default_ports_are_the_same_origin() -> None:
    assert Origin.of("https://Host/a") == Origin.of("https://host:443/b")
    assert Origin.of("https://host") != Origin.of("http://host")
    assert Origin.of("http://host:1") != Origin.of("http://host:2")


def test_redirects_may_be_relative() -> None:
    assert redirected("https://host/a/b", "../c?d=1") == "https://host/c?d=1"
    assert redirected("http://host/a", "https://host/a") == "https://host/a"


@pytest.mark.parametrize("location", ["http://host/", "ftp://host/", "file:///etc/passwd"])
def test_redirects_never_leave_encryption_or_the_web(location: str) -> None:
    with pytest.raises(TransportError) as caught:
        redirected("https://host/a", location)
    assert caught.value.code == "bad-redirect"
