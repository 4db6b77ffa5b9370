"""The fleet: all workers that have registered, in memory.

Everything here runs in the event loop's thread and never waits. What a worker sends is cut to size
before it is kept, so that no worker can fill the server's memory.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec

from gaia.errors import InvalidInput, NotFound, Refused
from gaia.model.artifact import DEFAULT_PLATFORM, check_sha256
from gaia.model.channel import DEFAULT_CHANNEL, check_channel
from gaia.model.tag import Tag
from gaia.model.worker import SKEW_TOLERATED, FailureReason
from gaia.protocol.worker import LOG_TAIL, Failure, Heartbeat, Outcome, Register, Workload

CAPACITY = 100_000
"""Workers that one server knows."""

OUTCOMES = 20
"""Runs of the workload that are kept for each worker."""

FAILED = 32
"""Failed executables that are kept for each worker; the oldest is forgotten first."""

_NAME = 128
_WORD = 64
_SENTENCE = 1024
_LABELS = 16
_LIST = 20


class Worker(msgspec.Struct):
    """What is known of one worker.

    Attributes:
        registered_at: its first registration by the server's clock, RFC 3339, UTC.
        last_seen: Unix seconds.
        heartbeats: counted since the first registration.
        report: its last heartbeat, less the parts that are kept below.
        failure: the last update that failed there.
        failed: SHA-256 of the executables that failed there through their own fault, oldest first.
        outcomes: the last runs of its workload, oldest first.
        alarm_at: Unix seconds when the present alarm was first raised.
        clock_skew: seconds that its clock was ahead of the server's at its last heartbeat; None
            when it did not say.
    """

    id: str
    name: str
    machine: str
    platform: str
    version: str
    channel: str
    labels: dict[str, str]
    registered_at: str
    last_seen: float
    heartbeats: int = 0
    report: Heartbeat | None = None
    failure: Failure | None = None
    failed: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    alarm: str = ""
    alarm_at: float | None = None
    clock_skew: float | None = None

    @property
    def skewed(self) -> bool:
        """Whether its clock is wrong by more than is tolerated."""
        return self.clock_skew is not None and abs(self.clock_skew) > SKEW_TOLERATED


class Fleet:
    """The registry of workers.

    Args:
        capacity: workers; further ones are refused.
        now: Unix seconds.
    """

    def __init__(self, capacity: int = CAPACITY, now: Callable[[], float] = time.time) -> None:
        self._capacity = capacity
        self._now = now
        self._workers: dict[str, Worker] = {}
        self._dirty: dict[str, Worker] = {}

    def load(self, workers: Iterable[Worker]) -> None:
        """Take over what was stored, at start."""
        for worker in workers:
            self._workers.setdefault(worker.id, worker)

    def register(self, introduction: Register) -> str:
        """Note a worker and return its ID, the same for the same name and machine.

        Raises:
            InvalidInput: `invalid-worker-name` or `invalid-channel`.
            Refused: `fleet-full`.
        """
        name, machine = _checked_name(introduction.name), _cut(introduction.machine, _NAME)
        channel = check_channel(introduction.channel or DEFAULT_CHANNEL)
        worker_id = identify(name, machine)
        now = self._now()
        worker = self._workers.get(worker_id)
        if worker is None:
            worker = self._admit(worker_id, name, machine, now)
        worker.platform = _cut(introduction.platform, _WORD) or DEFAULT_PLATFORM
        worker.version = _cut(introduction.version, _WORD)
        worker.channel = channel
        worker.labels = _labels(introduction.labels)
        worker.last_seen = now
        self._dirty[worker_id] = worker
        return worker_id

    def beat(self, worker_id: str, heartbeat: Heartbeat) -> Worker:
        """Note a heartbeat, which must be `bounded` already.

        Raises:
            NotFound: `unknown-worker`.
        """
        worker = self.legacy_beat(worker_id)
        if worker.failure is not None and heartbeat.version != worker.version:
            _forget_overcome(worker, heartbeat.version)
        worker.version = heartbeat.version
        worker.platform = heartbeat.platform
        if heartbeat.channel:
            worker.channel = heartbeat.channel
        if heartbeat.failure is not None:
            self._note_failure(worker, heartbeat.failure)
            heartbeat.failure = None
        if heartbeat.workload is not None and heartbeat.workload.outcomes:
            self._note_outcomes(worker, heartbeat.workload)
        if heartbeat.alarm != worker.alarm:
            if not worker.alarm:
                worker.alarm_at = worker.last_seen
            worker.alarm = heartbeat.alarm
            if not worker.alarm:
                worker.alarm_at = None
        clock = heartbeat.clock
        worker.clock_skew = None if clock is None else clock - worker.last_seen
        worker.report = heartbeat
        return worker

    def legacy_beat(self, worker_id: str) -> Worker:
        """Note a heartbeat without content.

        Raises:
            NotFound: `unknown-worker`.
        """
        worker = self.get(worker_id)
        worker.last_seen = self._now()
        worker.heartbeats += 1
        self._dirty[worker_id] = worker
        return worker

    def get(self, worker_id: str) -> Worker:
        """The worker of that ID.

        Raises:
            NotFound: `unknown-worker`.
        """
        worker = self._workers.get(worker_id)
        if worker is None:
            raise NotFound(
                "unknown-worker",
                "No worker has this ID.",
                hint="Register again: POST /api/workers/register.",
            )
        return worker

    def all(self) -> list[Worker]:
        """All workers, in the order of their first registration here."""
        return list(self._workers.values())

    def __len__(self) -> int:
        return len(self._workers)

    def take_dirty(self) -> list[Worker]:
        """Workers that changed since the last call."""
        taken, self._dirty = self._dirty, {}
        return list(taken.values())

    def mark_dirty(self, workers: Iterable[Worker]) -> None:
        """Give back what could not be stored."""
        for worker in workers:
            self._dirty[worker.id] = worker

    def _admit(self, worker_id: str, name: str, machine: str, now: float) -> Worker:
        if len(self._workers) >= self._capacity:
            raise Refused(
                "fleet-full",
                f"This server knows {self._capacity} workers already and takes no more.",
                hint="Start the worker under a name that is known here, or use another server.",
            )
        worker = Worker(
            id=worker_id,
            name=name,
            machine=machine,
            platform=DEFAULT_PLATFORM,
            version="",
            channel=DEFAULT_CHANNEL,
            labels={},
            registered_at=datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
            last_seen=now,
        )
        self._workers[worker_id] = worker
        return worker

    def _note_failure(self, worker: Worker, failure: Failure) -> None:
        if failure == worker.failure:
            return
        worker.failure = failure
        if _blames_release(failure) and failure.sha256 not in worker.failed:
            worker.failed = (*worker.failed, failure.sha256)[-FAILED:]

    def _note_outcomes(self, worker: Worker, workload: Workload) -> None:
        # An answer that got lost makes the worker report the same runs again.
        new = (outcome for outcome in workload.outcomes if outcome not in worker.outcomes)
        worker.outcomes = (*worker.outcomes, *new)[-OUTCOMES:]
        workload.outcomes = []


def identify(name: str, machine: str) -> str:
    """The ID of the worker `name` on `machine`: no state, so it survives a lost database."""
    return hashlib.sha256(json.dumps([name, machine]).encode()).hexdigest()[:32]


def bounded(heartbeat: Heartbeat) -> Heartbeat:
    """`heartbeat`, with every text and list cut to the size that may be kept."""
    workload, failure = heartbeat.workload, heartbeat.failure
    if workload is not None:
        workload.state = _cut(workload.state, _WORD)
        workload.outcomes = workload.outcomes[-_LIST:]
        for outcome in workload.outcomes:
            outcome.ended_by = _cut(outcome.ended_by, _WORD)
    if failure is not None:
        failure.tag = _cut(failure.tag, _WORD)
        failure.sha256 = _cut(failure.sha256, _WORD)
        failure.reason = _cut(failure.reason, _WORD)
        failure.detail = _cut(failure.detail, _SENTENCE)
        failure.log_tail = failure.log_tail[-LOG_TAIL:]
    for field in ("version", "platform", "state", "reason", "channel", "target", "bundle"):
        text = getattr(heartbeat, field)
        if text is not None:
            setattr(heartbeat, field, _cut(text, _WORD))
    heartbeat.alarm = _cut(heartbeat.alarm, _SENTENCE)
    heartbeat.externally_managed = _cut(heartbeat.externally_managed, _SENTENCE)
    return heartbeat


def _forget_overcome(worker: Worker, version: str) -> None:
    """Once a worker runs that release or a later one, its failure is history."""
    try:
        overcome = worker.failure and not Tag.parse(worker.failure.tag).newer_than(
            Tag.parse(version)
        )
    except InvalidInput:
        return
    if overcome:
        worker.failure = None


def _checked_name(name: str) -> str:
    if not 0 < len(name) <= _NAME or not name.isprintable() or name != name.strip():
        raise InvalidInput(
            "invalid-worker-name",
            f"{name[:_WORD]!r} cannot be the name of a worker.",
            hint=f"Use 1 to {_NAME} printable characters, without spaces at the ends.",
        )
    return name


def _labels(labels: dict[str, str]) -> dict[str, str]:
    kept = sorted(labels.items())[:_LABELS]
    return {_cut(key, _WORD): _cut(value, _NAME) for key, value in kept}


def _cut(text: str, length: int) -> str:
    # PostgreSQL stores no NUL.
    return text[:length].replace("\0", "\ufffd")


def _blames_release(failure: Failure) -> bool:
    try:
        check_sha256(failure.sha256)
        return FailureReason(failure.reason).blames_release
    except (InvalidInput, ValueError):
        return False
