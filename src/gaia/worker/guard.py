"""The guard: a process that takes a release back when it dies or hangs on probation.

It is forked from the *old* version right before `exec`, so that nothing of the new one can break
it, and it imports nothing, as the files that it would import from may be gone by then.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from gaia.errors import InstallError
from gaia.model.worker import FailureReason
from gaia.planning.probation import judge_watched
from gaia.protocol.worker import LOG_TAIL
from gaia.worker.console import Console
from gaia.worker.installation import Installation
from gaia.worker.lock import FileLock
from gaia.worker.probation import Probation
from gaia.worker.relaunch import STOP_SIGNALS, open_descriptors, release_signals, signals_held
from gaia.worker.watch import Watch

assert sys.platform != "win32"  # noqa: S101 - for the type checker

_INTERVAL = 0.2
_LONGEST_STEP = 1.0
_DEATH_WAIT = 60.0
_MOST_TRIES = 30
_LOG_LIMIT = 1024 * 1024
_BACKLOG_LIMIT = 16 * _LOG_LIMIT


def start(watch: Watch, console: Console) -> int:
    """Fork the guard of this process, and return a pidfd of it once it is at its post.

    Call it with no other thread alive.

    Raises:
        OSError: there is none.
    """
    worker = os.pidfd_open(os.getpid())
    reader, writer = os.pipe2(os.O_CLOEXEC)
    gc.freeze()  # keeps the collector from touching, and so copying, what both processes share
    try:
        child = os.fork()
        if child == 0:
            _become(watch, console, worker, writer)
        os.waitpid(child, 0)
        os.close(writer)
        writer = -1
        answer = os.read(reader, 32)
        if not answer:
            raise OSError("the guard did not start")
        return os.pidfd_open(int(answer))
    finally:
        gc.unfreeze()
        for descriptor in (reader, worker, writer):
            if descriptor >= 0:
                os.close(descriptor)


def end(guard: int) -> None:
    """End the guard, and close its pidfd."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(guard, signal.SIGKILL)
    select.select([guard], [], [])
    os.close(guard)


def on_duty(installation: Installation) -> bool:
    """Whether a guard watches this installation."""
    lock = FileLock(installation.beside("guard"))
    try:
        return not lock.acquire()
    finally:
        lock.release()


def _become(watch: Watch, console: Console, worker: int, ready: int) -> NoReturn:
    """The child of `start`: forks once more, so that the guard is no child of the worker."""
    try:
        if os.fork() == 0:
            _attend(watch, console, worker, ready)
    finally:
        os._exit(0)


def _attend(watch: Watch, console: Console, worker: int, ready: int) -> None:
    signal.set_wakeup_fd(-1)
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    release_signals()
    os.dup2(console.stdout, 1)
    os.dup2(console.stderr, 2)
    for descriptor in open_descriptors():
        if descriptor not in (worker, ready):
            with contextlib.suppress(OSError):  # the listing's own
                os.close(descriptor)
    post = FileLock(watch.installation.beside("guard"))
    if post.acquire(patience=1.0):
        os.write(ready, str(os.getpid()).encode())
        os.close(ready)
        _Guard(watch, worker).run()


class _Guard:
    def __init__(self, watch: Watch, worker: int) -> None:
        self._watch = watch
        self._probation = Probation(watch.installation)
        self._log = _LogTap(self._probation.log)
        self._worker = worker
        self._end = select.poll()
        self._end.register(worker, select.POLLIN)
        self._tries = 0

    def run(self) -> None:
        """Watch until the probation has ended, one way or the other."""
        silent_for, pulse, then = 0.0, 0, time.monotonic()
        while True:
            exited = bool(self._end.poll(_INTERVAL * 1000))
            self._log.forward()
            marker = self._probation.marker()
            if marker is None or marker.sha256 != self._watch.sha256:
                return
            if exited and self._probation.stopped_orderly():
                return
            now = time.monotonic()
            # A guard that was itself suspended, stopped or starved has seen no silence.
            silent_for += min(now - then, _LONGEST_STEP)
            then = now
            if pulse != (pulse := self._probation.pulse()):
                silent_for = 0.0
            reason = judge_watched(
                exited=exited, silent_for=silent_for, silence_allowed=self._watch.silence_allowed
            )
            if reason is None:
                continue
            if self._taken_back(reason):
                self._start_old()
                return
            silent_for = 0.0
            time.sleep(_LONGEST_STEP)

    def _taken_back(self, reason: FailureReason) -> bool:
        """Restore, record, end the process. False: the disk refuses, for now."""
        detail = {
            FailureReason.EXITED: "It ended by itself while on probation.",
            FailureReason.HUNG: "It gave no sign of life for "
            f"{self._watch.silence_allowed:g} s while on probation.",
        }[reason]
        with signals_held():
            try:
                self._watch.installation.restore(self._watch.backup_sha256)
            except InstallError as error:
                detail += f" {error.message}"
            except OSError as error:
                self._tries += 1
                if reason is FailureReason.HUNG or self._tries < _MOST_TRIES:
                    return False
                detail += f" The backup could not be put back: {error}."
            self._probation.retire(reason, detail)
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._worker, signal.SIGKILL)
            self._end.poll(_DEATH_WAIT * 1000)
            self._log.forward()
        return True

    def _start_old(self) -> None:
        """Start what is at the path, unless a service manager does so within the grace.

        A machine that is short of something now need not be so for long: nobody else may come.
        """
        told = ""
        for _ in range(_MOST_TRIES):
            if self._started_by_another():
                return
            try:
                self._watch.launch.execute({})
            except InstallError as error:
                if told != (told := f"gaia-worker: {error}\n"):
                    os.write(2, told.encode())

    def _started_by_another(self) -> bool:
        worker = FileLock(self._watch.installation.beside("lock"))
        deadline = time.monotonic() + self._watch.restart_grace
        while time.monotonic() < deadline:
            if not worker.acquire():
                return True
            worker.release()
            time.sleep(_INTERVAL)
        return False


class _LogTap:
    """Forwards what is appended to a file to standard error, without ever waiting for a reader.

    The file stays bounded, as a probation may last: what a reader leaves too long is dropped.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            self._at = os.fstat(self._file).st_size
        except OSError:
            self._file = -1
        self._writable = select.poll()
        self._writable.register(2, select.POLLOUT)

    def forward(self) -> None:
        """Forward what there is, as far as the reader takes it."""
        if self._file < 0:
            return
        with contextlib.suppress(OSError):
            while block := os.pread(self._file, select.PIPE_BUF, self._at):
                if self._writable.poll(0) != [(2, select.POLLOUT)]:
                    break
                self._at += os.write(2, block)
            size = os.fstat(self._file).st_size
            if size > (_LOG_LIMIT if size == self._at else _BACKLOG_LIMIT):
                self._shorten(size)

    def _shorten(self, size: int) -> None:
        tail = os.pread(self._file, LOG_TAIL, size - LOG_TAIL)
        os.ftruncate(self._file, 0)
        os.write(self._file, tail)
        self._at = len(tail)
