"""Files that survive a power cut: whole, in their old or their new form."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from gaia import renames

TEMPORARY = ".tmp"
"""Suffix of files that are being written."""


def write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace `path` by `data`.

    Raises:
        OSError: nothing was changed.
    """
    with replacing(path, mode=mode) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """A file to write to, which replaces `path` at the end; on any error nothing was changed.

    Raises:
        OSError: nothing was changed.
    """
    with NamedTemporaryFile(dir=path.parent, suffix=TEMPORARY, delete=False) as file:
        try:
            yield file
            file.flush()
            if sys.platform != "win32":
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
            file.close()
            renames.replace(Path(file.name), path)
        except BaseException:
            file.close()
            with contextlib.suppress(OSError):
                Path(file.name).unlink()
            raise
    _sync_folder(path.parent)


def make_folder(path: Path, *, mode: int = 0o755) -> None:
    """Create `path` and its parents, unless they are there.

    Raises:
        OSError: it cannot be created.
    """
    if path.is_dir():
        return
    make_folder(path.parent, mode=mode)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=mode)
    _sync_folder(path.parent)


def remove_unfinished(folder: Path) -> None:
    """Remove what a crash left half-written. Only for folders that have one writer."""
    for path in folder.glob(f"*{TEMPORARY}"):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # a folder cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
