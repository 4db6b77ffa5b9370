"""43: 429, 503 with Retry-After."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from gaia.errors import TransportError
from gaia.model.artifact import Artifact
from gaia.protocol.failure import LONGEST_RETRY_AFTER, of_answer
from gaia.worker.download import download
from gaia.worker.schedule import Schedule
from gaia.worker.transport import Transport
from support.web import Reply, Web

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def web() -> Iterator[Web]:
    with Web(lambda _: Reply(503, {"Retry-After": "120"})) as running:
        yield running


@pytest.fixture
def transport(web: Web) -> Iterator[Transport]:
    opened = Transport(web.url, "token", "test")
    yield opened
    opened.close()


@pytest.mark.parametrize("status", [429, 503])
def test_the_next_heartbeat_is_not_due_before_that(
    web: Web, transport: Transport, status: int
) -> None:
    web.respond = lambda _: Reply(status, {"Retry-After": "120"})
    with pytest.raises(TransportError) as caught:
        transport.post("/a", b"{}", limit=100)
    assert caught.value.retry_after == 120
    schedule = Schedule(5, lambda: 0.0, lambda: 0.0)
    schedule.failed(caught.value.retry_after)
    assert schedule.remaining >= 120


def test_a_download_does_not_try_again_by_itself(
    web: Web, transport: Transport, tmp_path: Path
) -> None:
    with pytest.raises(TransportError) as caught:
        download(transport, "/f", tmp_path / "f", Artifact("gaia-worker-linux", 1, "0" * 64))
    assert caught.value.retry_after == 120
    assert len(web.requests) == 1


def wait(retry_after: str, date: datetime | None = None) -> float | None:
    headers = {"retry-after": retry_after}
    if date is not None:
        headers["date"] = format_datetime(date, usegmt=True)
    error = of_answer(503, headers, b"", now=NOW)
    assert isinstance(error, TransportError)
    return error.retry_after


def test_dates_count_by_the_servers_own_clock() -> None:
    wanted = format_datetime(NOW + timedelta(seconds=90), usegmt=True)
    assert wait(wanted) == 90
    assert wait(wanted, NOW - timedelta(seconds=10)) == 100


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("-5", 0),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0),
        ("99999999", LONGEST_RETRY_AFTER),
        ("inf", LONGEST_RETRY_AFTER),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
def test_odd_values_do_no_harm(text: str, seconds: float | None) -> None:
    assert wait(text) == seconds
