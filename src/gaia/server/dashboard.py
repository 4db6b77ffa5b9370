"""The dashboard: a page for people, made on the server, without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from gaia.errors import GaiaError
from gaia.model.channel import NO_FLOOR
from gaia.model.worker import SKEW_TOLERATED
from gaia.planning.latest import bundle, platforms
from gaia.server import problems
from gaia.server.api.fleet import FleetView
from gaia.server.api.operations import WATCHERS
from gaia.server.auth import Authenticator, Identity, digest_of
from gaia.server.ledger import Ledger
from gaia.server.sessions import COOKIE, LIFETIME, Sessions
from gaia.trust.expiry import advice, warning
from gaia.trust.repository import Mode, Repository

_HERE = Path(__file__).parent
_MAX_FORM = 4096
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Dashboard:
    """Pages and sign-in."""

    def __init__(
        self,
        view: FleetView,
        ledger: Ledger,
        authenticator: Authenticator,
        sessions: Sessions,
        repository: Repository,
        now: Callable[[], datetime],
    ) -> None:
        self._view = view
        self._ledger = ledger
        self._authenticator = authenticator
        self._sessions = sessions
        self._repository = repository
        self._now = now
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"span": _span, "moment": _moment}

    def routes(self) -> list[BaseRoute]:
        """Where the pages are."""
        return [
            Route("/", self.index),
            Route("/dashboard/content", self.content),
            Route("/login", self.login, methods=["POST"]),
            Route("/logout", self.logout, methods=["POST"]),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ]

    async def index(self, request: Request) -> Response:
        """The whole page, or the sign-in form."""
        identity = self._identity(request)
        if identity is None:
            return self._page("login.html", {"error": ""})
        return self._page("dashboard.html", {"name": identity.name, **self._facts(request)})

    async def content(self, request: Request) -> Response:
        """The part of the page that changes."""
        if self._identity(request) is None:
            return Response(status_code=401, headers=_HEADERS)
        return self._page("content.html", self._facts(request))

    async def login(self, request: Request) -> Response:
        """Begin a session for a token."""
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return self._page("login.html", {"error": "Sign in on this page."}, status=403)
        form = bytearray()
        async for chunk in request.stream():
            form += chunk
            if len(form) > _MAX_FORM:
                return self._page("login.html", {"error": "That is not a token."}, status=413)
        token = parse_qs(bytes(form).decode("latin-1")).get("token", [""])[0].strip()
        digest = digest_of(token.encode("utf-8", "replace"))
        client = request.client.host if request.client else "-"
        try:
            self._authenticator.require_digest(digest, WATCHERS, client)
        except GaiaError as error:
            status = problems.status_of(error)
            return self._page("login.html", {"error": str(error)}, status=status)
        response = RedirectResponse("/", status_code=303)
        response.headers["set-cookie"] = _cookie(self._sessions.begin(digest), LIFETIME, request)
        return response

    async def logout(self, request: Request) -> Response:
        """End the session. The cookie is SameSite=Strict, so only this page can do it."""
        self._sessions.end(request.cookies.get(COOKIE, ""))
        response = RedirectResponse("/", status_code=303)
        response.headers["set-cookie"] = _cookie("", 0, request)
        return response

    def _identity(self, request: Request) -> Identity | None:
        digest = self._sessions.digest(request.cookies.get(COOKIE, ""))
        if digest is None:
            return None
        client = request.client.host if request.client else "-"
        try:
            return self._authenticator.require_digest(digest, WATCHERS, client)
        except GaiaError:
            return None

    def _facts(self, request: Request) -> dict[str, Any]:
        catalogue = self._ledger.catalogue()
        channels = [
            {
                "name": name,
                "platforms": platforms(pointer),
                "experiments": bundle(pointer),
                "floor": None if pointer.floor == NO_FLOOR else pointer.floor,
                "withdrawn": sorted(pointer.withdrawn),
            }
            for name, pointer in sorted(catalogue.pointers.items())
        ]
        return {
            "now": self._now().timestamp(),
            "workers": self._view.entries(),
            "skew_tolerated": SKEW_TOLERATED,
            "channels": channels,
            "releases": [
                catalogue.releases[tag] for tag in sorted(catalogue.releases, reverse=True)
            ],
            "pending": catalogue.pending,
            "strict": self._repository.mode is Mode.STRICT,
            "fingerprint": self._repository.fingerprint,
            "expiries": self._expiries(),
            "url": f"{request.scope['scheme']}://{request.headers.get('host', '')}",
        }

    def _expiries(self) -> list[dict[str, Any]]:
        """The roles, the next to expire first."""
        now, expiries = self._now(), self._repository.expiries()
        return [
            {
                "role": role,
                "at": at.timestamp(),
                "warning": warning(role, at, now),
                "advice": advice(role),
            }
            for role, at in sorted(expiries.items(), key=lambda item: item[1])
        ]

    def _page(self, name: str, facts: Mapping[str, Any], *, status: int = 200) -> Response:
        html = self._templates.get_template(name).render(facts)
        return Response(html, status_code=status, media_type="text/html", headers=_HEADERS)


def _cookie(value: str, age: int, request: Request) -> str:
    cookie: SimpleCookie = SimpleCookie()
    cookie[COOKIE] = value
    cookie[COOKIE] |= {"path": "/", "max-age": age, "httponly": True, "samesite": "Strict"}
    if request.scope["scheme"] == "https":
        cookie[COOKIE]["secure"] = True
    return cookie[COOKIE].OutputString()


def _span(seconds: float) -> str:
    """A length of time as people say it."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
