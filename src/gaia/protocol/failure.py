"""What a failed request means to the client that made it."""

from __future__ import annotations

import math
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec
from urllib3 import exceptions as network

from gaia.errors import Conflict, GaiaError, InvalidInput, NotFound, Refused, TransportError
from gaia.protocol.problem import Problem

LONGEST_RETRY_AFTER = 3600.0
"""Seconds. A server that asks for more, by mistake or in bad faith, does not silence a fleet."""

_LONGEST_TEXT = 500
_FAMILIES: dict[int, type[GaiaError]] = {
    401: Refused,
    403: Refused,
    404: NotFound,
    409: Conflict,
    410: NotFound,
}
_LATER = frozenset({408, 425, 429})


def of_answer(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> GaiaError:
    """The error that an answer with an error status stands for.

    Args:
        headers: looked up in lower case.
        body: a problem document, or anything else.
        now: to tell how far away a `Retry-After` date is when the answer bears no date itself.
    """
    try:
        problem = msgspec.json.decode(body, type=Problem)
        code, hint = plain(problem.code), plain(problem.hint)
        message = plain(problem.detail or problem.title)
    except msgspec.DecodeError:
        code, hint = f"http-{status}", ""
        message = f"The server answered with status {status}."
    if status >= 500 or status in _LATER:
        return TransportError(code, message, hint=hint, retry_after=_retry_after(headers, now))
    return _FAMILIES.get(status, InvalidInput)(code, message, hint=hint)


def of_network(error: Exception, server: str) -> TransportError:
    """The error for a request that got no answer, or half of one.

    Args:
        server: who did not answer, as it may be shown.
    """
    match error:
        case network.ProxyError():
            return TransportError(
                "proxy-failed",
                f"The proxy on the way to {server} did not help: {_reason(error)}.",
                hint="Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY.",
            )
        case network.NameResolutionError():
            return TransportError(
                "name-not-resolved",
                f"The name in {server} is not known.",
                hint="Look at the address for a slip, and at this machine's network.",
            )
        case network.NewConnectionError():
            return TransportError(
                "not-connected",
                f"No connection to {server}: {_reason(error)}.",
                hint="Does gaia-server run there, and on that port?",
            )
        case network.TimeoutError():
            return TransportError("timed-out", f"{server} did not answer in time.")
        case network.SSLError():
            return TransportError(
                "tls-failed",
                f"No trustworthy connection to {server}: {_reason(error)}.",
                hint="Name the certificate of a private authority in GAIA_CA_FILE.",
            )
    return TransportError("connection-broken", f"The connection to {server} broke off.")


def plain(text: str) -> str:
    """`text` from the other side, fit for a log or a terminal: one line, nothing unprintable."""
    line = " ".join(text.split())
    shown = "".join(character if character.isprintable() else "�" for character in line)
    return shown if len(shown) <= _LONGEST_TEXT else shown[:_LONGEST_TEXT] + "…"


def _reason(error: BaseException) -> str:
    match error:
        case network.ProxyError():
            return _reason(error.original_error)
        case network.NewConnectionError() if error.__cause__ is not None:
            return _reason(error.__cause__)
        case network.SSLError() if error.args and isinstance(error.args[0], Exception):
            return _reason(error.args[0])
        case ssl.SSLCertVerificationError():
            return plain(error.verify_message)
        case OSError():
            return plain(error.strerror or str(error))
    return plain(str(error))


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        wanted = _date(text)
        if wanted is None:
            return None
        # The server's own clock where it is told: ours may be wrong by years.
        reference = _date(headers.get("date", "")) or now
        seconds = (wanted - reference).total_seconds()
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
