"""What the log says as a year goes by."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from gaia.server.expiry_watch import ExpiryWatch
from support.trust import START, Clock


@pytest.fixture
def expiries() -> dict[str, datetime]:
    return {"root": START + timedelta(days=95)}


def test_each_level_once_and_then_once_a_day(expiries: dict[str, datetime]) -> None:
    clock = Clock()
    watch = ExpiryWatch(lambda: expiries, clock)
    with capture_logs() as logs:
        for _ in range(97 * 24 * 6):
            watch.look()
            clock.forward(minutes=10)
    said = [(entry["warning"], entry["log_level"]) for entry in logs]
    assert said.count(("90-days", "warning")) == 60
    assert said.count(("30-days", "warning")) == 23
    assert said.count(("7-days", "error")) == 7
    assert said.count(("expired", "error")) == 2
    assert len(said) == 92
    assert {entry["role"] for entry in logs} == {"root"}
    assert all("gaia trust renew root" in entry["hint"] for entry in logs)


def test_a_renewal_ends_it(expiries: dict[str, datetime]) -> None:
    clock = Clock()
    watch = ExpiryWatch(lambda: expiries, clock)
    clock.forward(days=94)
    with capture_logs() as logs:
        watch.look()
        expiries["root"] += timedelta(days=365)
        watch.look()
        watch.look()
    assert [entry["event"] for entry in logs] == ["role is to be renewed", "role renewed"]
