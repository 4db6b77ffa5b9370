from __future__ import annotations

from datetime import UTC, datetime

from gaia.server.store import audit, tokens
from gaia.server.store.audit import Entry
from gaia.server.store.database import Database
from gaia.server.store.tokens import TokenRow

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
ROW = TokenRow("1", "ci", "publisher", "d" * 64, NOW.isoformat())


def test_added_used_revoked(database: Database) -> None:
    with database.write() as connection:
        tokens.add(connection, ROW)
        tokens.save_last_used(connection, {"1": 12.5, "gone": 1.0})
        revoked = tokens.revoke(connection, "1", now=NOW)
        assert tokens.load(connection) == [revoked]
    assert revoked == TokenRow(
        "1", "ci", "publisher", "d" * 64, NOW.isoformat(), 12.5, "2026-11-24T12:00:00+00:00"
    )


def test_the_first_revocation_counts(database: Database) -> None:
    later = NOW.replace(year=2027)
    with database.write() as connection:
        tokens.add(connection, ROW)
        first = tokens.revoke(connection, "1", now=NOW)
        assert tokens.revoke(connection, "1", now=later) == first
        assert tokens.revoke(connection, "2", now=later) is None


def test_the_audit_log_is_bounded(database: Database) -> None:
    kept = audit.KEPT
    assert kept == 100_000
    with database.write() as connection:
        audit.append(connection, [])
        audit.append(connection, [Entry("t", "a", "old")])
        connection.exec_driver_sql(f"UPDATE audit SET id = {-kept}")
        connection.exec_driver_sql(
            "INSERT INTO audit (id, at, actor, action, subject, client, detail)"
            " VALUES (1, 't', 'a', 'newer', '', '', '{}')"
        )
        audit.append(connection, [Entry("t", "a", "newest", "s", "c", {"k": [1]})])
        found = audit.latest(connection, 10)
    assert [entry.action for entry in found] == ["newest", "newer"]
    assert found[0] == Entry("t", "a", "newest", "s", "c", {"k": [1]}, id=2)
