"""Real workloads under a clock that only the test moves."""

import os
import select
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gaia.worker.workload import Workload


class Bench:
    """Makes workloads, reads what they print, and leaves no process behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1000.0
        self._read, self._write = os.pipe()
        self._lines = os.fdopen(self._read, "r")
        self._made: list[Workload] = []

    def workload(self, command: Sequence[str], **options: float) -> Workload:
        made = Workload(
            command,
            self.folder / "place",
            state_dir=self.folder / "state",
            environment={"PATH": os.environ["PATH"]},
            stdio=(self._write, self._write),
            clock=lambda: self.now,
            wall=lambda: 1_700_000_000.0 + self.now,
            chance=lambda: 0.5,
            **options,
        )
        self._made.append(made)
        return made

    def python(self, code: str, **options: float) -> Workload:
        return self.workload([sys.executable, "-c", code], **options)

    def line(self) -> str:
        """The next line that a workload prints; waits for it."""
        return self._lines.readline().strip()

    def until(self, workload: Workload, condition: Callable[[], bool]) -> None:
        """Poll until `condition`; in between wait for a process to end, not for time."""
        workload.poll()
        while not condition():
            report = workload.report()
            assert report is not None
            self.wait_for_any([report.pid] if report.pid else list(workload._tree))
            workload.poll()

    @staticmethod
    def wait_for_any(pids: Sequence[int]) -> None:
        poller = select.poll()
        descriptors = []
        for pid in pids:
            try:
                descriptors.append(os.pidfd_open(pid))
            except ProcessLookupError:
                continue
            poller.register(descriptors[-1], select.POLLIN)
        if descriptors:
            poller.poll(50)
        for descriptor in descriptors:
            os.close(descriptor)

    def close(self) -> None:
        for workload in self._made:
            workload.stop_now()
            self.now += 10_000
            self.until(workload, lambda w=workload: w.stopped)  # type: ignore[misc]
        os.close(self._write)
        self._lines.close()
