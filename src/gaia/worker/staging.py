"""Getting a release ready beside the executable, and what to make of it when that fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from gaia.errors import GaiaError, InstallError, NotFound, TransportError, TrustError
from gaia.model.worker import FailureReason
from gaia.planning.backoff import full_jitter
from gaia.protocol.worker import Failure
from gaia.worker.durable import as_install_error
from gaia.worker.installation import Installation
from gaia.worker.journal import Target
from gaia.worker.preflight import PreflightFailed, check_header, self_check
from gaia.worker.relaunch import Launch

log = structlog.get_logger()

Fetch = Callable[[Path, Callable[[int], None], threading.Event], None]
"""Writes the release to a path, going on from where the file there ends; tells how many bytes it
holds; gives up when the event is set. Raises `GaiaError` or `OSError`."""

FIRST_RETRY = 5.0
LONGEST_RETRY = 3600.0
"""Seconds between tries of an update that failed for a reason that passes."""

_SPARE_ROOM = 1024 * 1024


class Staging:
    """One release on its way to the staged file. Its methods run in a thread.

    Attributes:
        source: what runs.
        target: what is staged.
        progress: done share of the download in 0..1.
        cancelled: set it to make the methods give up soon.
    """

    def __init__(self, installation: Installation, source: Target, target: Target) -> None:
        self._installation = installation
        self.source = source
        self.target = target
        self.progress = 0.0
        self.cancelled = threading.Event()

    def fetch(self, fetch: Fetch, *, resume: bool) -> None:
        """Download, verify and seal the staged file; the backup may be it already.

        Raises:
            GaiaError, OSError: see `failure_of`.
        """
        there = self._installation.begin_staging(resume=resume)
        if not self._installation.holds(self.target):
            self._need_room(there)
            self._installation.stage_backup(self.target)
        if not self._installation.holds(self.target):
            fetch(self._installation.staged, self._tell, self.cancelled)
        self._installation.seal(self.target)
        check_header(self._installation.staged)

    def preflight(self, launch: Launch, deadline: float) -> None:
        """Run the staged file's self-check, with the arguments that it would be started with.

        Raises:
            PreflightFailed: it did not pass.
            InstallError: `no-space`, when that may be why; `swap`: it is not what was sealed.
        """
        if not self._installation.holds(self.target):
            raise InstallError(
                FailureReason.SWAP,
                f"{self._installation.staged} was changed between its verification and its check.",
            )
        try:
            self_check(
                self._installation.staged,
                launch.arguments[1:],
                launch.environment,
                cancelled=self.cancelled,
                deadline=deadline,
            )
        except PreflightFailed:
            self._need_room(self.target.size)
            raise

    def _tell(self, done: int) -> None:
        self.progress = min(1.0, done / max(1, self.target.size))

    def _need_room(self, there: int) -> None:
        """The rest of the file, and as much again for what it unpacks at its first start."""
        needed = max(0, self.target.size - there) + self.target.size + _SPARE_ROOM
        free = self._installation.free_space()
        if free < needed:
            raise InstallError(
                FailureReason.NO_SPACE,
                f"The update needs {needed} bytes in {self._installation.folder}; {free} are free.",
                hint="Free some space there; the worker tries again by itself.",
            )


class Retries:
    """When a release that failed for a reason that passes may be tried again."""

    def __init__(self, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        self._clock = clock
        self._chance = chance
        self._sha256 = ""
        self._attempts = 0
        self._due = 0.0

    def failed(self, sha256: str) -> None:
        """It failed just now."""
        self._attempts = self._attempts + 1 if sha256 == self._sha256 else 0
        self._sha256 = sha256
        self._due = self._clock() + full_jitter(
            self._attempts, self._chance(), base=FIRST_RETRY, cap=LONGEST_RETRY
        )

    def due(self, sha256: str) -> bool:
        """Whether it may be tried now."""
        return sha256 != self._sha256 or self._clock() >= self._due


def failure_of(target: Target, error: Exception) -> Failure:
    """`error`, met on the way to `target`, as a worker reports it. Even a bug of ours is no reason
    for the old version to end."""
    if isinstance(error, OSError):
        error = as_install_error(error, f"the update to {target.tag}")
    elif not isinstance(error, GaiaError):
        log.error("unforeseen", exc_info=error)
        error = InstallError(FailureReason.SWAP, f"An error in the worker itself: {error!r}.")
    return Failure(
        tag=target.tag,
        sha256=target.sha256,
        reason=_reason(error),
        detail=str(error),
        log_tail=error.log_tail if isinstance(error, PreflightFailed) else "",
        at=time.time(),
    )


def told(failure: Failure) -> dict[str, Any]:
    """What the log says of a failure."""
    return {"tag": failure.tag, "reason": failure.reason, "detail": failure.detail}


def _reason(error: GaiaError) -> FailureReason:
    if isinstance(error, TransportError | NotFound):
        return FailureReason.TRANSPORT
    if isinstance(error, TrustError):
        return FailureReason.TRUST
    try:
        return FailureReason(error.code)
    except ValueError:
        return FailureReason.SWAP
