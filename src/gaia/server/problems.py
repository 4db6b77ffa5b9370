"""Every refusal as an RFC 9457 problem document."""

from __future__ import annotations

import math
from http import HTTPStatus

import msgspec

from gaia.errors import (
    Conflict,
    GaiaError,
    InvalidInput,
    NotFound,
    Refused,
    TransportError,
    TrustError,
)
from gaia.protocol.problem import CONTENT_TYPE, Problem

_BY_CODE = {
    "unauthorized": 401,
    "method-not-allowed": 405,
    "body-too-large": 413,
    "unsupported-body": 415,
    "too-many-failures": 429,
    "headers-too-large": 431,
    "database-unavailable": 503,
    "storage-unavailable": 503,
    "not-ready": 503,
    "no-space": 507,
}
_BY_CLASS: tuple[tuple[type[GaiaError], int], ...] = (
    (InvalidInput, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Refused, 403),
    (TransportError, 502),
    (TrustError, 503),
)
_HINTS = {
    400: "Correct the request; GET /openapi.json describes it.",
    404: "GET /openapi.json lists what there is.",
    409: "Look at what is there now, then decide again.",
    413: "Send less.",
    503: "Repeat the request in some seconds.",
}
_TEMPORARY = frozenset({503})
_RETRY_AFTER = 5
"""Seconds that a client should wait after a temporary refusal."""


class TooManyFailures(Refused):
    """Too many wrong tokens from one address.

    Args:
        retry_after: seconds until the next token from there is looked at.
    """

    def __init__(self, retry_after: float) -> None:
        super().__init__(
            "too-many-failures",
            "Too many wrong tokens came from this address.",
            hint="Wait as long as Retry-After says, and use a valid token.",
        )
        self.retry_after = retry_after


def status_of(error: GaiaError) -> int:
    """The HTTP status that says what the client should do about `error`."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    return next((status for kind, status in _BY_CLASS if isinstance(error, kind)), 500)


def document(error: GaiaError) -> tuple[int, bytes]:
    """The status and the body of the answer; its type is `gaia.protocol.problem.CONTENT_TYPE`."""
    status = status_of(error)
    problem = Problem(
        type=f"/problems/{error.code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=error.message,
        code=error.code,
        hint=error.hint or _HINTS.get(status, "The server's log may say more."),
    )
    return status, msgspec.json.encode(problem)


def headers(error: GaiaError) -> dict[str, str]:
    """The headers that go with `document`."""
    status = status_of(error)
    found = {"content-type": CONTENT_TYPE, "cache-control": "no-store"}
    if status == 401:
        found["www-authenticate"] = 'Bearer realm="gaia"'
    elif isinstance(error, TooManyFailures):
        found["retry-after"] = str(math.ceil(error.retry_after))
    elif status in _TEMPORARY:
        found["retry-after"] = str(_RETRY_AFTER)
    return found


def internal_error() -> GaiaError:
    """What a client is told of a fault of ours: nothing of the inside."""
    return GaiaError(
        "internal-error",
        "The server could not answer because of a fault of its own.",
        hint="The server's log has the details.",
    )
