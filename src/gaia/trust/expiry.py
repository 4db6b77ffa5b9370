"""How near a role is to its expiry, as its operator should hear of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from gaia.trust.roles import SNAPSHOT, TIMESTAMP, due, lifetime, spoken

_RENEWAL_TRIES = timedelta(hours=1)
"""How long the server may have tried in vain to renew a role of its own."""

ONLINE = frozenset({SNAPSHOT, TIMESTAMP})
"""The roles that the server signs anew by itself, in both modes."""


class ExpiryWarning(StrEnum):
    """What is to be said of a role."""

    NOT_RENEWED = "not-renewed"
    IN_90_DAYS = "90-days"
    IN_30_DAYS = "30-days"
    IN_7_DAYS = "7-days"
    EXPIRED = "expired"

    @property
    def urgent(self) -> bool:
        """Whether it cannot wait for next week."""
        return self not in (ExpiryWarning.IN_90_DAYS, ExpiryWarning.IN_30_DAYS)


_MARKS = {
    timedelta(days=7): ExpiryWarning.IN_7_DAYS,
    timedelta(days=30): ExpiryWarning.IN_30_DAYS,
    timedelta(days=90): ExpiryWarning.IN_90_DAYS,
}
"""How long before its expiry a role that people sign is warned of, the last mark first."""


def warning(role: str, expires: datetime, now: datetime) -> ExpiryWarning | None:
    """What is to be said of `role` now; None when all is well.

    A mark counts in the second half of a role's life only. A role that is signed for 180 days
    would else be warned of for half of the time, and one for 90 days always, and nobody reads
    what always stands there.
    """
    left = expires - now
    if left <= timedelta():
        return ExpiryWarning.EXPIRED
    if role in ONLINE:
        return ExpiryWarning.NOT_RENEWED if due(role, expires, now - _RENEWAL_TRIES) else None
    half = lifetime(role) / 2
    return next((level for mark, level in _MARKS.items() if left <= mark < half), None)


def advice(role: str) -> str:
    """The command that renews `role`."""
    if role in ONLINE:
        return (
            "The server renews it by itself; its log says why it cannot. With the online key lost: "
            "gaia trust rotate online"
        )
    return f"Renew it where its keys are: gaia trust renew {spoken(role)}"
