"""Who is asking, and may they: bearer tokens and their roles."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from gaia.errors import Refused
from gaia.server.problems import TooManyFailures
from gaia.server.store.tokens import TokenRow

BURST = 30
"""Wrong tokens that one address may send at once."""
REFILL = 2.0
"""Seconds after which it may send one more."""

_MAX_CLIENTS = 10_000
_MAX_PENDING = 1_000


class Role(StrEnum):
    """What a token is for."""

    WORKER = "worker"
    PUBLISHER = "publisher"
    OPERATOR = "operator"
    VIEWER = "viewer"
    ADMIN = "admin"


@dataclass(frozen=True)
class Identity:
    """Who a token stands for."""

    name: str
    role: Role


@dataclass(frozen=True)
class Failure:
    """A request that was turned away, for the audit log.

    Attributes:
        at: Unix seconds.
        code: of the refusal.
        name: of the token when it is a known one; `-` otherwise.
    """

    at: float
    code: str
    name: str
    client: str


@dataclass(frozen=True)
class _Known:
    digest: bytes
    identity: Identity
    token_id: str | None


class Authenticator:
    """All valid tokens, by their SHA-256, in memory.

    A look-up by digest reveals nothing through its timing: an attacker cannot choose the digest.
    A valid token is never turned away for someone else's failures, from whatever address: workers
    share addresses behind NAT. What keeps guessers out is the entropy of the tokens; the limit
    keeps them from filling the audit log and makes them visible.

    Args:
        admin_token: the start-up token.
        now: Unix seconds.
    """

    def __init__(self, admin_token: str, now: Callable[[], float] = time.time) -> None:
        self._now = now
        digest = digest_of(admin_token.encode())
        admin = _Known(digest, Identity("start-up token", Role.ADMIN), None)
        self._admin = admin
        self._known: dict[bytes, _Known] = {digest: admin}
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._failures: deque[Failure] = deque(maxlen=_MAX_PENDING)
        self._last_used: dict[str, float] = {}

    def load(self, tokens: Iterable[TokenRow]) -> None:
        """Replace the tokens from the database by the ones of `tokens` that are not revoked."""
        known = {self._admin.digest: self._admin}
        for token in tokens:
            if token.revoked_at is None:
                digest = bytes.fromhex(token.digest)
                identity = Identity(token.name, Role(token.role))
                known.setdefault(digest, _Known(digest, identity, token.id))
        self._known = known

    def require(
        self, authorization: bytes | None, allowed: frozenset[Role], client: str
    ) -> Identity:
        """Who sends this `Authorization` header.

        Args:
            allowed: roles that may do what is asked.
            client: the peer's address.

        Raises:
            Refused: `unauthorized`, `forbidden` or `too-many-failures`.
        """
        return self.require_digest(bearer_digest(authorization), allowed, client)

    def require_digest(
        self, digest: bytes | None, allowed: frozenset[Role], client: str
    ) -> Identity:
        """The same for a token's SHA-256; None stands for no token at all."""
        known = None if digest is None else self._known.get(digest)
        if known is None or digest is None or not hmac.compare_digest(known.digest, digest):
            raise self._unauthorized(digest, client)
        if known.token_id is not None:
            self._last_used[known.token_id] = self._now()
        if known.identity.role not in allowed:
            raise self._forbidden(known.identity, allowed, client)
        return known.identity

    def take_failures(self) -> list[Failure]:
        """The failures since the last call, at most 1,000."""
        taken = []
        while self._failures:
            taken.append(self._failures.popleft())
        return taken

    def take_last_used(self) -> dict[str, float]:
        """When tokens were used since the last call: ID to Unix seconds."""
        taken, self._last_used = self._last_used, {}
        return taken

    def _unauthorized(self, digest: bytes | None, client: str) -> Refused:
        if digest is None:
            self._note("unauthorized", "-", client)
            return Refused(
                "unauthorized",
                "This needs a token.",
                hint="Send the header Authorization: Bearer TOKEN.",
            )
        wait = self._spend(client)
        if wait > 0:
            return TooManyFailures(wait)
        self._note("unauthorized", "-", client)
        return Refused(
            "unauthorized",
            "The token is not valid here: wrong, or revoked.",
            hint="Ask the server's operator for one: gaia token create.",
        )

    def _forbidden(self, identity: Identity, allowed: frozenset[Role], client: str) -> Refused:
        self._note("forbidden", identity.name, client)
        return Refused(
            "forbidden",
            f"The token {identity.name!r} has the role {identity.role}, which may not do this.",
            hint=f"Use a token of the role {' or '.join(sorted(allowed))}.",
        )

    def _spend(self, client: str) -> float:
        """Count a wrong token; seconds to wait when the address has used up its allowance."""
        now = self._now()
        spent, since = self._spent.pop(client, (0.0, now))
        spent = max(0.0, spent - max(0.0, now - since) / REFILL)
        wait = 0.0
        if spent > BURST - 1:
            wait = (spent - (BURST - 1)) * REFILL
        else:
            spent += 1
            if spent > BURST - 1:
                self._note("too-many-failures", "-", client)
        self._spent[client] = (spent, now)
        if len(self._spent) > _MAX_CLIENTS:
            self._spent.popitem(last=False)
        return wait

    def _note(self, code: str, name: str, client: str) -> None:
        self._failures.append(Failure(self._now(), code, name, client))


def bearer_digest(authorization: bytes | None) -> bytes | None:
    """SHA-256 of the token in an `Authorization` header, None when it holds no bearer token."""
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(b" ")
    token = token.strip()
    if scheme.lower() != b"bearer" or not token:
        return None
    return digest_of(token)


def digest_of(token: bytes) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token).digest()
