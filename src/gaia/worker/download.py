"""Fetching an artifact: resumed after a break, bounded in time and size, verified at the end."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import random
import re
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import structlog

from gaia.errors import InstallError, Refused, TransportError, TrustError
from gaia.model.artifact import Artifact
from gaia.planning.backoff import full_jitter
from gaia.worker.transport import Answer, Transport

log = structlog.get_logger()

_CHUNK = 256 * 1024
_WORTH_ANOTHER_TRY = 64 * 1024
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class Patience:
    """When a transfer has failed.

    Attributes:
        least: bytes per second that a transfer must keep up.
        credit: seconds by which it may fall behind that, a complete silence included.
        tries: how often a broken transfer is resumed before it is left to the caller.
        base, cap: seconds; window of the waiting time before the first, and before any, resumption.
    """

    least: float = 1024
    credit: float = 60
    tries: int = 5
    base: float = 0.5
    cap: float = 8


def download(
    transport: Transport,
    path: str,
    destination: Path,
    artifact: Artifact,
    progress: Callable[[float], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    patience: Patience = Patience(),
) -> None:
    """Bring `destination` to exactly the bytes of `artifact`, flushed to the disk.

    What is there from an earlier try is kept and added to. The file stays private to its owner
    (mode 0600): whoever installs it decides on its final mode.

    Args:
        path: of the artifact on the server.
        progress: told the share that is there, 0 to 1.
        cancelled: asked now and then; when true, the download ends and can be resumed later.

    Raises:
        TransportError: it broke off or stalled too often; what has come is kept.
        NotFound: the server does not have it.
        TrustError: `digest-mismatch` or `size-mismatch`; the file is removed.
        InstallError: `no-space`, the file is removed; or `staging-failed`.
        Refused: `cancelled`, or the token is not accepted.
    """
    transfer = _Transfer(transport, path, artifact, progress, cancelled, patience)
    try:
        with _disk(destination), _staged(destination) as file:
            transfer.complete(file)
            os.fsync(file.fileno())
    except TrustError:
        destination.unlink(missing_ok=True)
        raise


class _Transfer:
    """Requests for one artifact until the file is as long as it should be."""

    def __init__(
        self,
        transport: Transport,
        path: str,
        artifact: Artifact,
        progress: Callable[[float], None],
        cancelled: Callable[[], bool],
        patience: Patience,
    ) -> None:
        self._transport = transport
        self._path = path
        self._artifact = artifact
        self._progress = progress
        self._cancelled = cancelled
        self._patience = patience

    def complete(self, file: FileIO) -> None:
        """Make `file` the artifact, whatever it holds now."""
        inherited = self._length(file) > 0
        self._fill(file)
        if inherited and not self._matches(file):
            # What was here may have been the start of another release: begin once from nothing.
            log.info("partial download was of no use", file=self._artifact.filename)
            file.truncate(0)
            self._fill(file)
        if not self._matches(file):
            raise TrustError(
                "digest-mismatch",
                f"{self._artifact.filename} as sent by the server is not the file that was signed.",
                hint="It was thrown away. Look for tampering on the server or on the way to it.",
            )

    def _fill(self, file: FileIO) -> None:
        """Resume until `file` has its size, as long as tries keep bringing more of it."""
        failures, most = 0, self._length(file)
        while self._length(file) < self._artifact.size:
            self._stop_if_cancelled()
            try:
                self._advance(file, self._length(file))
            except TransportError as error:
                gained = self._length(file) - most
                failures = 0 if gained >= _WORTH_ANOTHER_TRY else failures + 1
                most += max(gained, 0)
                if failures >= self._patience.tries or error.retry_after is not None:
                    raise
                self._pause(failures, error)

    def _matches(self, file: FileIO) -> bool:
        # Read back from the very descriptor that was written: no other file can slip in.
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest() == self._artifact.sha256

    def _stop_if_cancelled(self) -> None:
        if self._cancelled():
            raise Refused("cancelled", "The download was cancelled; it can be resumed.")

    def _length(self, file: FileIO) -> int:
        length = file.seek(0, os.SEEK_END)
        if length > self._artifact.size:
            return file.truncate(0)
        return length

    def _advance(self, file: FileIO, start: int) -> None:
        headers = {"range": f"bytes={start}-", "if-range": f'"{self._artifact.sha256}"'}
        with self._transport.open(self._path, headers if start else {}) as answer:
            offset = self._offset(answer, start)
            if offset is not None:
                file.truncate(file.seek(offset))
                self._copy(answer, file, offset)
                return
        file.truncate(0)
        if not start:
            raise _odd("an answer for a part of the file that was not asked for")

    def _offset(self, answer: Answer, start: int) -> int | None:
        """Where the answer's bytes belong, or None when they are of no use."""
        size = self._artifact.size
        if answer.status == 206:
            match = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
            fits = match is not None and tuple(map(int, match.groups())) == (start, size - 1, size)
            return start if start and fits else None
        if answer.status != 200:
            return None
        if answer.headers.get("content-length", str(size)) != str(size):
            raise _wrong_size(self._artifact)
        return 0

    def _copy(self, answer: Answer, file: FileIO, done: int) -> None:
        until = time.monotonic() + self._patience.credit
        while chunk := self._read(answer, until):
            self._stop_if_cancelled()
            if done + len(chunk) > self._artifact.size:
                raise _wrong_size(self._artifact)
            _write(file, chunk)
            done += len(chunk)
            self._progress(done / self._artifact.size)
            # Each byte buys time, up to the credit: a silent or a dripping server runs out of it.
            until = min(
                until + len(chunk) / self._patience.least,
                time.monotonic() + self._patience.credit,
            )
        if done < self._artifact.size:
            raise _odd("an end before the end of the file")

    def _read(self, answer: Answer, until: float) -> bytes:
        try:
            return answer.read(_CHUNK, until)
        except TransportError as error:
            if error.code != "timed-out":
                raise
            raise TransportError(
                "stalled",
                f"The download of {self._artifact.filename} fell below "
                f"{self._patience.least:.0f} bytes/s.",
            ) from None

    def _pause(self, failures: int, error: TransportError) -> None:
        seconds = full_jitter(
            failures,
            random.random(),  # noqa: S311 - spreads load, keeps no secret
            base=self._patience.base,
            cap=self._patience.cap,
        )
        log.info("download resumes", file=self._artifact.filename, reason=str(error), wait=seconds)
        time.sleep(seconds)


@contextlib.contextmanager
def _staged(destination: Path) -> Iterator[FileIO]:
    # Python opens descriptors close-on-exec. No symlink is followed, and nothing but a file used.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with FileIO(os.open(destination, flags, 0o600), "r+") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if hasattr(os, "fchmod"):
            os.fchmod(file.fileno(), 0o600)
        yield file


@contextlib.contextmanager
def _disk(destination: Path) -> Iterator[None]:
    """Turn what the file system says into an `InstallError`."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            destination.unlink(missing_ok=True)
            raise InstallError(
                "no-space",
                f"There is no room for {destination}.",
                hint="Free some space; the download is tried again.",
            ) from error
        raise InstallError(
            "staging-failed", f"{destination} cannot be written: {error.strerror or error}."
        ) from error


def _write(file: FileIO, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _odd(what: str) -> TransportError:
    return TransportError("odd-answer", f"The server sent {what}.")


def _wrong_size(artifact: Artifact) -> TrustError:
    return TrustError(
        "size-mismatch",
        f"{artifact.filename} on the server does not have the {artifact.size} bytes of the file "
        "that was signed.",
    )
