"""One heartbeat as an HTTP exchange, whatever carries the bytes."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from starlette.types import Receive, Scope, Send

from gaia.errors import GaiaError, InvalidInput, Refused
from gaia.protocol.worker import MAX_BODY
from gaia.server import problems
from gaia.server.auth import Authenticator, Role, bearer_digest
from gaia.server.heartbeat import HeartbeatService

log = structlog.get_logger(__name__)

PATH = "/api/workers/heartbeat/"
ROLES = frozenset({Role.WORKER, Role.ADMIN})


class Credentials:
    """The last token of a connection, hashed once for all the heartbeats that bring it."""

    def __init__(self) -> None:
        self._authorization: bytes | None = None
        self._digest: bytes | None = None

    def digest(self, authorization: bytes | None) -> bytes | None:
        """SHA-256 of the token in an `Authorization` header."""
        if authorization != self._authorization:
            self._authorization, self._digest = authorization, bearer_digest(authorization)
        return self._digest


class Exchange:
    """Guards and answers `POST` and `GET /api/workers/heartbeat/{id}`.

    It is also an ASGI application, for the rare heartbeat that has to queue up behind another
    request on its connection.
    """

    def __init__(self, service: HeartbeatService, authenticator: Authenticator) -> None:
        self._service = service
        self._authenticator = authenticator

    def check(
        self,
        method: str,
        headers: Iterable[tuple[bytes, bytes]],
        client: str,
        credentials: Credentials,
    ) -> bool:
        """Judge a request by its head; whether the client waits for `100 Continue`.

        Raises:
            Refused: `unauthorized`, `forbidden`, `too-many-failures` or `method-not-allowed`.
            InvalidInput: `body-too-large`.
        """
        authorization, length, expects = None, b"", False
        for name, value in headers:
            if name == b"authorization":
                authorization = value
            elif name == b"content-length":
                length = value
            elif name == b"expect":
                expects = value.lower() == b"100-continue"
        self._authenticator.require_digest(credentials.digest(authorization), ROLES, client)
        if method not in ("POST", "GET"):
            raise Refused(
                "method-not-allowed",
                f"A heartbeat cannot be sent by {method}.",
                hint="Use POST with a JSON body, or GET as GAIA 0.4 does.",
            )
        if length and int(length) > MAX_BODY:
            raise too_large()
        return expects

    def answer(self, method: str, worker_id: str, body: bytes | bytearray) -> bytes:
        """The JSON that answers a heartbeat whose head has passed `check`.

        Raises:
            InvalidInput: `invalid-json`.
            NotFound: `unknown-worker`.
        """
        if method == "GET":
            return self._service.legacy(worker_id)
        return self._service.answer(worker_id, body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer over ASGI."""
        client = scope["client"]
        method, headers = scope["method"], scope["headers"]
        try:
            self.check(method, headers, client[0] if client else "-", Credentials())
            body = await _read(receive)
            worker_id = scope["path"].removeprefix(PATH)
            content = self.answer(method, worker_id, body)
            status, head = 200, {"content-type": "application/json"}
        except Exception as error:  # noqa: BLE001
            status, head, content = refusal(error)
        head["content-length"] = str(len(content))
        raw = [(name.encode(), value.encode()) for name, value in head.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": content, "more_body": False})


def refusal(error: Exception) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and problem document for a heartbeat that was not accepted."""
    if not isinstance(error, GaiaError):
        log.error("heartbeat not answered", exc_info=error)
        error = problems.internal_error()
    status, body = problems.document(error)
    headers = {**problems.headers(error), "content-length": str(len(body))}
    if status == 405:
        headers["allow"] = "GET, POST"
    return status, headers, body


def too_large() -> InvalidInput:
    """The error of a body beyond the limit."""
    return InvalidInput(
        "body-too-large",
        f"The body of a heartbeat may have {MAX_BODY} bytes.",
        hint="Send less of the log.",
    )


async def _read(receive: Receive) -> bytearray:
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY:
            raise too_large()
    return body
