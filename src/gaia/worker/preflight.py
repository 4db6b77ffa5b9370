"""Before the swap: can this file run here at all, and does it start?"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from gaia.errors import InstallError
from gaia.model.worker import FailureReason
from gaia.protocol.worker import LOG_TAIL
from gaia.worker.durable import told_as_install_error
from gaia.worker.headers import LINUX, SCRIPT, kind_of, own_kind
from gaia.worker.process_tree import end, start
from gaia.worker.relaunch import SHORTAGES, STOP_SIGNALS

SELF_CHECK = "--self-check"
DEADLINE = 60.0
"""Seconds. A first start unpacks itself to the disk, fsyncs included."""

_BUSY_TRIES = 100
_BUSY_PAUSE = 0.01
_POLL = 0.05
_LAST_ORDINARY_CODE = 0xFFFF

_KILL = 9
_FROM_OUTSIDE = frozenset({_KILL, *STOP_SIGNALS})
"""Signals that come from the system: it shuts down, or is out of memory."""


class PreflightFailed(InstallError):
    """The staged executable did not pass.

    Attributes:
        log_tail: the end of what it wrote.
    """

    def __init__(self, reason: FailureReason, message: str, log_tail: str = "") -> None:
        super().__init__(reason, message)
        self.log_tail = log_tail


def check_header(path: Path) -> None:
    """Refuse a file that this host cannot execute, by its first bytes.

    Raises:
        PreflightFailed: `wrong-platform`.
    """
    with told_as_install_error(f"reading {path}"):
        found, own = kind_of(path), own_kind()
    if found.system == SCRIPT and own.system == LINUX:
        return
    if found.system != own.system:
        raise PreflightFailed(
            FailureReason.WRONG_PLATFORM, f"The release's file is {found.system}."
        )
    if found.processor != own.processor:
        raise PreflightFailed(
            FailureReason.WRONG_PLATFORM, "The release's file is for another kind of processor."
        )


def self_check(
    path: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    cancelled: threading.Event,
    deadline: float = DEADLINE,
) -> None:
    """Run `path --self-check` and see it end with 0. Nothing that it started outlives this.

    Args:
        arguments: of the worker, for the new version to look at.
        deadline: seconds.

    Raises:
        PreflightFailed: `preflight`, with the end of its output; `wrong-platform`.
        InstallError: `busy` when cancelled, when something else ended it, or when the host can
            start nothing; `swap` when the file is gone.
    """
    reader, writer = os.pipe()
    try:
        os.set_blocking(reader, False)
        process = _start([path, SELF_CHECK, *arguments], environment, writer)
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    output = b""
    give_up = time.monotonic() + deadline
    try:
        while (code := _wait(process)) is None:
            output = _tail(output, reader)
            if cancelled.is_set():
                raise InstallError(FailureReason.BUSY, "The worker is stopping.")
            if time.monotonic() > give_up:
                raise PreflightFailed(
                    FailureReason.PREFLIGHT,
                    f"The self-check did not end within {deadline:g} s.",
                    _text(output),
                )
        output = _tail(output, reader)
    finally:
        end(process)
        os.close(reader)
    if -code in _FROM_OUTSIDE:
        raise InstallError(FailureReason.BUSY, f"The self-check {_ended(code)}, from outside.")
    if code != 0:
        raise PreflightFailed(
            FailureReason.PREFLIGHT, f"The self-check {_ended(code)}.", _text(output)
        )


def _start(
    command: Sequence[str | Path], environment: Mapping[str, str], output: int
) -> subprocess.Popen[bytes]:
    for _ in range(_BUSY_TRIES):
        try:
            return start(command, environment=environment, stdout=output, stderr=output)
        except OSError as error:
            # A child just forked by some thread may still hold the download's descriptor.
            if error.errno != errno.ETXTBSY:
                raise _not_started(Path(command[0]), error) from error
            time.sleep(_BUSY_PAUSE)
    raise InstallError(FailureReason.BUSY, f"{command[0]} is still open for writing.")


def _not_started(path: Path, error: OSError) -> InstallError:
    if error.errno == errno.ENOEXEC:
        return PreflightFailed(FailureReason.WRONG_PLATFORM, "The system cannot execute the file.")
    if error.errno in SHORTAGES:
        return InstallError(FailureReason.BUSY, f"The host cannot start a process now: {error}.")
    if not path.exists():
        return InstallError(FailureReason.SWAP, f"{path} vanished before its self-check.")
    return PreflightFailed(FailureReason.PREFLIGHT, f"The self-check does not start: {error}.")


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(_POLL)
    except subprocess.TimeoutExpired:
        return None


def _tail(output: bytes, pipe: int) -> bytes:
    # An empty pipe that does not block is a broken one to Windows.
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        while block := os.read(pipe, LOG_TAIL):
            output = (output + block)[-LOG_TAIL:]
    return output


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace")


def _ended(code: int) -> str:
    if sys.platform == "win32" and code > _LAST_ORDINARY_CODE:
        return f"was ended by the system with {code:#x}"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
