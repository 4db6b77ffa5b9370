"""Reading and extracting an experiments bundle (tar.gz) that nobody has to be trusted for.

Only what a bundle needs is understood: regular files and folders, in the ustar, GNU and pax
formats. Everything else refuses the bundle as a whole, and that is found before anything is
written. `tarfile` reads single headers here; its own archive reader takes headers of any size into
memory and follows formats that nobody needs (sparse files, three kinds of links).
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gaia.errors import InstallError
from gaia.planning.bundle import File, Names, unsafe
from gaia.worker.files import fsync_folder, set_mode

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_CHUNK = 1024 * 1024
_MAX_METADATA = 64 * 1024
_SPECIAL_MODES = 0o7000
_EXECUTABLE = 0o100
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """How large a bundle may grow.

    Attributes:
        expanded: bytes, headers included.
        ratio: expanded bytes for each byte of the archive; counts above `always_allowed`.
        always_allowed: expanded bytes that need no good ratio.
        entries: headers of any kind.
    """

    expanded: int = 8 * 1024 * _MIB
    ratio: int = 200
    always_allowed: int = 64 * _MIB
    entries: int = 100_000


@dataclass(frozen=True)
class Contents:
    """The paths in a bundle; folders with their parents first."""

    files: list[str]
    folders: list[str]


def check(archive: BinaryIO, limits: Limits) -> Contents:
    """Read the whole archive and write nothing.

    Raises:
        InstallError: `unsafe-bundle`, `damaged-bundle`.
        OSError: reading failed.
    """
    names = Names()
    files = []
    for path, _, content in _files(archive, limits, names):
        files.append(path)
        for _ in content:
            pass
    if not files:
        raise _damaged("it holds no file")
    return Contents(files, names.folders)


def extract(archive: BinaryIO, contents: Contents, place: Path, limits: Limits) -> dict[str, File]:
    """Write an archive that passed `check` to `place`, which must not exist yet; fsynced.

    Files get the time of extraction, not the archive's: Python recognises outdated byte code by
    time and size, and bundles are packed with all times zero.

    Raises:
        InstallError: as `check`, when the archive has changed since.
        OSError: reading or writing failed; `place` may be there in part.
    """
    folders = [place, *(place / path for path in contents.folders)]
    for folder in folders:
        folder.mkdir()
        folder.chmod(0o755)
    files = {}
    for path, executable, content in _files(archive, limits, Names()):
        files[path] = File(_write(place / path, content, executable=executable), executable)
    for folder in folders:
        fsync_folder(folder)
    return files


def _write(path: Path, content: Iterator[bytes], *, executable: bool) -> str:
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for chunk in content:
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        set_mode(file.fileno(), 0o755 if executable else 0o644)
        os.fsync(file.fileno())
    return digest.hexdigest()


def _files(
    archive: BinaryIO, limits: Limits, names: Names
) -> Iterator[tuple[str, bool, Iterator[bytes]]]:
    """Each file's path, whether it is executable, and its content; folders go to `names` alone.

    The content must be used up before the next file is asked for.
    """
    stream = _Stream(archive, limits)
    name: str | None = None
    size: int | None = None
    for _ in range(limits.entries):
        header = stream.header()
        if header is None:
            stream.expect_end()
            return
        if header.type == tarfile.GNUTYPE_LONGNAME:
            name = stream.metadata(header).rstrip(b"\0").decode(errors="surrogateescape")
            continue
        if header.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            name, size = _extended(stream.metadata(header))
            continue
        if header.type == tarfile.XGLTYPE:
            if _extended(stream.metadata(header)) != (None, None):
                raise unsafe("pax_global_header", "names or sizes all files at once")
            continue
        name, size = header.name if name is None else name, header.size if size is None else size
        if header.mode & _SPECIAL_MODES:
            raise unsafe(name, "has the setuid, setgid or sticky bit")
        if header.type == tarfile.DIRTYPE and size == 0:
            names.admit_folder(name)
        elif header.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
            yield (
                names.admit_file(name),
                bool(header.mode & _EXECUTABLE),
                stream.content(size),
            )
        else:
            raise unsafe(name, "is neither a plain file nor a folder")
        name = size = None
    raise unsafe("…", f"is more than the {limits.entries} entries that are allowed")


def _extended(records: bytes) -> tuple[str | None, int | None]:
    """Name and size from a pax header; what else it may say does not matter here."""
    name: str | None = None
    size: int | None = None
    while records:
        length, blank, _ = records.partition(b" ")
        if not blank or not length.isdigit() or len(length) > 6:
            raise _damaged("a pax header is malformed")
        record, records = records[: int(length)], records[int(length) :]
        key, equals, value = record[len(length) + 1 : -1].partition(b"=")
        if len(record) != int(length) or not equals or not record.endswith(b"\n"):
            raise _damaged("a pax header is malformed")
        if key.startswith(b"GNU.sparse.") or key in (b"hdrcharset", b"linkpath"):
            raise unsafe(
                key.decode(errors="replace"), "is a feature of tar that bundles cannot use"
            )
        if key == b"path":
            name = value.decode(errors="surrogateescape")
        if key == b"size":
            if not value.isdigit() or len(value) > 18:
                raise _damaged("a pax header is malformed")
            size = int(value)
    return name, size


class _Stream:
    """The expanded archive, read once from start to end, never beyond the limits."""

    def __init__(self, archive: BinaryIO, limits: Limits) -> None:
        compressed = archive.seek(0, os.SEEK_END)
        archive.seek(0)
        self._gzip = gzip.GzipFile(fileobj=archive, mode="rb")
        self._left = min(limits.expanded, max(limits.always_allowed, limits.ratio * compressed))

    def header(self) -> tarfile.TarInfo | None:
        """The next header; None at the end of the archive."""
        block = self._take(_BLOCK)
        if block == _ZEROS:
            return None
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError) as error:
            raise _damaged(f"a header is malformed ({error})") from None
        if header.size < 0:
            raise _damaged("a size is negative")
        return header

    def metadata(self, header: tarfile.TarInfo) -> bytes:
        """The content of a header that describes the next one."""
        if header.size > _MAX_METADATA:
            raise unsafe(header.name, "is a header larger than any that is needed")
        return b"".join(self.content(header.size))

    def content(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes in chunks; the padding after them is skipped."""
        if size > self._left:
            raise _too_large()
        for start in range(0, size, _CHUNK):
            yield self._take(min(_CHUNK, size - start))
        self._take(-size % _BLOCK)

    def expect_end(self) -> None:
        """Nothing but zeros follows, and the checksum is right."""
        while chunk := self._read(_CHUNK):
            if chunk.count(0) != len(chunk):
                raise _damaged("something follows its end")

    def _take(self, size: int) -> bytes:
        parts = []
        while size > 0:
            part = self._read(size)
            if not part:
                raise _damaged("it is cut off")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _read(self, size: int) -> bytes:
        try:
            part = self._gzip.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _damaged(str(error)) from None
        self._left -= len(part)
        if self._left < 0:
            raise _too_large()
        return part


def _too_large() -> InstallError:
    return unsafe("…", "would make it larger than is allowed")


def _damaged(why: str) -> InstallError:
    return InstallError(
        "damaged-bundle",
        f"The experiments bundle cannot be read: {why}.",
        hint="Pack and upload it again.",
    )
