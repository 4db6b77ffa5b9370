from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from gaia.errors import InvalidInput, NotFound, Refused
from gaia.server.auth import BURST, REFILL, Authenticator, Identity, Role
from gaia.server.deeds import Author
from gaia.server.problems import TooManyFailures
from gaia.server.store import audit
from gaia.server.store.database import Database
from gaia.server.store.tokens import TokenRow
from gaia.server.tokens import PREFIX, Tokens

ADMIN = "the-start-up-token"
ANY = frozenset(Role)
BOSS = Author("the boss", "127.0.0.1")
NOW = datetime(2026, 11, 24, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authenticator(clock: Clock) -> Authenticator:
    authenticator = Authenticator(ADMIN, clock)
    authenticator.load([row("w", Role.WORKER), row("old", Role.ADMIN, revoked_at="2026-01-01")])
    return authenticator


def row(name: str, role: Role, revoked_at: str | None = None) -> TokenRow:
    digest = hashlib.sha256(f"token-{name}".encode()).hexdigest()
    return TokenRow(f"id-{name}", name, role, digest, "2026-01-01", None, revoked_at)


def refused(authenticator: Authenticator, header: bytes | None, client: str = "1.2.3.4") -> Refused:
    with pytest.raises(Refused) as caught:
        authenticator.require(header, ANY, client)
    return caught.value


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER   "])
def test_the_start_up_token_is_an_admin(authenticator: Authenticator, scheme: bytes) -> None:
    identity = authenticator.require(scheme + ADMIN.encode(), frozenset({Role.ADMIN}), "c")
    assert identity == Identity("start-up token", Role.ADMIN)


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic the-start-up-token",
        b"the-start-up-token",
        b"Bearer the-start-up-toke",
        b"Bearer the-start-up-token2",
        b"Bearer \xff\xfe",
        b"Bearer token-old",
    ],
)
def test_everything_else_is_a_stranger(authenticator: Authenticator, header: bytes | None) -> None:
    assert refused(authenticator, header).code == "unauthorized"


def test_a_role_may_only_do_its_own(authenticator: Authenticator) -> None:
    header = b"Bearer token-w"
    worker = authenticator.require(header, frozenset({Role.WORKER}), "c")
    assert worker == Identity("w", Role.WORKER)
    with pytest.raises(Refused) as caught:
        authenticator.require(header, frozenset({Role.PUBLISHER, Role.ADMIN}), "c")
    assert caught.value.code == "forbidden"
    assert "admin or publisher" in caught.value.hint


def test_a_revoked_token_is_out_at_once(authenticator: Authenticator) -> None:
    authenticator.load([row("w", Role.WORKER, revoked_at="now")])
    assert refused(authenticator, b"Bearer token-w").code == "unauthorized"


def test_guessing_is_limited_for_each_address(authenticator: Authenticator, clock: Clock) -> None:
    for _ in range(BURST):
        assert refused(authenticator, b"Bearer wrong").code == "unauthorized"
    limited = refused(authenticator, b"Bearer wrong")
    assert isinstance(limited, TooManyFailures)
    assert 0 < limited.retry_after <= REFILL
    # Others are not concerned, nor is a valid token behind the same address.
    assert refused(authenticator, b"Bearer wrong", "5.6.7.8").code == "unauthorized"
    assert authenticator.require(b"Bearer token-w", ANY, "1.2.3.4").name == "w"
    clock.seconds += limited.retry_after
    assert refused(authenticator, b"Bearer wrong").code == "unauthorized"
    assert refused(authenticator, b"Bearer wrong").code == "too-many-failures"


def test_a_missing_token_is_no_guess(authenticator: Authenticator) -> None:
    for _ in range(2 * BURST):
        assert refused(authenticator, None).code == "unauthorized"


def test_failures_are_noted_in_bounds(authenticator: Authenticator) -> None:
    for number in range(3 * BURST):
        refused(authenticator, b"Bearer wrong", "1.2.3.4")
        refused(authenticator, None, f"10.0.0.{number}")
    with pytest.raises(Refused):
        authenticator.require(b"Bearer token-w", frozenset(), "c")
    noted = authenticator.take_failures()
    guesses = [failure for failure in noted if failure.client == "1.2.3.4"]
    assert [failure.code for failure in guesses[-2:]] == ["too-many-failures", "unauthorized"]
    assert len(guesses) == BURST + 1
    assert (noted[-1].code, noted[-1].name) == ("forbidden", "w")
    assert authenticator.take_failures() == []
    for _ in range(3000):
        refused(authenticator, None)
    assert len(authenticator.take_failures()) == 1000


def test_the_last_use_is_noted(authenticator: Authenticator, clock: Clock) -> None:
    authenticator.require(b"Bearer token-w", ANY, "c")
    authenticator.require(b"Bearer " + ADMIN.encode(), ANY, "c")
    assert authenticator.take_last_used() == {"id-w": clock.seconds}
    assert authenticator.take_last_used() == {}


@pytest.fixture
def tokens(database: Database) -> Tokens:
    return Tokens(database, Authenticator(ADMIN), lambda: NOW)


def test_a_made_token_works_until_it_is_revoked(tokens: Tokens) -> None:
    made, secret = tokens.create("ci", "publisher", BOSS)
    assert secret.startswith(PREFIX)
    assert secret not in repr(tokens.list())
    header = b"Bearer " + secret.encode()
    assert tokens.authenticator.require(header, ANY, "c") == Identity("ci", Role.PUBLISHER)

    restarted = Tokens(tokens.database, Authenticator(ADMIN), lambda: NOW)
    restarted.load()
    assert restarted.authenticator.require(header, ANY, "c").name == "ci"

    assert tokens.revoke(made.id, BOSS).revoked_at is not None
    assert refused(tokens.authenticator, header).code == "unauthorized"


@pytest.mark.parametrize(
    ("name", "role", "code"),
    [
        ("", "worker", "invalid-token-name"),
        ("x" * 65, "worker", "invalid-token-name"),
        ("a\nb", "worker", "invalid-token-name"),
        ("ok", "root", "invalid-role"),
        ("ok", "", "invalid-role"),
    ],
)
def test_odd_tokens_are_refused(tokens: Tokens, name: str, role: str, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        tokens.create(name, role, BOSS)
    assert caught.value.code == code
    assert tokens.list() == []


def test_revoking_what_is_not_there(tokens: Tokens) -> None:
    with pytest.raises(NotFound):
        tokens.revoke("nothing", BOSS)


def test_making_and_revoking_are_in_the_audit_log_with_their_author(
    tokens: Tokens, database: Database
) -> None:
    made, secret = tokens.create("ci", "publisher", BOSS)
    tokens.revoke(made.id, BOSS)
    with database.read() as connection:
        entries = audit.latest(connection, 10)
    assert [(e.action, e.subject, e.actor, e.client) for e in entries] == [
        ("revoke-token", "ci", "the boss", "127.0.0.1"),
        ("create-token", "ci", "the boss", "127.0.0.1"),
    ]
    assert secret not in str(entries)
