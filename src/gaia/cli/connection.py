"""The operator's way to the server: JSON in and out, and files streamed up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, BinaryIO
from urllib.parse import urlencode

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

import gaia
from gaia.errors import InvalidInput, TransportError
from gaia.protocol import bearer, failure
from gaia.protocol.address import Address
from gaia.protocol.pools import Pools
from gaia.protocol.release import Uploaded

_CONNECT = 30.0
_ANSWER = 60.0
_PUBLISH = 600.0
"""Seconds: the server signs and stores an upload before it answers."""

_SLOWEST = 16 * 1024
"""Bytes per second that a download keeps up over all."""

_CHUNK = 1024 * 1024
_MAX_ANSWER = 64 * 1024 * 1024


class Connection:
    """Calls to one server. Nothing is retried, and no redirect followed.

    Raises:
        InvalidInput: `invalid-address` or `invalid-token`.
    """

    def __init__(self, server: str, token: str) -> None:
        self._address = Address.parse(server)
        self._headers = {
            "authorization": bearer.authorization(token),
            "user-agent": f"gaia/{gaia.__version__}",
            "accept-encoding": "identity",
        }
        self._pools = Pools()

    def __repr__(self) -> str:
        return f"Connection({str(self._address)!r})"

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """The JSON at `path`.

        Raises:
            NotFound, Refused, Conflict, InvalidInput: as the server says.
            TransportError: no useful answer.
        """
        return _decoded(self._call("GET", path))

    def fetch(self, path: str) -> bytes:
        """The bytes at `path`. Raises as `get`."""
        return self._call("GET", path)

    def download(self, path: str, size: int, sink: Callable[[bytes], object]) -> None:
        """Pass the bytes at `path` on as they come. Raises as `get`, and what `sink` raises.

        Args:
            size: how many are expected; a server that is much slower than any link is given up.
        """
        with self._request("GET", path, patience=_ANSWER + size / _SLOWEST) as response:
            try:
                while chunk := response.read(_CHUNK, decode_content=False):
                    sink(chunk)
            except (HTTPError, TimeoutError, ConnectionError) as error:
                raise failure.of_network(error, str(self._address.origin)) from None

    def post(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Send JSON, receive JSON. Raises as `get`."""
        headers = {"content-type": "application/json"}
        return _decoded(self._call("POST", path, headers, msgspec.json.encode(body)))

    def put(self, path: str, body: bytes | Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Put JSON, encoded or not; receive JSON. Raises as `get`."""
        headers = {"content-type": "application/json"}
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return _decoded(self._call("PUT", path, headers, content, patience=_PUBLISH))

    def delete(self, path: str) -> None:
        """Remove what is at `path`. Raises as `get`."""
        self._call("DELETE", path)

    def upload(
        self, query: Mapping[str, str], file: BinaryIO, size: int, progress: Callable[[int], None]
    ) -> Uploaded:
        """Stream `file` to a release.

        Args:
            query: `tag`, `filename` and more.
            size: bytes of the file.
            progress: told how many bytes were read since it was last told.

        Raises:
            Conflict: other bytes are published under that name.
            TransportError: also `upload-corrupted`: the server stored something else.
            NotFound, Refused, InvalidInput: as `get`.
        """
        stream = _Stream(file, size, progress)
        answer = self._call(
            "POST",
            f"/api/releases/upload?{urlencode(query)}",
            {"content-type": "application/octet-stream", "content-length": str(size)},
            stream,
            patience=_PUBLISH,
        )
        try:
            uploaded = msgspec.json.decode(answer, type=Uploaded)
        except msgspec.DecodeError:
            raise _odd_answer() from None
        if uploaded.sha256 != stream.sha256:
            raise TransportError(
                "upload-corrupted",
                f"The server stored {uploaded.filename} as SHA-256 {uploaded.sha256}, "
                f"but the file here has {stream.sha256}.",
                hint="It was changed on the way or on the server: do not let workers have it.",
            )
        return uploaded

    def close(self) -> None:
        """Close idle connections."""
        self._pools.close()

    def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | _Stream | None = None,
        *,
        patience: float = _ANSWER,
    ) -> bytes:
        with self._request(method, path, headers, body, patience=patience) as response:
            return self._content(response)

    @contextmanager
    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | _Stream | None = None,
        *,
        patience: float,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """An answer whose status is a success, and whose content is to be read."""
        url = self._address.url(path)
        try:
            response = self._pools.manager(url).urlopen(
                method,
                url,
                headers={**self._headers, **(headers or {})},
                body=body,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=_CONNECT, read=patience),
            )
        except (HTTPError, OSError) as error:
            raise failure.of_network(error, str(self._address.origin)) from None
        try:
            self._check(response)
            yield response
        finally:
            response.close()

    def _check(self, response: urllib3.BaseHTTPResponse) -> None:
        answered = {name.lower(): value for name, value in response.headers.items()}
        if 300 <= response.status < 400:
            raise TransportError(
                "redirected",
                f"{self._address} has moved to {failure.plain(answered.get('location', '?'))}.",
                hint="Check whether that is right; then give that address with --server.",
            )
        if response.status >= 400:
            content = self._content(response)
            raise failure.of_answer(response.status, answered, content, now=datetime.now(UTC))

    def _content(self, response: urllib3.BaseHTTPResponse) -> bytes:
        try:
            content = response.read(_MAX_ANSWER, decode_content=False)
            surplus = response.read(1, decode_content=False)
        except (HTTPError, OSError) as error:
            raise failure.of_network(error, str(self._address.origin)) from None
        if surplus:
            raise _odd_answer()
        return content


class _Stream:
    """A file of known size on its way to the server, hashed as it goes."""

    def __init__(self, file: BinaryIO, size: int, progress: Callable[[int], None]) -> None:
        self._file = file
        self._left = size
        self._progress = progress
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def read(self, amount: int) -> bytes:
        chunk = self._file.read(min(amount, self._left))
        if not chunk and self._left:
            raise InvalidInput(
                "file-changed", "The file became shorter while it was sent.", hint="Repeat it."
            )
        self._left -= len(chunk)
        self._digest.update(chunk)
        self._progress(len(chunk))
        return chunk


def _decoded(content: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        raise _odd_answer() from None


def _odd_answer() -> TransportError:
    return TransportError(
        "odd-answer",
        "The answer is not one of a gaia-server.",
        hint="Check the address given with --server.",
    )
