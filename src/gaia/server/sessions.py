"""Browser sessions of the dashboard."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

COOKIE = "gaia_session"
LIFETIME = 12 * 3600
"""Seconds."""

_MAX_SESSIONS = 1_000


@dataclass(frozen=True)
class _Session:
    digest: bytes
    until: float


class Sessions:
    """Who has signed in: a random cookie for the digest of a token.

    The digest is looked up at each request, so a revoked token ends its sessions at once. Sessions
    end with the process.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def begin(self, digest: bytes) -> str:
        """A new session; returns the cookie's value."""
        cookie = secrets.token_urlsafe(32)
        self._sessions[cookie] = _Session(digest, self._now() + LIFETIME)
        if len(self._sessions) > _MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return cookie

    def digest(self, cookie: str) -> bytes | None:
        """The digest of the session's token; None when there is no such session."""
        session = self._sessions.get(cookie)
        if session is None:
            return None
        if session.until < self._now():
            self.end(cookie)
            return None
        return session.digest

    def end(self, cookie: str) -> None:
        """Sign out."""
        self._sessions.pop(cookie, None)
