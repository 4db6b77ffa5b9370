"""Putting a bundle's files in the place of another's, so that it can be finished or undone.

Every step looks at what is on disk and may be repeated: a file is placed when it has left the
generation folder, and what was in its place waits beside it under another name until the swap is
over. So after a crash the same steps run again, from wherever they were.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from gaia.planning.bundle import DISPLACED, File, Manifest, is_unmodified, is_wanted
from gaia.worker.files import fsync_folder

EXPERIMENTS_FOLDER = "experiments"
"""The folder in a bundle that goes to `--experiments-dir`; all else goes beside that."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Places:
    """Where the paths of a bundle are on disk."""

    folder: Path

    def of(self, path: str) -> Path:
        """The place of a bundle's path."""
        top, _, rest = path.partition("/")
        if top == EXPERIMENTS_FOLDER:
            return self.folder / rest if rest else self.folder
        return self.folder.parent / path


class BundleSwap:
    """From one bundle to another.

    Args:
        generation: the new bundle, extracted; its files are moved from here.
        old: the bundle in place, if any.
    """

    def __init__(
        self, places: Places, generation: Path, old: Manifest | None, new: Manifest
    ) -> None:
        self._places = places
        self._generation = generation
        self._old_files = old.files if old else {}
        self._old_folders = old.folders if old else []
        self._new = new

    def obstacles(self) -> Iterator[Path]:
        """Folders that files would have to be moved in, but cannot be."""
        paths = [*self._old_files, *self._new.files, *self._new.folders]
        for folder in sorted({self._places.of(path).parent for path in paths}):
            existing = next(f for f in (folder, *folder.parents) if f.exists())
            if existing.is_dir() and not os.access(existing, os.W_OK | os.X_OK):
                yield existing

    def forward(self) -> None:
        """Put every file of the new bundle in its place, and get the old one's out of the way.

        Raises:
            OSError: `back` undoes what was done.
        """
        for path in self._new.folders:
            place = self._places.of(path)
            if not place.is_dir():
                _displace(place)
                place.mkdir(parents=True)
        for path, new in sorted(self._new.files.items()):
            place, source = self._places.of(path), self._generation / path
            if source.exists() and is_wanted(self._old_files.get(path), look(place), new):
                _displace(place)
                _move(source, place)
        for path in sorted(self._old_files.keys() - self._new.files.keys()):
            place = self._places.of(path)
            if is_unmodified(look(place), self._old_files[path]):
                _displace(place)
        self._sync()

    def back(self) -> None:
        """Undo `forward`, however far it came.

        Raises:
            OSError: files of both bundles are in place; try again.
        """
        for path in self._new.files:
            place, source = self._places.of(path), self._generation / path
            if not source.exists() and place.is_file():
                _move(place, source)
        self._remove_empty(set(self._new.folders) - set(self._old_folders))
        for path in self._touched():
            place = self._places.of(path)
            aside = _displaced(place)
            if os.path.lexists(aside) and not os.path.lexists(place):
                aside.rename(place)
        self._sync()

    def clean(self) -> None:
        """Remove what `forward` got out of the way; the owner's own files stay, renamed.

        Raises:
            OSError: some of it remains.
        """
        for path in self._touched():
            aside = _displaced(self._places.of(path))
            if os.path.lexists(aside):
                self._retire(path, aside)
        self._remove_empty(set(self._old_folders) - set(self._new.folders))
        self._sync()

    def _touched(self) -> list[str]:
        return sorted({*self._old_files, *self._new.files, *self._new.folders})

    def _retire(self, path: str, aside: Path) -> None:
        if is_unmodified(look(aside), self._old_files.get(path), self._new.files.get(path)):
            aside.unlink()
            return
        if aside.is_dir() and not aside.is_symlink():
            self._empty(path, aside)
        if os.path.lexists(aside):
            kept = _free_name(self._places.of(path), self._new.sha256[:8])
            aside.rename(kept)
            log.warning("your file made way for the bundle's", path=path, kept_as=kept.name)

    def _empty(self, path: str, folder: Path) -> None:
        """Remove the old bundle's part of a folder that a file took the place of."""
        for inner, file in self._old_files.items():
            if inner.startswith(f"{path}/"):
                found = folder / inner.removeprefix(f"{path}/")
                if is_unmodified(look(found), file):
                    found.unlink()
        for inner in sorted(self._old_folders, reverse=True):
            if f"{inner}/".startswith(f"{path}/"):
                with suppress(OSError):
                    (folder / inner.removeprefix(path).lstrip("/")).rmdir()

    def _remove_empty(self, folders: set[str]) -> None:
        for path in sorted(folders - {EXPERIMENTS_FOLDER}, reverse=True):
            with suppress(OSError):
                self._places.of(path).rmdir()

    def _sync(self) -> None:
        paths = [*self._touched(), *self._old_folders]
        for folder in {self._places.of(path).parent for path in paths}:
            if folder.is_dir():
                fsync_folder(folder)


def look(path: Path) -> File | None:
    """What is on disk at `path`; None when nothing is.

    Raises:
        OSError: it cannot be read.
    """
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            return File("", executable=False)
        with path.open("rb") as file:
            return File(hashlib.file_digest(file, "sha256").hexdigest(), bool(mode & 0o100))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _displaced(place: Path) -> Path:
    return place.with_name(f".{place.name}{DISPLACED}")


def _displace(place: Path) -> None:
    if not os.path.lexists(place):
        return
    aside = _displaced(place)
    if os.path.lexists(aside):
        # After a crash somebody put another file here; what waits beside it is older.
        aside = _free_name(place, "later")
        log.warning("your file made way for the bundle's", path=str(place), kept_as=aside.name)
    place.rename(aside)


def _free_name(place: Path, ending: str) -> Path:
    kept, number = place.with_name(f"{place.name}.user-{ending}"), 1
    while os.path.lexists(kept):
        number += 1
        kept = place.with_name(f"{place.name}.user-{ending}-{number}")
    return kept


def _move(source: Path, place: Path) -> None:
    """Move a file. Where the owner linked a folder to another disk, it is copied."""
    try:
        source.rename(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy = place.with_name(f".{place.name}.gaia-new")
        shutil.copy2(source, copy)
        with copy.open("rb") as file:
            os.fsync(file.fileno())
        copy.rename(place)
        source.unlink()
