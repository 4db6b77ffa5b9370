"""What the log says of roles that near their expiry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from gaia.trust.expiry import ExpiryWarning, advice, warning

log = structlog.get_logger()

_AGAIN = timedelta(days=1)


class ExpiryWatch:
    """Says each warning when it begins, and again each day while it stands.

    Args:
        expiries: when each role expires.
        now: the time, in UTC.
    """

    def __init__(
        self, expiries: Callable[[], Mapping[str, datetime]], now: Callable[[], datetime]
    ) -> None:
        self._expiries = expiries
        self._now = now
        self._said: dict[str, tuple[ExpiryWarning, datetime]] = {}

    def look(self) -> None:
        """Say what is to be said now."""
        now = self._now()
        for role, expires in self._expiries().items():
            level = warning(role, expires, now)
            said, at = self._said.get(role, (None, now))
            if level is None:
                if said is not None:
                    del self._said[role]
                    log.info("role renewed", role=role, expires=_moment(expires))
            elif level is not said or now - at >= _AGAIN:
                self._said[role] = level, now
                expired = level is ExpiryWarning.EXPIRED
                event = "role has expired" if expired else "role is to be renewed"
                say = log.error if level.urgent else log.warning
                say(event, role=role, warning=level, expires=_moment(expires), hint=advice(role))


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
