"""The worker's way to its server: one pool, deadlines, and a token that stays at home."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import urllib3
from urllib3.exceptions import HTTPError

from gaia.errors import GaiaError, NotFound, TransportError
from gaia.protocol import bearer, failure
from gaia.protocol.address import Address, Origin, redirected
from gaia.protocol.pools import Incoming, Pools

CONNECT = 10.0
"""Seconds until a connection must stand."""

DEADLINE = 30.0
"""Seconds for one call from start to end, redirects included."""

MAX_REDIRECTS = 5
_MAX_PROBLEM = 64 * 1024
_CHUNK = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD = frozenset({307, 308})


class Answer:
    """An answer whose body is still to be read. Close it."""

    def __init__(self, response: urllib3.BaseHTTPResponse, origin: Origin) -> None:
        self._response = response
        self._incoming: Incoming | None = getattr(response.connection, "incoming", None)
        self.origin = origin
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    def read(self, amount: int, until: float) -> bytes:
        """The next bytes, at most `amount`; nothing at the end.

        Args:
            until: monotonic seconds; bytes that come later are not waited for.

        Raises:
            TransportError: `timed-out`, or the connection broke off before the end.
        """
        if self._incoming is not None:
            self._incoming.until = until
        try:
            return self._response.read1(amount, decode_content=False)
        except (HTTPError, OSError) as error:
            raise failure.of_network(error, str(self.origin)) from None

    def read_all(self, limit: int, until: float) -> bytes:
        """The whole body.

        Raises:
            TransportError: as `read`, or `answer-too-long`: there is more than `limit` bytes.
        """
        body = bytearray()
        while chunk := self.read(min(_CHUNK, limit + 1 - len(body)), until):
            body += chunk
            if len(body) > limit:
                raise TransportError(
                    "answer-too-long", f"{self.origin} sent more than the {limit} bytes allowed."
                )
        return bytes(body)

    def close(self) -> None:
        """Give the connection back when the body was read to its end, else drop it."""
        if self._response.closed:
            self._response.release_conn()
        else:
            self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Transport:
    """Calls to one server. May be used by several threads.

    Nothing is retried here: the caller knows when it is worth it. Redirects are followed by hand,
    so that the token goes to the server's own origin and to no other.

    Args:
        base_url: the server's address.
        token: sent as a bearer token; never shown.
        deadline: seconds for one call.

    Raises:
        InvalidInput: `invalid-address` or `invalid-token`.
    """

    def __init__(
        self, base_url: str, token: str, user_agent: str, *, deadline: float = DEADLINE
    ) -> None:
        self._address = Address.parse(base_url)
        self._authorization = bearer.authorization(token)
        self._user_agent = user_agent
        self._deadline = deadline
        self._pools = Pools()

    def __repr__(self) -> str:
        return f"Transport({str(self._address)!r})"

    def post(self, path: str, body: bytes, *, limit: int) -> bytes:
        """Send JSON, receive at most `limit` bytes.

        Raises:
            TransportError: no useful answer, with `retry_after` when the server named a time.
            Refused: 401 or 403.
            NotFound: 404.
            Conflict: 409.
            InvalidInput: any other 4xx.
        """
        until = time.monotonic() + self._deadline
        with self._call("POST", path, {"content-type": "application/json"}, body, until) as answer:
            return answer.read_all(limit, until)

    def get(self, path: str, *, limit: int) -> bytes | None:
        """Fetch at most `limit` bytes; None when there is no such thing (404).

        Raises:
            TransportError, Refused, Conflict, InvalidInput: as `post`.
        """
        until = time.monotonic() + self._deadline
        try:
            with self._call("GET", path, {}, None, until) as answer:
                return answer.read_all(limit, until)
        except NotFound:
            return None

    def open(self, path: str, headers: Mapping[str, str]) -> Answer:
        """Start a download: a success, or 416 where the wanted range is not to be had.

        Raises:
            TransportError, Refused, NotFound, Conflict, InvalidInput: as `post`.
        """
        return self._call("GET", path, headers, None, time.monotonic() + self._deadline)

    def close(self) -> None:
        """Close idle connections."""
        self._pools.close()

    def _call(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, until: float
    ) -> Answer:
        url = self._address.url(path)
        sent = {"user-agent": self._user_agent, "accept-encoding": "identity", **headers}
        at_home = True
        for _ in range(MAX_REDIRECTS + 1):
            # Once the way has led elsewhere, the token stays out of it: a foreign server could
            # otherwise send us back to an address of its choice, with our rights.
            at_home = at_home and Origin.of(url) == self._address.origin
            authorization = {"authorization": self._authorization} if at_home else {}
            answer = self._send(method, url, {**sent, **authorization}, body, until)
            if answer.status not in _REDIRECTS:
                return self._accepted(answer, until, at_home=at_home)
            answer.close()
            url = self._next(method, url, answer)
        raise TransportError("too-many-redirects", f"{self._address} redirects without end.")

    def _send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, until: float
    ) -> Answer:
        origin = Origin.of(url)
        left = until - time.monotonic()
        if left <= 0:
            raise TransportError("timed-out", f"{origin} did not answer in time.")
        try:
            response = self._pools.manager(url).urlopen(
                method,
                url,
                headers=headers,
                body=body,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(total=left, connect=min(CONNECT, left)),
            )
        except (HTTPError, OSError) as error:
            raise failure.of_network(error, str(origin)) from None
        return Answer(response, origin)

    def _next(self, method: str, url: str, answer: Answer) -> str:
        target = redirected(url, answer.headers.get("location", ""))
        follows = method == "GET" or (
            answer.status in _SAME_METHOD and Origin.of(target) == self._address.origin
        )
        if not follows:
            raise TransportError(
                "redirected",
                f"{self._address} has moved to {Origin.of(target)}.",
                hint="Check whether that is right; then start the worker with that address.",
            )
        return target

    def _accepted(self, answer: Answer, until: float, *, at_home: bool) -> Answer:
        encoding = answer.headers.get("content-encoding", "identity")
        if answer.status < 300 and encoding == "identity":
            return answer
        if answer.status == 416:
            return answer
        with answer:
            if answer.status < 300:
                raise TransportError(
                    "odd-answer", f"{answer.origin} sent {failure.plain(encoding)} unasked."
                )
            error = self._error(answer, until)
        if at_home or isinstance(error, TransportError):
            raise error
        # What a third party thinks of the request says nothing about our rights on the server.
        raise TransportError(error.code, f"{answer.origin}: {error.message}", hint=error.hint)

    @staticmethod
    def _error(answer: Answer, until: float) -> GaiaError:
        try:
            body = answer.read_all(_MAX_PROBLEM, until)
        except TransportError:
            body = b""
        return failure.of_answer(answer.status, answer.headers, body, now=datetime.now(UTC))
