"""Where a server is, and where it may send a client on to."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from gaia.errors import InvalidInput, TransportError

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port: within one origin, and nowhere else, a token may travel."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of an http or https URL.

        Raises:
            ValueError: it is none.
        """
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("not an http or https URL")
        return cls(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


@dataclass(frozen=True)
class Address:
    """The address of a server, with the path below which it lives.

    Attributes:
        prefix: empty, or a path without a slash at its end.
    """

    origin: Origin
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `https://gaia.example` or `http://10.0.0.5:7434/below/here`.

        Raises:
            InvalidInput: `invalid-address`. The text is not repeated where it may hold a password.
        """
        parts = _split(text)
        if parts is None or parts.username is not None or parts.query or parts.fragment:
            shown = "The server's address" if "@" in text else repr(text[:200])
            raise InvalidInput(
                "invalid-address",
                f"{shown} is not the address of a server.",
                hint="Write it as https://HOST or http://HOST:7434; the token goes elsewhere.",
            )
        return cls(Origin.of(text), parts.path.rstrip("/"))

    def url(self, path: str) -> str:
        """The URL of `path`, which starts with a slash."""
        return f"{self.origin}{self.prefix}{path}"

    def __str__(self) -> str:
        return f"{self.origin}{self.prefix}"


def redirected(url: str, location: str) -> str:
    """The URL to which a redirect from `url` leads.

    Raises:
        TransportError: `bad-redirect`: it leads nowhere, or from https to http.
    """
    try:
        target = urljoin(url, location)
        before, after = Origin.of(url), Origin.of(target)
    except ValueError:
        raise TransportError(
            "bad-redirect", "The server redirects to something that is not a web address."
        ) from None
    if before.scheme == "https" and after.scheme == "http":
        raise TransportError(
            "bad-redirect", f"{before} redirects to {after}, which is not encrypted."
        )
    return target


def _split(text: str) -> SplitResult | None:
    if not text.isascii() or any(character <= " " for character in text):
        return None
    try:
        parts = urlsplit(text)
        Origin.of(text)
    except ValueError:
        return None
    return parts
