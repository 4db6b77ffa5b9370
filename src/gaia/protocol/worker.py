"""Register and heartbeat: `POST /api/workers/register`, `POST /api/workers/heartbeat/{id}`.

GAIA 0.4 workers send a subset of `Register` and use `GET` for the heartbeat; they read
`latest_version` and `force_update` from the answer.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

MAX_BODY = 256 * 1024
"""Bytes. The largest register or heartbeat body that the server reads."""

LOG_TAIL = 16 * 1024
"""Bytes. The most of a failed release's log that a worker reports."""

Whole = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""An integer that every JSON reader and every database holds exactly."""


Moment = Annotated[float, msgspec.Meta(ge=-1e11, le=1e11)]
"""Unix seconds, of a clock that may be wrong by a thousand years."""


class Register(msgspec.Struct, omit_defaults=True):
    """A worker introduces itself. Same name and machine: same `worker_id`.

    Attributes:
        machine: stable identity of the host; empty from GAIA 0.4 workers.
        registered_at: the worker's clock; number or text, kept as sent.
    """

    name: str
    version: str = ""
    gpu: dict[str, Any] | None = None
    registered_at: Any = None
    machine: str = ""
    platform: str = ""
    channel: str = ""
    labels: dict[str, str] = {}


class Registered(msgspec.Struct):
    """The answer to `Register`."""

    worker_id: str
    status: str = "ok"
    latest_version: str | None = None


class Outcome(msgspec.Struct):
    """One run of the workload that ended.

    Attributes:
        exit_code: as the shell counts: 128 + signal number when a signal ended it.
        started_at: Unix seconds.
        seconds: run time.
        ended_by: `itself`, or `drain` when the worker stopped it.
    """

    exit_code: Whole
    started_at: float
    seconds: float
    ended_by: str


class Workload(msgspec.Struct, omit_defaults=True):
    """The supervised workload: its state and the runs that ended since the last heartbeat."""

    state: str
    pid: Whole | None = None
    restarts: Whole = 0
    outcomes: list[Outcome] = []


class Failure(msgspec.Struct):
    """An update that did not succeed, kept in the heartbeat until the server has confirmed it.

    Attributes:
        tag: the release that failed.
        sha256: of its executable; not tried again when `reason` blames the release.
        reason: a `gaia.model.worker.FailureReason`.
        detail: what happened, in one sentence.
        log_tail: the end of what the release wrote.
        at: Unix seconds.
    """

    tag: str
    sha256: str
    reason: str
    detail: str
    log_tail: str
    at: float


class Heartbeat(msgspec.Struct, omit_defaults=True):
    """What a worker says every interval.

    Attributes:
        state: a `gaia.model.worker.WorkerState`.
        reason: why it is, or stays, there; a `Reason` or a `FailureReason`, or empty.
        progress: done share of the download in 0..1; None when nothing is being fetched.
        bundle: SHA-256 of the experiments bundle in place.
        failure: the last update that failed on this machine.
        alarm: a trust failure in words; empty when all is well.
        interval: seconds until the next heartbeat, when all goes well.
        externally_managed: why this worker leaves its executable alone; empty when it does not.
        clock: what the worker's clock says.
    """

    version: str
    platform: str
    state: str = "idle"
    reason: str = ""
    progress: float | None = None
    pid: Whole | None = None
    bundle: str | None = None
    workload: Workload | None = None
    failure: Failure | None = None
    alarm: str = ""
    interval: float = 5.0
    externally_managed: str = ""
    channel: str = ""
    target: str = ""
    clock: Moment | None = None


class DirectiveMessage(msgspec.Struct, omit_defaults=True):
    """`gaia.model.directive.Directive` on the wire."""

    action: str
    reason: str
    tag: str | None = None
    filename: str | None = None
    sha256: str | None = None


class Experiments(msgspec.Struct):
    """The current experiments bundle of the worker's channel."""

    tag: str
    sha256: str
    size: int


class Tuf(msgspec.Struct):
    """The state of the trust repository, so that an idle worker asks for no metadata.

    Attributes:
        root: version of the newest root.
        timestamp: the signed timestamp role, the file's text unchanged.
    """

    root: int
    timestamp: str


class HeartbeatAnswer(msgspec.Struct):
    """The server's answer. `interval`: the fewest seconds to the next heartbeat."""

    status: str
    latest_version: str | None
    force_update: bool
    directive: DirectiveMessage
    experiments: Experiments | None
    tuf: Tuf
    interval: float
