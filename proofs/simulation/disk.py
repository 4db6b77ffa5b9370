"""A disk that may be full, and that forgets in a power cut what was not synced.

The files are real ones, in memory. Beside them is kept what a power cut would leave: the content
that each file had when it was last synced, and the names that each folder had. Of the changes of a
folder's names since then, some first ones survive, as chance will have it; a file that was moved to
another folder is in one of the two. Of a file's content survives the old one or the new one, whole
or cut short.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

Names = dict[str, int | None]
"""Changes of a folder: name to inode; None for a name that is gone."""

_FOLDER_MODE = 0o755


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


@dataclass
class _Change:
    """A change of a folder's names.

    Attributes:
        needs: the change of another folder without which this one cannot survive: a move is one.
        durable: it survives in any case.
    """

    names: Names
    needs: _Change | None = None
    durable: bool = False


class Space:
    """A disk that forgets nothing: it only has room, or has none.

    Attributes:
        full: nothing can be written or made.
        latest: the path that was changed last.
    """

    def __init__(self) -> None:
        self.full = False
        self.latest = ""

    def made(self, path: str) -> None:
        """`path` is a new name."""

    def vanishes(self, path: str) -> None:
        """The name `path` is about to go, or to become another file's."""

    def gone(self, path: str) -> None:
        """The name `path` is no more."""

    def renamed(self, source: str, target: str) -> None:
        """A file or folder has changed its name."""

    def synced(self, descriptor: int) -> None:
        """An open file or folder was flushed to the disk."""


class Disk(Space):
    """The disk below `folder`, as it is and as a power cut would leave it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = str(folder)
        self._synced: dict[int, Content] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._pending: dict[int, list[_Change]] = {}
        self._nameless: dict[int, Content] = {}
        self.sync_all()

    def sync_all(self) -> None:
        """All that is there now survives."""
        self._synced, self._names, self._pending, self._nameless = {}, {}, {}, {}
        for folder, _, files in os.walk(self.folder):
            self._names[_inode(folder)] = dict(_listed(folder))
            for name in files:
                path = os.path.join(folder, name)  # noqa: PTH118 - os.walk's own
                self._synced[_inode(path)] = Content.of(path)

    def made(self, path: str) -> None:
        """`path` is a new name."""
        folder, name = os.path.split(path)
        inode = _inode(path)
        if os.path.isdir(path):  # noqa: PTH112
            self._names[inode] = {}
        self._note(folder, {name: inode})

    def vanishes(self, path: str) -> None:
        """The name `path` is about to go, or to become another file's."""
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            if status.st_nlink == 1:
                self._nameless[status.st_ino] = Content.of(path)

    def gone(self, path: str) -> None:
        """The name `path` is no more."""
        folder, name = os.path.split(path)
        self._note(folder, {name: None})

    def renamed(self, source: str, target: str) -> None:
        """A file or folder has changed its name."""
        before, old = os.path.split(source)
        after, new = os.path.split(target)
        inode = _inode(target)
        if before == after:
            self._note(after, {old: None, new: inode})
        else:
            arrival = self._note(after, {new: inode})
            self._note(before, {old: None}, needs=arrival)

    def synced(self, descriptor: int) -> None:
        """An open file or folder was flushed to the disk."""
        path = f"/proc/self/fd/{descriptor}"
        self.latest = str(Path(path).readlink())
        inode = os.fstat(descriptor).st_ino
        if os.path.isdir(path):  # noqa: PTH112
            for change in self._pending.pop(inode, ()):
                change.durable = True
                if change.needs is not None:
                    change.needs.durable = True
            self._names[inode] = dict(_listed(path))
        else:
            self._synced[inode] = Content.of(path)

    def power_cut(self, chance: random.Random) -> None:
        """Forget what was not synced."""
        present = {inode: content for _, inode, content in self._present()}
        kept = self._surviving(chance)
        used = {inode for names in kept.values() for inode in names.values()} - set(kept)
        after: dict[int, Content] = {}
        for inode in sorted(used):
            new = present.get(inode) or self._nameless.get(inode) or Content(b"", 0o600)
            after[inode] = self._survivor(self._synced.get(inode), new, chance)
        root = _inode(self.folder)
        self._rebuild(root, kept, after)
        self.sync_all()

    def _surviving(self, chance: random.Random) -> dict[int, dict[str, int]]:
        """The names in each folder, by its inode."""
        survivors = {
            inode: changes[: chance.randint(_durable(changes), len(changes))]
            for inode, changes in sorted(self._pending.items())
        }
        torn = True
        while torn:
            torn = False
            there = {id(change) for changes in survivors.values() for change in changes}
            for changes in survivors.values():
                for number, change in enumerate(changes):
                    need = change.needs
                    if need is not None and not need.durable and id(need) not in there:
                        del changes[number:]
                        torn = True
                        break
        kept: dict[int, dict[str, int]] = {}
        for inode, before in self._names.items():
            names: Names = dict(before)
            for change in survivors.get(inode, ()):
                names |= change.names
            kept[inode] = {name: found for name, found in names.items() if found is not None}
        return kept

    @staticmethod
    def _survivor(old: Content | None, new: Content, chance: random.Random) -> Content:
        if old == new:
            return new
        cut = Content(new.data[: chance.randint(0, len(new.data))], new.mode)
        return chance.choice([old or Content(b"", new.mode), new, cut])

    def _rebuild(
        self, root: int, kept: dict[int, dict[str, int]], after: dict[int, Content]
    ) -> None:
        modes = self._clear()
        first: dict[int, Path] = {}
        folders = {root: Path(self.folder)}
        waiting = [root]
        while waiting:
            inode = waiting.pop()
            for name, found in kept[inode].items():
                new = folders[inode] / name
                if found in folders:
                    continue  # a folder has one name: that of before, or the new one
                if found in kept:
                    new.mkdir(mode=modes.get(found, _FOLDER_MODE))
                    folders[found] = new
                    waiting.append(found)
                elif found in first:
                    new.hardlink_to(first[found])
                else:
                    new.write_bytes(after[found].data)
                    new.chmod(after[found].mode)
                    first[found] = new

    def _clear(self) -> dict[int, int]:
        """Remove everything; the modes that its folders had."""
        modes = {}
        for folder, folders, files in os.walk(self.folder, topdown=False):
            for name in files:
                Path(folder, name).unlink()
            for name in folders:
                status = Path(folder, name).lstat()
                modes[status.st_ino] = status.st_mode & 0o7777
                Path(folder, name).rmdir()
        return modes

    def _present(self) -> Iterable[tuple[str, int, Content]]:
        for folder, _, files in os.walk(self.folder):
            for name in files:
                path = os.path.join(folder, name)  # noqa: PTH118
                yield path, _inode(path), Content.of(path)

    def _note(self, folder: str, names: Names, needs: _Change | None = None) -> _Change:
        self.latest = os.path.realpath(folder)
        change = _Change(names, needs)
        inode = os.stat(folder).st_ino  # noqa: PTH116 - also for /proc
        self._pending.setdefault(inode, []).append(change)
        return change


def _durable(changes: list[_Change]) -> int:
    """How many of the first changes survive in any case."""
    return max((number for number, change in enumerate(changes, 1) if change.durable), default=0)


def _inode(path: str) -> int:
    return os.lstat(path).st_ino


def _listed(folder: str) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            yield entry.name, entry.inode()
