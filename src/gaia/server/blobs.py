"""The blob store: files by their SHA-256, in a folder."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from pathlib import Path

from gaia.errors import GaiaError, InvalidInput, Refused

_NO_SPACE = frozenset({"ENOSPC", "EDQUOT", "EFBIG"})


class Blobs:
    """`FOLDER/ab/abcd…`, each file complete and durable from the moment it has its name."""

    def __init__(self, folder: Path) -> None:
        """Open the store and remove what a crash has left half-written.

        Raises:
            Refused: `storage-unavailable` or `no-space`.
        """
        self._folder = folder
        self._temporary = folder / "incoming"
        try:
            self._temporary.mkdir(parents=True, exist_ok=True, mode=0o700)
            for leftover in self._temporary.iterdir():
                leftover.unlink()
        except OSError as error:
            raise storage_error(error) from error

    def path(self, sha256: str) -> Path:
        """Where the blob is, if it is there. `sha256` comes from our own records only."""
        return self._folder / sha256[:2] / sha256

    def holds(self, sha256: str, size: int) -> bool:
        """Whether there is a file of that name and size."""
        try:
            return self.path(sha256).stat().st_size == size
        except FileNotFoundError:
            return False

    def writer(self) -> BlobWriter:
        """Begin a new blob.

        Raises:
            Refused: `storage-unavailable` or `no-space`.
        """
        return BlobWriter(self, self._temporary)


class BlobWriter:
    """One blob on its way in: `write` … `seal`, `place`, and in any case `discard`.

    Not thread-safe; calls may come from different threads, one at a time.
    """

    def __init__(self, blobs: Blobs, folder: Path) -> None:
        self._blobs = blobs
        self._hash = hashlib.sha256()
        self.size = 0
        self.sha256 = ""
        try:
            descriptor, name = tempfile.mkstemp(dir=folder)
        except OSError as error:
            raise storage_error(error) from error
        self._path: Path | None = Path(name)
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def discard(self) -> None:
        """Remove what was written, unless it was placed. Always the last call."""
        self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def write(self, data: bytes | bytearray) -> None:
        """Append `data`.

        Raises:
            Refused: `storage-unavailable` or `no-space`.
        """
        rest = memoryview(data)
        self._hash.update(rest)
        self.size += len(rest)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise storage_error(error) from error

    def seal(self) -> None:
        """Make the bytes durable; from here `size` and `sha256` are the blob's.

        Raises:
            Refused: `storage-unavailable` or `no-space`.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise storage_error(error) from error
        self._file.close()
        self.sha256 = self._hash.hexdigest()

    def place(self) -> None:
        """Give the sealed blob its name, durably.

        A blob of that name is replaced: should its bytes have been damaged, this heals it.

        Raises:
            Refused: `storage-unavailable` or `no-space`.
        """
        if self._path is None or not self.sha256:
            raise InvalidInput("unsealed-blob", "A blob is placed once, after it was sealed.")
        target = self._blobs.path(self.sha256)
        try:
            if not target.parent.is_dir():
                target.parent.mkdir(exist_ok=True, mode=0o700)
                _sync_folder(target.parent.parent)
            self._path.rename(target)
            self._path = None
            _sync_folder(target.parent)
        except OSError as error:
            raise storage_error(error) from error


def storage_error(error: OSError) -> GaiaError:
    """What a failed write to the data folder means for the one who asked."""
    name = errno.errorcode.get(error.errno or 0, "unknown error")
    if name in _NO_SPACE:
        return Refused(
            "no-space",
            "The server has no space left for this; nothing was changed.",
            hint="Free some space on the server, then repeat the request.",
        )
    return Refused(
        "storage-unavailable",
        f"The server's data folder cannot be written now ({name}); nothing was changed.",
        hint="Look at the folder's permissions and its disk, then repeat the request.",
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
