"""The system that simulated processes run on: what `os`, `time`, `select` and so on do for them.

The production code is not changed: for the length of a simulation the calls that it makes lead
here. A call that changes a disk is a *step*: a process may be killed right before it. Calls from
outside of any simulated process go where they always went.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import select
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gaia.trust.client
import gaia.worker.agent
import gaia.worker.background
import gaia.worker.composition
import gaia.worker.guard
import gaia.worker.relaunch
import gaia.worker.staging
import gaia.worker.transport
import gaia.worker.workload
from gaia.worker.lock import FileLock
from gaia.worker.watch import Watch
from proofs.simulation.disk import Space
from proofs.simulation.doubles import PIDFDS, SimulatedLock, SimulatedPoll, SimulatedThread
from proofs.simulation.kernel import Ended, Kernel
from proofs.simulation.system import System

_ROOM = 1 << 40
"""Bytes that are free on a disk that is not full."""


class Calls:
    """The system calls of all simulated processes."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._real = SimpleNamespace(
            **{name: getattr(os, name) for name in _OS},
            flock=fcntl.flock,
            poll=select.poll,
            select=select.select,
            send=signal.pidfd_send_signal,
            mask=signal.pthread_sigmask,
            monotonic=time.monotonic,
            time=time.time,
            sleep=time.sleep,
            random=random.random,
        )

    @contextlib.contextmanager
    def interposed(self) -> Iterator[None]:
        """Lead the production code's calls here."""
        threading = SimpleNamespace(Thread=self._thread, Lock=lambda: SimulatedLock(self._kernel))
        places: list[tuple[Any, str, Any]] = [
            *((os, name, getattr(self, f"_{name}")) for name in _OS),
            (fcntl, "flock", self._flock),
            (select, "poll", self._poll),
            (select, "select", self._select),
            (signal, "pidfd_send_signal", self._send_signal),
            (signal, "pthread_sigmask", self._mask),
            (time, "monotonic", self._monotonic),
            (time, "time", self._time),
            (time, "sleep", self._sleep),
            (random, "random", self._random),
            (gaia.worker.guard, "start", self._start_guard),
            (gaia.worker.relaunch, "open_descriptors", list),
            (gaia.worker.staging, "self_check", self._self_check),
            (gaia.worker.workload, "members", lambda *_: {}),
            (gaia.worker.composition, "gpu", lambda _: {}),
            (gaia.worker.composition, "datetime", self._datetime()),
            (gaia.worker.transport, "datetime", self._datetime()),
            (gaia.worker.transport, "Pools", lambda: self._here().pools()),
            (gaia.worker.background, "threading", threading),
            (
                gaia.trust.client,
                "threading",
                SimpleNamespace(Lock=lambda: SimulatedLock(self._kernel)),
            ),
        ]
        before = [(place, name, getattr(place, name)) for place, name, _ in places]
        try:
            for place, name, replacement in places:
                setattr(place, name, replacement)
            yield
        finally:
            for place, name, original in before:
                setattr(place, name, original)

    # What changes a disk.

    def _open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        if self._kernel.running is None or not flags & os.O_CREAT:
            return int(self._real.open(path, flags, mode, **more))
        name = os.fspath(path)
        new = not os.path.lexists(name)
        with self._changing(room=new) as disk:
            descriptor = int(self._real.open(path, flags, mode, **more))
            if new:
                disk.made(name)
        return descriptor

    def _rename(self, source: Any, target: Any) -> None:
        if self._kernel.running is None:
            self._real.rename(source, target)
            return
        with self._changing() as disk:
            disk.vanishes(os.fspath(target))
            self._real.rename(source, target)
            disk.renamed(os.fspath(source), os.fspath(target))

    _replace = _rename

    def _link(self, source: Any, target: Any, **more: Any) -> None:
        if self._kernel.running is None:
            self._real.link(source, target, **more)
            return
        with self._changing(room=True) as disk:
            self._real.link(source, target, **more)
            disk.made(os.fspath(target))

    def _unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._remove(self._real.unlink, path, dir_fd)

    def _rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._remove(self._real.rmdir, path, dir_fd)

    def _remove(self, really: Callable[..., None], path: Any, folder: int | None) -> None:
        name = os.fspath(path) if folder is None else f"/proc/self/fd/{folder}/{path}"
        if self._kernel.running is None or not os.path.lexists(name):
            really(path, dir_fd=folder)
            return
        with self._changing() as disk:
            disk.vanishes(name)
            really(path, dir_fd=folder)
            disk.gone(name)

    def _mkdir(self, path: Any, mode: int = 0o777) -> None:
        if self._kernel.running is None or os.path.lexists(path):
            self._real.mkdir(path, mode)
            return
        with self._changing(room=True) as disk:
            self._real.mkdir(path, mode)
            disk.made(os.fspath(path))

    def _fsync(self, descriptor: int) -> None:
        if self._kernel.running is None:
            return
        with self._changing(room=True) as disk:
            disk.synced(descriptor)

    @contextlib.contextmanager
    def _changing(self, *, room: bool = False) -> Iterator[Space]:
        process = self._kernel.current().process
        if not process.alive:
            raise Ended
        host = self._here()
        host.step(process)
        if room and host.disk.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield host.disk
        host.changed(process)

    # What does not.

    def _statvfs(self, path: Any) -> Any:
        if self._kernel.running is None:
            return self._real.statvfs(path)
        return SimpleNamespace(f_bavail=0 if self._here().disk.full else _ROOM, f_frsize=1)

    def _close(self, descriptor: int) -> None:
        if descriptor >= PIDFDS:
            return
        if self._kernel.running is not None:
            self._kernel.running.process.locks.discard(descriptor)
        self._real.close(descriptor)

    def _write(self, descriptor: int, data: bytes) -> int:
        if self._kernel.running is not None and descriptor == 2:
            return len(data)
        return int(self._real.write(descriptor, data))

    def _flock(self, descriptor: int, operation: int) -> None:
        self._real.flock(descriptor, operation)
        if self._kernel.running is not None:
            self._kernel.running.process.locks.add(descriptor)

    # Time and chance.

    def _monotonic(self) -> float:
        if self._kernel.running is None:
            return float(self._real.monotonic())
        return self._here().monotonic()

    def _time(self) -> float:
        return float(self._real.time()) if self._kernel.running is None else self._here().wall()

    def _sleep(self, seconds: float) -> None:
        if self._kernel.running is None:
            self._real.sleep(seconds)
        else:
            self._kernel.wait(seconds)

    def _random(self) -> float:
        if self._kernel.running is None:
            return float(self._real.random())
        return self._kernel.running.process.chance.random()

    def _datetime(self) -> Any:
        return SimpleNamespace(
            now=lambda zone: datetime.fromtimestamp(self._here().wall(), zone),
            fromtimestamp=datetime.fromtimestamp,
        )

    # Processes.

    def _getpid(self) -> int:
        running = self._kernel.running
        return int(self._real.getpid()) if running is None else running.process.pid

    def _execve(self, *_: Any) -> None:
        self._here().execute(self._kernel.current().process)
        raise Ended

    def _self_check(self, path: Path, *_: Any, **__: Any) -> None:
        self._here().self_check(path)

    def _mask(self, how: int, signals: Any) -> Any:
        return set() if self._kernel.running is not None else self._real.mask(how, signals)

    def _send_signal(self, descriptor: int, number: int) -> None:
        if descriptor < PIDFDS:
            self._real.send(descriptor, number)
            return
        process = self._kernel.process(descriptor - PIDFDS)
        if process is None:
            raise ProcessLookupError
        process.end()
        self._kernel.sleep(0)

    def _select(self, readers: list[int], *more: Any) -> Any:
        if not readers or readers[0] < PIDFDS:
            return self._real.select(readers, *more)
        while not self._ended(readers[0], 60.0):
            pass
        return readers, [], []

    def _poll(self) -> Any:
        return self._real.poll() if self._kernel.running is None else SimulatedPoll(self._ended)

    def _ended(self, descriptor: int, seconds: float) -> bool:
        """Whether the process ends within `seconds`."""
        process = self._kernel.process(descriptor - PIDFDS)
        if process is not None and seconds > 0:
            process.waiters.append(self._kernel.current())
            self._kernel.wait(seconds)
            process = self._kernel.process(descriptor - PIDFDS)
        return process is None

    def _start_guard(self, watch: Watch, console: Any) -> int:  # noqa: ARG002 - as the real one
        worker = self._kernel.current().process
        at_post: list[bool] = []

        def attend() -> None:
            post = FileLock(watch.installation.beside("guard"))
            if post.acquire(patience=1.0):
                at_post.append(True)
                gaia.worker.guard._Guard(watch, PIDFDS + worker.pid).run()

        guard = self._kernel.start(worker.host, "guard", attend)
        while guard.alive and not at_post:
            self._kernel.sleep(0.01)
        if not at_post:
            raise OSError("the guard did not start")
        return PIDFDS + guard.pid

    def _thread(self, *, target: Callable[[], None], **_: Any) -> SimulatedThread:
        return SimulatedThread(self._kernel, target)

    def _here(self) -> System:
        host: Any = self._kernel.current().process.host
        return host  # type: ignore[no-any-return]


_OS = (
    "open",
    "rename",
    "replace",
    "link",
    "unlink",
    "rmdir",
    "mkdir",
    "fsync",
    "statvfs",
    "close",
    "getpid",
    "execve",
    "write",
)
