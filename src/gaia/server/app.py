"""The ASGI application: routes from the table of endpoints, one guard, one form of refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gaia.errors import GaiaError, InvalidInput, NotFound
from gaia.server import problems
from gaia.server.auth import Authenticator, Identity
from gaia.server.endpoints import PUBLIC, Call, Endpoint, read_query
from gaia.server.metrics import Metrics
from gaia.server.sessions import COOKIE, Sessions

log = structlog.get_logger()

_SAFE = frozenset({"GET", "HEAD"})

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Guard:
    """Decides for each endpoint whether the request may pass, and answers when it may not."""

    authenticator: Authenticator
    sessions: Sessions
    metrics: Metrics

    def route(self, path: str, endpoints: Mapping[str, Endpoint]) -> BaseRoute:
        """The route of the endpoints that share a path, by method."""

        async def answer(request: Request) -> Response:
            method = "GET" if request.method == "HEAD" else request.method
            response = await self._answer(endpoints[method], request)
            self.metrics.requests.labels(path, str(response.status_code)).inc()
            return response

        return Route(path, answer, methods=list(endpoints))

    async def _answer(self, endpoint: Endpoint, request: Request) -> Response:
        client = client_of(request)
        try:
            identity = None
            if endpoint.allowed != PUBLIC:
                identity = self._identify(endpoint, request, client)
            query = {}
            if endpoint.parameters:
                query = read_query(request.scope["query_string"], endpoint.parameters)
            return await endpoint.handler(Call(request, identity, query, client))
        except GaiaError as error:
            if problems.status_of(error) >= 500:
                log.warning(
                    "request failed", path=endpoint.path, code=error.code, reason=str(error)
                )
            return refusal(error)
        except ClientDisconnect:
            log.info("client left", path=endpoint.path, client=client)
            return Response(status_code=400)
        except Exception:
            log.exception("request failed", path=endpoint.path)
            return refusal(problems.internal_error())

    def _identify(self, endpoint: Endpoint, request: Request, client: str) -> Identity:
        header = request.headers.get("authorization")
        cookie = request.cookies.get(COOKIE)
        # A cookie only ever reads: no other site can make a browser change anything.
        if header is None and cookie is not None and request.method in _SAFE:
            digest = self.sessions.digest(cookie)
            return self.authenticator.require_digest(digest, endpoint.allowed, client)
        authorization = None if header is None else header.encode("latin-1")
        return self.authenticator.require(authorization, endpoint.allowed, client)


def make_app(
    endpoints: Sequence[Endpoint], pages: Sequence[BaseRoute], guard: Guard, lifespan: Lifespan
) -> Starlette:
    """The application."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    app = Starlette(
        routes=[*(guard.route(path, methods) for path, methods in paths.items()), *pages],
        exception_handlers={
            HTTPException: _routing_error,
            GaiaError: _refused,
            Exception: _fault,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def refusal(error: GaiaError) -> Response:
    """The problem document that tells a client of `error`."""
    status, body = problems.document(error)
    return Response(body, status_code=status, headers=problems.headers(error))


def client_of(request: Request) -> str:
    """The peer's address."""
    return request.client.host if request.client else "-"


async def _routing_error(request: Request, error: Exception) -> Response:
    """What the router itself refuses."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405:
        response = refusal(
            InvalidInput(
                "method-not-allowed",
                f"{request.method} is not possible here.",
                hint="GET /openapi.json lists what is.",
            )
        )
        response.headers.update(error.headers or {})
        return response
    return refusal(
        NotFound("not-found", "There is nothing here.", hint="GET /openapi.json lists what is.")
    )


async def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """A refusal by a response, before it began: a file turns out to be missing."""
    if not isinstance(error, GaiaError):
        raise error
    return refusal(error)


async def _fault(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """A fault while an answer was being sent; Starlette raises it again, and uvicorn logs it."""
    return refusal(problems.internal_error())
