"""What the supervisor knows beyond its own life: the running workload, and runs not yet reported.

A drain is the last thing that a worker does before it becomes the next version, which then is the
one to report it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import structlog

from gaia.protocol.worker import Outcome
from gaia.worker.durable import write_atomic
from gaia.worker.process_tree import Leader

MAX_OUTCOMES = 50
"""Runs kept while the server cannot be reached; the oldest are dropped first."""

log = structlog.get_logger(__name__)


class _Content(msgspec.Struct):
    leader: Leader | None = None
    outcomes: list[Outcome] = []


class WorkloadMemory:
    """A small file. Losing it loses a report, so that it never stops a worker.

    Args:
        path: the file; its folder is made when it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = _Content()
        self._dropped = 0
        try:
            self._content = msgspec.json.decode(path.read_bytes(), type=_Content)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("record of the workload cannot be read", reason=str(error))

    @property
    def leader(self) -> Leader | None:
        """The leader of the workload that was running last."""
        return self._content.leader

    def remember(self, leader: Leader | None) -> None:
        """Which workload is running now."""
        if leader != self._content.leader:
            self._content.leader = leader
            self._write()

    def add(self, outcome: Outcome) -> None:
        """A run has ended."""
        self._content.outcomes.append(outcome)
        excess = max(0, len(self._content.outcomes) - MAX_OUTCOMES)
        del self._content.outcomes[:excess]
        self._dropped += excess
        self._write()

    def take(self) -> list[Outcome]:
        """The runs to report, oldest first."""
        self._dropped = 0
        return list(self._content.outcomes)

    def confirm(self, count: int) -> None:
        """Forget the first `count` of what was last taken."""
        confirmed = max(0, count - self._dropped)
        self._dropped = 0
        if confirmed:
            del self._content.outcomes[:confirmed]
            self._write()

    def _write(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, msgspec.json.encode(self._content))
        except OSError as error:
            log.warning("record of the workload cannot be written", reason=str(error))
