"""What an update has to wait for: work that must end in good order before files change under it."""

from __future__ import annotations

from typing import Protocol

from gaia.protocol.worker import Workload as WorkloadReport


class Drainable(Protocol):
    """The port that the updater drains through. `gaia.worker.workload` is the usual one."""

    @property
    def running(self) -> bool:
        """It works right now."""

    @property
    def stopped(self) -> bool:
        """Nothing of it is left running, and it will not start by itself."""

    @property
    def exits(self) -> int:
        """Times that it ended by itself since this process started."""

    def start(self) -> None:
        """Begin, or begin again after a drain."""

    def request_stop(self) -> None:
        """Begin to drain; no effect while it drains."""

    def poll(self) -> None:
        """Notice what happened since the last poll."""

    def report(self) -> WorkloadReport | None:
        """What the next heartbeat says of it; None when there is nothing to say."""

    def confirm(self, outcomes: int) -> None:
        """The server has the first so many outcomes of the last report."""


class NothingToDrain:
    """A worker without a workload: it keeps only itself and the experiments current."""

    running = False
    stopped = True
    exits = 0

    def start(self) -> None:
        """There is nothing to start."""

    def request_stop(self) -> None:
        """There is nothing to stop."""

    def poll(self) -> None:
        """There is nothing to notice."""

    def report(self) -> WorkloadReport | None:
        """There is nothing to say."""
        return None

    def confirm(self, outcomes: int) -> None:
        """There was nothing to confirm."""
