"""A disk that may be full, and that forgets in a power cut what was not synced.

The files are real ones, in memory. Beside them is kept what a power cut would leave: the content
that each file had when it was last synced, and the names that each folder had. Of the changes of a
folder's names since then, some first ones survive, as chance will have it; of a file's content,
the old one or the new one, whole or cut short. A folder that was made stays.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Content:
    """What is in a file."""

    data: bytes
    mode: int

    @classmethod
    def of(cls, path: str) -> Content:
        """The file's present content."""
        with open(path, "rb") as file:  # noqa: PTH123 - also for /proc/self/fd
            return cls(file.read(), os.fstat(file.fileno()).st_mode & 0o7777)


Names = dict[str, int | None]
"""Changes of a folder: name to inode; None for a name that is gone."""


class Space:
    """A disk that forgets nothing: it only has room, or has none.

    Attributes:
        full: nothing can be written or made.
    """

    def __init__(self) -> None:
        self.full = False

    def made(self, path: str) -> None:
        """`path` is a new name."""

    def vanishes(self, path: str) -> None:
        """The name `path` is about to go, or to become another file's."""

    def gone(self, path: str) -> None:
        """The name `path` is no more."""

    def renamed(self, source: str, target: str) -> None:
        """A file has changed its name."""

    def synced(self, descriptor: int) -> None:
        """An open file or folder was flushed to the disk."""


class Disk(Space):
    """The disk below `folder`, as it is and as a power cut would leave it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = str(folder)
        self._synced: dict[int, Content] = {}
        self._names: dict[str, Names] = {}
        self._pending: dict[str, list[Names]] = {}
        self._nameless: dict[int, Content] = {}
        self.sync_all()

    def sync_all(self) -> None:
        """All that is there now survives."""
        self._synced, self._nameless, self._pending = {}, {}, {}
        self._names = {}
        for folder, _, files in os.walk(self.folder):
            self._names[folder] = {}
            for name in files:
                path = os.path.join(folder, name)  # noqa: PTH118 - os.walk's own
                inode = os.lstat(path).st_ino
                self._names[folder][name] = inode
                self._synced[inode] = Content.of(path)

    def made(self, path: str) -> None:
        """`path` is a new name."""
        folder, name = os.path.split(path)
        self._note(folder, {name: os.lstat(path).st_ino})

    def vanishes(self, path: str) -> None:
        """The name `path` is about to go, or to become another file's."""
        try:
            status = os.lstat(path)
            if status.st_nlink == 1:
                self._nameless[status.st_ino] = Content.of(path)
        except OSError:
            pass

    def gone(self, path: str) -> None:
        """The name `path` is no more."""
        folder, name = os.path.split(path)
        self._note(folder, {name: None})

    def renamed(self, source: str, target: str) -> None:
        """A file has changed its name."""
        before, old = os.path.split(source)
        after, new = os.path.split(target)
        inode = os.lstat(target).st_ino
        if before == after:
            self._note(after, {old: None, new: inode})
        else:
            self._note(after, {new: inode})
            self._note(before, {old: None})

    def synced(self, descriptor: int) -> None:
        """An open file or folder was flushed to the disk."""
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if path in self._names or Path(path).is_dir():
            names = self._names.setdefault(path, {})
            for change in self._pending.pop(path, ()):
                names |= change
        else:
            inode = os.fstat(descriptor).st_ino
            self._synced[inode] = Content.of(f"/proc/self/fd/{descriptor}")

    def power_cut(self, chance: random.Random) -> None:
        """Forget what was not synced."""
        present = {inode: content for _, inode, content in self._present()}
        kept: dict[str, dict[str, int]] = {}
        for folder in sorted({*self._names, *self._pending}):
            names = dict(self._names.get(folder, {}))
            pending = self._pending.get(folder, [])
            for change in pending[: chance.randint(0, len(pending))]:
                names |= change
            kept[folder] = {name: inode for name, inode in names.items() if inode is not None}
        after: dict[int, Content] = {}
        for inode in sorted({inode for names in kept.values() for inode in names.values()}):
            new = present.get(inode) or self._nameless.get(inode) or Content(b"", 0o600)
            after[inode] = self._survivor(self._synced.get(inode), new, chance)
        self._rebuild(kept, after)
        self.sync_all()

    @staticmethod
    def _survivor(old: Content | None, new: Content, chance: random.Random) -> Content:
        if old == new:
            return new
        cut = Content(new.data[: chance.randint(0, len(new.data))], new.mode)
        return chance.choice([old or Content(b"", new.mode), new, cut])

    def _rebuild(self, kept: dict[str, dict[str, int]], after: dict[int, Content]) -> None:
        for path, _, _ in list(self._present()):
            Path(path).unlink()
        first: dict[int, Path] = {}
        for folder, names in kept.items():
            for name, inode in names.items():
                new = Path(folder, name)
                if inode in first:
                    new.hardlink_to(first[inode])
                else:
                    new.write_bytes(after[inode].data)
                    new.chmod(after[inode].mode)
                    first[inode] = new

    def _present(self) -> Iterable[tuple[str, int, Content]]:
        for folder, _, files in os.walk(self.folder):
            for name in files:
                path = os.path.join(folder, name)  # noqa: PTH118
                yield path, os.lstat(path).st_ino, Content.of(path)

    def _note(self, folder: str, change: Names) -> None:
        self._pending.setdefault(folder, []).append(change)
