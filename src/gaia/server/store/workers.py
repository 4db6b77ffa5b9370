"""Queries for workers: one statement for a whole batch, all of them at start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, RowMapping, select, text

from gaia.protocol.worker import Failure, Heartbeat, Outcome
from gaia.server.fleet import Worker
from gaia.server.store.schema import workers

log = structlog.get_logger(__name__)

_COLUMNS = tuple(column.name for column in workers.columns)

_VALUES = tuple(f"json_extract(value, '$[{place}]')" for place in range(len(_COLUMNS)))
_CHANGES = tuple(f"{name} = excluded.{name}" for name in _COLUMNS if name != "id")

# One parameter holds the whole batch: the statement is short, and SQLAlchemy compiles nothing.
_SAVE = text(
    f"INSERT INTO workers ({', '.join(_COLUMNS)}) "  # noqa: S608
    f"SELECT {', '.join(_VALUES)} FROM json_each(:rows) WHERE true "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(_CHANGES)}"
)


class _Report(msgspec.Struct, omit_defaults=True):
    """What the column `report` holds."""

    heartbeats: int = 0
    heartbeat: Heartbeat | None = None
    failed: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    clock_skew: float | None = None


def save_batch(connection: Connection, batch: Sequence[Worker]) -> None:
    """Insert or replace these workers."""
    rows = msgspec.json.encode([_values(worker) for worker in batch])
    connection.execute(_SAVE, {"rows": rows.decode()})


def load_all(connection: Connection) -> list[Worker]:
    """All workers, in the order of their registration."""
    found = connection.execute(select(workers).order_by(workers.c.registered_at, workers.c.id))
    return [_worker(row) for row in found.mappings()]


def _values(worker: Worker) -> tuple[Any, ...]:
    report = _Report(
        worker.heartbeats, worker.report, worker.failed, worker.outcomes, worker.clock_skew
    )
    return (
        worker.id,
        worker.name,
        worker.machine,
        worker.platform,
        worker.version,
        worker.channel,
        worker.labels,
        worker.registered_at,
        worker.last_seen,
        report,
        worker.failure,
        worker.alarm,
        worker.alarm_at,
    )


def _worker(row: RowMapping) -> Worker:
    fields = dict(row)
    stored, failure = fields.pop("report"), fields.pop("failure")
    worker = Worker(**fields)
    try:
        report = msgspec.convert(stored or {}, _Report)
        worker.failure = msgspec.convert(failure, Failure | None)
    except msgspec.ValidationError as error:
        # Another version of the server wrote it; the next heartbeat brings a new one.
        log.warning("stored report not understood", worker=worker.name, reason=str(error))
        return worker
    worker.heartbeats = report.heartbeats
    worker.report = report.heartbeat
    worker.failed = report.failed
    worker.outcomes = report.outcomes
    worker.clock_skew = report.clock_skew
    return worker
