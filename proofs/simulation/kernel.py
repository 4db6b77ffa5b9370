"""A virtual clock, and processes whose threads take turns: one at a time, in the clock's order.

A thread runs until it waits. Nothing here asks the real clock or real chance, so that the same
events come in the same order whenever a world is run again.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import random
from collections.abc import Callable, Iterator
from itertools import count
from typing import Protocol

from greenlet import getcurrent, greenlet

QUANTUM = 1.0
"""Seconds. A thread that waits for less gets its turn no sooner: these machines are busy."""


class Ended(BaseException):
    """Unwinds the code of a process that is no more: nothing that it still calls has an effect."""


class Host(Protocol):
    """What processes run on."""

    asleep_until: float

    def ended(self, process: Process) -> None:
        """One of its processes is no more."""


class Kernel:
    """Attributes:
    now: seconds since the beginning of the world.
    running: the thread whose turn it is; None while the world itself moves.
    stopped: set it to end `run`.
    """

    def __init__(self, seed: str) -> None:
        self.now = 0.0
        self.running: Thread | None = None
        self.stopped = False
        self._seed = seed
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._pids = count(1000)
        self._processes: dict[int, Process] = {}
        self._doomed: list[Process] = []
        self._hub = getcurrent()

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Let `action` happen at that time."""
        heapq.heappush(self._queue, (max(when, self.now), next(self._order), action))

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._queue and not self.stopped and self._queue[0][0] <= until:
            self.now, _, action = heapq.heappop(self._queue)
            action()
            self._reap()
        if not self.stopped:
            self.now = until

    def end(self) -> None:
        """Unwind everything that still runs."""
        for process in list(self._processes.values()):
            process.end()
        self._reap()

    def process(self, pid: int) -> Process | None:
        """The process of that number, None when it is no more."""
        return self._processes.get(pid)

    def processes(self, host: Host) -> list[Process]:
        """All of a host."""
        return [process for process in self._processes.values() if process.host is host]

    def start(self, host: Host, name: str, body: Callable[[], None]) -> Process:
        """A new process."""
        return self._begin(host, name, next(self._pids), body)

    def replace(self, process: Process, name: str, body: Callable[[], None]) -> Process:
        """What `exec` does: another program under the same number, with nobody told of an end."""
        heir = self._begin(process.host, name, process.pid, body)
        heir.waiters, process.waiters = process.waiters, []
        process.alive = False
        self._doomed.append(process)
        return heir

    def sleep(self, seconds: float) -> None:
        """Wait, as the running thread."""
        self._wait_until(self.now + seconds)

    def wait(self, seconds: float) -> None:
        """As `sleep`, on a busy machine; `wake` ends it sooner."""
        self._wait_until(self.now + max(seconds, QUANTUM))

    def wake(self, thread: Thread) -> None:
        """End the wait of `thread`."""
        ticket = thread.ticket
        self.at(self.now, lambda: self._resume(thread, ticket))

    @contextlib.contextmanager
    def outside(self) -> Iterator[None]:
        """Let the world itself look at something in the middle of a thread's turn."""
        running, self.running = self.running, None
        try:
            yield
        finally:
            self.running = running

    def current(self) -> Thread:
        """The thread whose turn it is."""
        if self.running is None:
            raise RuntimeError("no thread runs")
        return self.running

    def _begin(self, host: Host, name: str, pid: int, body: Callable[[], None]) -> Process:
        process = Process(self, host, name, pid, random.Random(f"{self._seed}/{name}/{pid}"))
        self._processes[pid] = process

        def main() -> None:
            body()
            process.end()

        process.spawn(main)
        return process

    def _wait_until(self, when: float) -> None:
        thread = self.current()
        if not thread.process.alive:
            raise Ended
        thread.ticket += 1
        ticket = thread.ticket
        self.at(when, lambda: self._resume(thread, ticket))
        self._hub.switch()
        if not thread.process.alive:
            raise Ended

    def _resume(self, thread: Thread, ticket: int) -> None:
        process = thread.process
        if ticket != thread.ticket or not process.alive or process.frozen:
            return
        if process.host.asleep_until > self.now:
            self.at(process.host.asleep_until, lambda: self._resume(thread, ticket))
            return
        self.running = thread
        thread.greenlet.switch()
        self.running = None

    def _bury(self, process: Process) -> None:
        """Called once for each process that has ended."""
        if self._processes.get(process.pid) is process:
            del self._processes[process.pid]
        self._doomed.append(process)
        for waiter in process.waiters:
            self.wake(waiter)

    def _reap(self) -> None:
        while self._doomed:
            process = self._doomed.pop()
            for thread in process.threads:
                if thread.greenlet:  # has begun, and not ended
                    self.running = thread
                    thread.greenlet.throw(Ended)
                    self.running = None
            for descriptor in process.locks:
                os.close(descriptor)


class Process:
    """Attributes:
    alive: it has not ended, nor become another program.
    frozen: it hangs: its threads never get another turn.
    locks: descriptors of the locks that it holds.
    chance: its own random numbers.
    waiters: threads to wake when it ends.
    fault: the error of ours that ended it.
    """

    def __init__(
        self, kernel: Kernel, host: Host, name: str, pid: int, chance: random.Random
    ) -> None:
        self.host = host
        self.name = name
        self.pid = pid
        self.chance = chance
        self.alive = True
        self.frozen = False
        self.threads: list[Thread] = []
        self.locks: set[int] = set()
        self.waiters: list[Thread] = []
        self.fault: BaseException | None = None
        self._kernel = kernel

    def spawn(self, body: Callable[[], None]) -> Thread:
        """Another thread of this process, which gets its turn soon."""
        thread = Thread(self, body)
        self.threads.append(thread)
        self._kernel.wake(thread)
        return thread

    def end(self) -> None:
        """It exits, or is killed: none of its threads gets another turn."""
        if self.alive:
            self.alive = False
            self._kernel._bury(self)
            self.host.ended(self)


class Thread:
    """Attributes:
    ticket: counts its waits; one that is over cannot be ended again.
    done: its body has ended.
    """

    def __init__(self, process: Process, body: Callable[[], None]) -> None:
        self.process = process
        self.ticket = 0
        self.done = False
        self.waiters: list[Thread] = []
        self._body = body
        self.greenlet = greenlet(self._run, process._kernel._hub)

    def _run(self) -> None:
        kernel = self.process._kernel
        try:
            self._body()
        except Ended:
            pass
        except BaseException as error:  # noqa: BLE001 - whatever it is, it ends that process only
            self.process.fault = error
            self.process.end()
        self.done = True
        for waiter in self.waiters:
            kernel.wake(waiter)
