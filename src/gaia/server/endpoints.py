"""What an HTTP call is: one table entry that routes it, guards it and documents it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gaia.errors import InvalidInput
from gaia.server.auth import Identity, Role

ANY_ROLE = frozenset(Role)
PUBLIC: frozenset[Role] = frozenset()
"""No token needed."""

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """A request that has passed the guard.

    Attributes:
        identity: None for a public endpoint.
        query: the declared parameters that were given.
        client: the peer's address.
    """

    request: Request
    identity: Identity | None
    query: Mapping[str, str]
    client: str

    @property
    def by(self) -> str:
        """Name of the one who asks."""
        return "-" if self.identity is None else self.identity.name

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """One call of the HTTP interface.

    Attributes:
        path: Starlette's form, such as `/releases/{tag}`.
        allowed: roles; `PUBLIC` for none.
        parameters: query parameters, name to description; others are refused. Without any,
            the query is ignored.
        body: msgspec type of the JSON body, or a media type for raw bytes.
        answer: msgspec type of the JSON answer, or a media type.
    """

    method: str
    path: str
    handler: Handler
    allowed: frozenset[Role]
    summary: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: type | str | None = None
    answer: type | str | None = None
    status: int = 200


def json_answer(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`value` as JSON."""
    return Response(
        msgspec.json.encode(value),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", **(headers or {})},
    )


def read_query(raw: bytes, allowed: Mapping[str, str]) -> dict[str, str]:
    """The query string as a dictionary.

    Raises:
        InvalidInput: `invalid-query`: not UTF-8, or a parameter that is unknown or given twice.
    """
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50
        )
    except ValueError:
        raise InvalidInput("invalid-query", "The query is not percent-encoded UTF-8.") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed:
            raise InvalidInput(
                "invalid-query",
                f"There is no parameter {name[:40]!r} here.",
                hint=f"Known: {', '.join(allowed)}. In a value, write & as %26 and + as %2B.",
            )
        if name in found:
            raise InvalidInput("invalid-query", f"The parameter {name} was given more than once.")
        found[name] = value
    return found


async def read_body(request: Request, *, limit: int) -> bytearray:
    """The body, which may hold `limit` bytes.

    Raises:
        InvalidInput: `body-too-large`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise InvalidInput("body-too-large", f"The body may hold {limit} bytes at most.")
    return body


async def read_json(request: Request, kind: type[T], *, limit: int) -> T:
    """The body as a `kind`.

    Args:
        limit: bytes.

    Raises:
        InvalidInput: `body-too-large` or `invalid-json`.
    """
    body = await read_body(request, limit=limit)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(
            "invalid-json", f"The body is not what is expected here: {error}."
        ) from None
