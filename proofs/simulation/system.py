"""What simulated processes expect of the machine that they run on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from proofs.simulation.disk import Space
from proofs.simulation.kernel import Host, Process

BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""The time at which every world begins."""


class System(Host, Protocol):
    """A host with a disk and clocks."""

    disk: Space

    def step(self, process: Process) -> None:
        """`process` is about to change the disk; it may be killed here."""

    def changed(self, process: Process) -> None:
        """It has changed the disk."""

    def monotonic(self) -> float:
        """Seconds on a clock that stops while the host is suspended."""

    def wall(self) -> float:
        """Seconds since the epoch, by the host's own clock."""

    def execute(self, process: Process) -> None:
        """`process` becomes what is at the installed path. Raises OSError when it cannot."""

    def self_check(self, staged: Path) -> None:
        """Run a staged executable's self-check, as `gaia.worker.preflight.self_check`."""

    def pools(self) -> Any:
        """Its connections, as `gaia.protocol.pools.Pools`."""


def wall(seconds: float) -> float:
    """Seconds since the epoch, `seconds` after the beginning of the world."""
    return (BEGINNING + timedelta(seconds=seconds)).timestamp()
