"""Keep-alive connections over the proxies and authorities that the machine's owner chose."""

from __future__ import annotations

import io
import os
import socket
import ssl
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import truststore
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from gaia.errors import InvalidInput

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CA_FILES = ("GAIA_CA_FILE", "SSL_CERT_FILE")
"""Environment variables that name certificates to trust beside the system's."""


class Incoming:
    """The receiving side of a socket, under one deadline.

    A socket's own time-out starts anew with each byte, so a server that sends one now and then
    could hold a client for ever.

    Attributes:
        until: monotonic seconds after which no more is waited for.
    """

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._socket = sock
        self.until = until

    def makefile(self, mode: str) -> io.BufferedReader:
        """What `http.client` asks of a socket."""
        assert mode == "rb"  # noqa: S101 - the one mode that http.client uses
        return io.BufferedReader(_Raw(self, self._socket.makefile("rb", buffering=0)), 65536)

    def allow(self) -> None:
        """Let the next read wait for what is left of the time.

        Raises:
            TimeoutError: nothing is left.
        """
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("deadline passed")
        self._socket.settimeout(left)


class _Raw(io.RawIOBase):
    def __init__(self, incoming: Incoming, inner: socket.SocketIO) -> None:
        self._incoming = incoming
        self._inner = inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._incoming.allow()
        return self._inner.readinto(buffer)

    def close(self) -> None:
        self._inner.close()
        super().close()


class _Patient(HTTPConnection):
    """urllib3 sets `timeout` to what the call has left; it counts for all headers together."""

    incoming: Incoming | None = None

    def response_class(  # type: ignore[override]
        self, sock: socket.socket, method: str | None = None
    ) -> HTTPResponse:
        self.incoming = Incoming(sock, time.monotonic() + float(self.timeout or 0))
        return HTTPResponse(self.incoming, method=method)  # type: ignore[arg-type]


class _PatientTls(_Patient, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Patient


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _PatientTls


class Pools:
    """One pool manager for each proxy in use, and one for direct connections."""

    def __init__(self) -> None:
        self._managers: dict[str | None, urllib3.PoolManager] = {}
        self._tls: ssl.SSLContext | None = None

    def manager(self, url: str) -> urllib3.PoolManager:
        """The manager whose connections lead to `url`.

        Raises:
            InvalidInput: `invalid-proxy` or `invalid-ca-file`: the environment is at fault.
        """
        proxy = _proxy_for(url)
        if proxy not in self._managers:
            self._managers[proxy] = self._open(proxy)
        return self._managers[proxy]

    def close(self) -> None:
        """Close all idle connections."""
        for manager in self._managers.values():
            manager.clear()

    def _open(self, proxy: str | None) -> urllib3.PoolManager:
        self._tls = self._tls or _tls_context()
        manager: urllib3.PoolManager
        if proxy is None:
            manager = urllib3.PoolManager(ssl_context=self._tls, retries=False)
        else:
            address, authorization = _credentials(proxy)
            manager = urllib3.ProxyManager(
                address,
                proxy_headers=authorization,
                proxy_ssl_context=self._tls,
                ssl_context=self._tls,
                retries=False,
            )
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager


def _proxy_for(url: str) -> str | None:
    target = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(target.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(target.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _credentials(proxy: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(proxy)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidInput(
            "invalid-proxy",
            "The proxy that the environment names is neither an http nor an https one.",
            hint="Set HTTPS_PROXY to http://HOST:PORT, or exempt the server in NO_PROXY.",
        )
    login, _, host = parts.netloc.rpartition("@")
    headers = urllib3.make_headers(proxy_basic_auth=unquote(login)) if login else {}
    return urlunsplit((parts.scheme, host, "", "", "")), dict(headers)


def _tls_context() -> ssl.SSLContext:
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for variable in CA_FILES:
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            context.load_verify_locations(cafile=path)
        except OSError as error:
            raise InvalidInput(
                "invalid-ca-file",
                f"{variable} names {path}, which cannot be used: {error.strerror or error}.",
                hint="Name a readable file of certificates in PEM form.",
            ) from None
    return context
