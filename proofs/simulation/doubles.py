"""What stands in for a thread, a lock and a poll object of Python's."""

from __future__ import annotations

import select
from collections.abc import Callable

from proofs.simulation.kernel import Kernel, Thread

PIDFDS = 1_000_000
"""Descriptors from here on stand for processes."""


class SimulatedThread:
    """As `threading.Thread`."""

    def __init__(self, kernel: Kernel, target: Callable[[], None]) -> None:
        self._kernel = kernel
        self._target = target
        self._thread: Thread | None = None

    def start(self) -> None:
        self._thread = self._kernel.current().process.spawn(self._target)

    def is_alive(self) -> bool:
        return self._thread is not None and not self._thread.done

    def join(self, seconds: float | None = None) -> None:
        if self._thread is not None and not self._thread.done:
            self._thread.waiters.append(self._kernel.current())
            self._kernel.wait(60.0 if seconds is None else seconds)


class SimulatedLock:
    """As `threading.Lock`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._held = False

    def __enter__(self) -> None:
        while self._held:
            self._kernel.wait(0)
        self._held = True

    def __exit__(self, *_: object) -> None:
        self._held = False


class SimulatedPoll:
    """As `select.poll`, for the one descriptor that stands for a process."""

    def __init__(self, ended: Callable[[int, float], bool]) -> None:
        self._ended = ended
        self._process: int | None = None

    def register(self, descriptor: int, events: int) -> None:  # noqa: ARG002
        if descriptor >= PIDFDS:
            self._process = descriptor

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        if self._process is None or not self._ended(self._process, milliseconds / 1000):
            return []
        return [(self._process, select.POLLIN)]
