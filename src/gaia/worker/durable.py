"""Files that survive a power cut: written aside, fsynced, renamed, and the folder fsynced."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from gaia import renames
from gaia.errors import InstallError
from gaia.model.worker import FailureReason
from gaia.worker import files

_CHUNK = 1024 * 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace `path` by `data`: after a crash at any point it holds the old bytes or the new.

    Raises:
        OSError: nothing changed, and nothing is left beside it.
    """
    aside = path.with_name(path.name + ".tmp")
    unlink_quietly(aside)
    descriptor = os.open(aside, files.CREATE, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        renames.replace(aside, path)
    except OSError:
        unlink_quietly(aside)
        raise
    files.fsync_folder(path.parent)


def unlink_quietly(path: Path) -> None:
    """Remove `path`; that it is not there, or cannot be removed, is no news."""
    with contextlib.suppress(OSError):
        path.unlink()


def digest_of(file: Path | int) -> str | None:
    """SHA-256 of a regular file or an open descriptor; None when it cannot be read."""
    try:
        descriptor = files.open_to_read(file) if isinstance(file, Path) else os.dup(file)
    except OSError:
        return None
    try:
        total, at = hashlib.sha256(), 0
        while block := files.read_at(descriptor, _CHUNK, at):
            total.update(block)
            at += len(block)
        return total.hexdigest()
    except OSError:
        return None
    finally:
        os.close(descriptor)


def copy_durably(source: int, target: Path) -> None:
    """Write all of descriptor `source` to the new file `target`, owner and mode included.

    Raises:
        OSError: `target` is not there then.
    """
    unlink_quietly(target)
    descriptor = os.open(target, files.CREATE, 0o600)
    try:
        at = 0
        with os.fdopen(descriptor, "wb") as file:
            while block := files.read_at(source, _CHUNK, at):
                file.write(block)
                at += len(block)
            file.flush()
            files.take_owner_and_mode(file.fileno(), os.fstat(source))
            os.fsync(file.fileno())
    except OSError:
        unlink_quietly(target)
        raise


@contextlib.contextmanager
def told_as_install_error(doing: str) -> Iterator[None]:
    """Turn an `OSError` of the body into an `InstallError`: `no-space`, or `swap` for any other."""
    try:
        yield
    except OSError as error:
        raise as_install_error(error, doing) from error


def as_install_error(error: OSError, doing: str) -> InstallError:
    """`error`, met while `doing`, in the words and with the code that a worker reports."""
    if error.errno in _FULL:
        return InstallError(
            FailureReason.NO_SPACE,
            f"No space is left for {doing}.",
            hint="Free some space in the worker's folder; it tries again by itself.",
        )
    return InstallError(FailureReason.SWAP, f"The system refused {doing}: {error}.")
