"""A parcel: signed releases with their metadata in one file, on the way to a server behind an air
gap.

It is an uncompressed tar: `metadata/N.ROLE.json`, then `releases/TAG/FILENAME`, sorted, and the
same bytes for the same content. A reader takes no other form, so that there is nothing in it whose
meaning could be argued about: no links, no modes, no names but these, nothing twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from gaia.errors import InvalidInput, TrustError
from gaia.model.artifact import Artifact, check_filename
from gaia.model.tag import Tag
from gaia.trust import files
from gaia.trust.bundle import MAX_SIZE
from gaia.trust.metadata_files import VERSIONED
from gaia.trust.roles import artifact_path
from gaia.trust.signed_roles import SignedRoles, load_newest

_METADATA = "metadata/"
_RELEASES = "releases/"

_BLOCK = tarfile.BLOCKSIZE
_END = bytes(_BLOCK)
_CHUNK = 1024 * 1024
_MOST_ENTRIES = 20_000
_LARGEST_FILE = 8**11 - 1
"""Bytes. A plain tar header has eleven octal digits for it."""

Progress = Callable[[str, int], None]
"""Told a file's path in a release, `TAG/FILENAME`, and how many more of its bytes are done."""

Fetch = Callable[[Tag, Artifact, Callable[[bytes], None]], None]
"""Gets a file of a release: passes its bytes on, in order."""


@dataclass(frozen=True)
class Enclosed:
    """A file of a release in a parcel, and where it begins there."""

    tag: Tag
    artifact: Artifact
    offset: int

    @property
    def path(self) -> str:
        """`TAG/FILENAME`."""
        return artifact_path(self.tag, self.artifact.filename)


class Parcel:
    """A parcel that somebody has brought. Only headers and metadata are ever held in memory, and
    nothing is extracted.

    Raises:
        InvalidInput: `parcel-malformed`: it is no parcel, or damaged.
        TrustError: `parcel-refused`: what it holds is not what was signed; `pointer-malformed` or
            `target-malformed`.
        OSError: it cannot be read.

    Attributes:
        roles: the signed roles, every signature verified up to the parcel's own first root.
        enclosed: the files, each with the size and digest that is signed for it; `verify` reads
            them.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._metadata: dict[str, bytes] = {}
        found = dict(_entries(file))
        self._read_metadata(found)
        self.roles = load_newest(self)
        surplus = self._metadata.keys() - self.roles.files().keys()
        if surplus:
            raise self.damaged(min(surplus), "no signed role is newest there")
        publication = self.roles.publication()
        self.enclosed: list[Enclosed] = []
        for name, (offset, size) in found.items():
            if not name.startswith(_METADATA):
                tag, filename = _release_file(name)
                artifact = publication.artifact(tag, filename)
                if artifact is None:
                    raise _refused(name, "nobody has signed such a file")
                if artifact.size != size:
                    raise _refused(name, f"it has {size} bytes, and {artifact.size} are signed")
                self.enclosed.append(Enclosed(tag, artifact, offset))

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path) -> Iterator[Parcel]:
        """The parcel in a file. Raises as the class."""
        with path.open("rb") as file:
            yield cls(file)

    def read(self, name: str) -> bytes | None:
        """The metadata file `name`; None when there is none."""
        return self._metadata.get(name)

    def names(self) -> Iterable[str]:
        """Names of all metadata files."""
        return self._metadata

    def damaged(self, name: str, why: str) -> TrustError:
        """The metadata is not to be trusted."""
        return _refused(_METADATA + name, why)

    def verify(self, progress: Progress) -> None:
        """Look whether every file is the one that was signed.

        Raises:
            TrustError: `parcel-refused`.
            OSError: it cannot be read.
        """
        for each in self.enclosed:
            digest = hashlib.sha256()
            self._file.seek(each.offset)
            left = each.artifact.size
            while left and (chunk := self._file.read(min(_CHUNK, left))):
                digest.update(chunk)
                left -= len(chunk)
                progress(each.path, len(chunk))
            if digest.hexdigest() != each.artifact.sha256:
                raise _refused(
                    _RELEASES + each.path,
                    f"its SHA-256 is {digest.hexdigest()}, and {each.artifact.sha256} is signed",
                )

    def at(self, each: Enclosed) -> BinaryIO:
        """The parcel's file, about to read the first byte of `each`."""
        self._file.seek(each.offset)
        return self._file

    def _read_metadata(self, found: dict[str, tuple[int, int]]) -> None:
        wanted = [name for name in found if name.startswith(_METADATA)]
        if sum(found[name][1] for name in wanted) > MAX_SIZE:
            raise _malformed(f"its metadata has more than {MAX_SIZE} bytes")
        for name in wanted:
            offset, size = found[name]
            self._file.seek(offset)
            self._metadata[name.removeprefix(_METADATA)] = self._file.read(size)


def write(
    path: Path,
    roles: SignedRoles,
    enclosed: Sequence[tuple[Tag, Artifact]],
    fetch: Fetch,
    progress: Progress,
) -> None:
    """Write a parcel, durably; on any error there is none.

    Args:
        enclosed: files that `roles` sign.

    Raises:
        InvalidInput: `parcel-file-too-large`.
        TrustError: `parcel-refused`: what `fetch` brought is not what was signed.
        GaiaError: as `fetch`.
        OSError: it cannot be written.
    """
    for tag, artifact in enclosed:
        if artifact.size > _LARGEST_FILE:
            raise InvalidInput(
                "parcel-file-too-large",
                f"{artifact_path(tag, artifact.filename)} has {artifact.size} bytes; a parcel "
                f"holds files of up to {_LARGEST_FILE}.",
            )
    releases = {f"{_RELEASES}{artifact_path(tag, a.filename)}": (tag, a) for tag, a in enclosed}
    with files.replacing(path) as file:
        for name, data in sorted(roles.files().items()):
            file.write(_header(_METADATA + name, len(data)) + data + _padding(len(data)))
        for name, (tag, artifact) in sorted(releases.items()):
            file.write(_header(name, artifact.size))
            checked = _Checked(file, name, artifact, progress)
            fetch(tag, artifact, checked.write)
            checked.end()
            file.write(_padding(artifact.size))
        file.write(bytes(2 * _BLOCK))


class _Checked:
    """Writes one file into a parcel, and stops what is not the signed one."""

    def __init__(self, file: IO[bytes], name: str, artifact: Artifact, progress: Progress) -> None:
        self._file = file
        self._name = name
        self._artifact = artifact
        self._progress = progress
        self._digest = hashlib.sha256()
        self._left = artifact.size

    def write(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            raise _refused(self._name, f"it has more than the signed {self._artifact.size} bytes")
        self._digest.update(chunk)
        self._file.write(chunk)
        self._progress(self._name.removeprefix(_RELEASES), len(chunk))

    def end(self) -> None:
        sha256 = self._digest.hexdigest()
        if sha256 != self._artifact.sha256:
            raise _refused(
                self._name, f"its SHA-256 is {sha256}, and {self._artifact.sha256} is signed"
            )


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _entries(file: BinaryIO) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name, offset and size of each file. Reads headers only, and never behind the end."""
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise _malformed("it is no file")
    position, last = 0, ""
    for _ in range(_MOST_ENTRIES):
        file.seek(position)
        block = file.read(_BLOCK)
        if len(block) < _BLOCK:
            raise _malformed("its end is missing")
        if block == _END:
            if file.read(_BLOCK) != _END or file.read(1):
                raise _malformed("it does not end where its tar ends")
            return
        name, size = _parse(block)
        if name <= last:
            raise _malformed(f"{name} is there twice, or in the wrong order")
        offset = position + _BLOCK
        position = offset + size + len(_padding(size))
        if position > status.st_size:
            raise _malformed(f"{name} is cut off")
        yield name, (offset, size)
        last = name
    raise _malformed(f"it holds more than {_MOST_ENTRIES} files")


def _parse(block: bytes) -> tuple[str, int]:
    try:
        entry = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        name, size = entry.name, entry.size
        canonical = 0 <= size <= _LARGEST_FILE and _header(name, size) == block
    except (tarfile.HeaderError, ValueError) as error:
        raise _malformed(f"a header is not one of a tar: {error}") from None
    if not canonical:
        raise _malformed(f"{name[:80]!r} is not a plain file as gaia release export writes it")
    if name.startswith(_METADATA):
        if VERSIONED.fullmatch(name.removeprefix(_METADATA)) is None:
            raise _malformed(f"{name[:80]!r} is not the name of a signed role")
    else:
        _release_file(name)
    return name, size


def _release_file(name: str) -> tuple[Tag, str]:
    text, _, filename = name.removeprefix(_RELEASES).partition("/")
    with contextlib.suppress(InvalidInput):
        tag = Tag.parse(text)
        if name == _RELEASES + artifact_path(tag, check_filename(filename)):
            return tag, filename
    raise _malformed(f"{name[:80]!r} is neither a signed role nor a file of a release")


def _malformed(why: str) -> InvalidInput:
    return InvalidInput(
        "parcel-malformed",
        f"This is not a whole and undamaged parcel: {why}. Nothing was changed.",
        hint="gaia release export makes one. Copy it anew, and compare the copies.",
    )


def _refused(name: str, why: str) -> TrustError:
    return TrustError(
        "parcel-refused",
        f"{name} is not what was signed: {why}. Nothing was changed.",
        hint="Somebody has changed it, on the server, on the medium or on the way: find out who. "
        "gaia release export makes another.",
    )
