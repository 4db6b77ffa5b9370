"""Power loss: what is on the disk when only what was fsynced is sure to be there.

The log of one update is replayed on the tree that it began with. A file's content is safe once
the file was fsynced; that a name stands for a file is safe once the folder was. What happened
since is, for each file and folder, a history; a `Choice` says what of it the power cut has left:

- `nothing_unsynced`: names and data as of the last fsync of each. The most that POSIX allows a
  file system to lose.
- `names_without_data`: every change of a name is there, and no data since the last fsync, so that
  new files are empty. What a journal of metadata with delayed allocation may leave. A journal that
  loses its end as well leaves what this choice leaves at an earlier moment.

A rename is taken to be atomic, one fsync not to carry over to other files, and the disk not to lie.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.crash.tracer import Call

_SMALL = 65536
_CHANCE = (("-*", "-12345"), ("*", "tmpabcd1234"))
"""Names that depend on process IDs and chance are replayed as these."""

Content = Path | None
"""A file that holds it; None when there is none."""

Tree = dict[str, Content | str]
"""Paths to contents, and to `FOLDER`."""


@dataclass(eq=False)
class _File:
    history: list[Content]


@dataclass(eq=False)
class _Folder:
    history: list[dict[str, _File | _Folder]] = field(default_factory=lambda: [{}])

    @property
    def now(self) -> dict[str, _File | _Folder]:
        return self.history[-1]

    def put(self, name: str, node: _File | _Folder | None) -> None:
        changed = {**self.now}
        changed.pop(name, None)
        if node is not None:
            changed[name] = node
        self.history.append(changed)


Choice = Callable[[Sequence[object]], int]


def nothing_unsynced(_: Sequence[object]) -> int:
    """The first of a history: what was fsynced last."""
    return 0


def names_without_data(history: Sequence[object]) -> int:
    """The last of a history, which has no data that was not fsynced."""
    return len(history) - 1


class Disk:
    """A tree as the system sees it, with all that a power cut may make of it.

    Args:
        template: the tree at the beginning, all of it safe.
        contents: what the tracer kept at each fsync.
    """

    def __init__(self, template: Path, contents: Path) -> None:
        self._contents = contents
        self._root = _read(template)

    def apply(self, call: Call) -> None:
        """What a successful call changes."""
        match call.call:
            case "open" | "openat" | "creat":
                self._open(call)
            case "ftruncate" | "truncate" if call.flags == 0:
                self._file(call.path).history.append(None)
            case "mkdir" | "mkdirat":
                self._put(call.path, _Folder())
            case "unlink" | "unlinkat" | "rmdir":
                self._put(call.path, None)
            case "link" | "linkat":
                self._put(call.other, self._node(call.path))
            case "rename" | "renameat" | "renameat2":
                node = self._node(call.path)
                self._put(call.path, None)
                self._put(call.other, node)
            case "fsync" | "fdatasync":
                self._sync(call)
            case _:  # writes are data, and modes are told by what was kept
                pass

    def after(self, choice: Choice) -> Tree:
        """The paths that a power cut leaves now; `FOLDER` for folders."""
        return dict(_walk(self._root, choice, ""))

    def _open(self, call: Call) -> None:
        parent, name = self._parent(call.path)
        found = parent.now.get(name)
        if found is None:
            parent.put(name, _File([None]))
        elif call.flags & os.O_TRUNC and isinstance(found, _File):
            found.history.append(None)

    def _sync(self, call: Call) -> None:
        node = self._node(call.path)
        if isinstance(node, _Folder):
            node.history = [node.now]
        else:
            node.history = [self._contents / call.synced]

    def _file(self, path: str) -> _File:
        node = self._node(path)
        assert isinstance(node, _File)
        return node

    def _node(self, path: str) -> _File | _Folder:
        parent, name = self._parent(path)
        return parent.now[name]

    def _put(self, path: str, node: _File | _Folder | None) -> None:
        parent, name = self._parent(path)
        parent.put(name, node)

    def _parent(self, path: str) -> tuple[_Folder, str]:
        *folders, name = path.split("/")
        node = self._root
        for folder in folders:
            inner = node.now[folder]
            assert isinstance(inner, _Folder)
            node = inner
        return node, name


FOLDER = "folder"


def _read(path: Path) -> _Folder:
    folder = _Folder()
    for entry in path.iterdir():
        folder.now[entry.name] = _read(entry) if entry.is_dir() else _File([entry])
    return folder


def _walk(folder: _Folder, choice: Choice, path: str) -> Iterator[tuple[str, Content | str]]:
    for name, node in folder.history[choice(folder.history)].items():
        inner = f"{path}{name}"
        if isinstance(node, _Folder):
            yield inner, FOLDER
            yield from _walk(node, choice, f"{inner}/")
        else:
            yield inner, node.history[choice(node.history)]


def digest(tree: Tree) -> str:
    """Equal for equal trees of one replay."""
    return hashlib.sha256(repr(sorted(tree.items())).encode()).hexdigest()


def lay_out(tree: Tree, root: Path, moved: tuple[bytes, bytes]) -> None:
    """Make a tree at `root`, in the place of what is there.

    Args:
        moved: the path that the update ran in, and another of the same length; files name it.
    """
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for path, content in sorted(tree.items()):
        for mark, name in _CHANCE:
            path = path.replace(mark, name)  # noqa: PLW2901 - a name on its way
        place = root / path
        if content == FOLDER:
            place.mkdir()
        elif content is None:
            place.touch(0o644)
        elif "_internal" in path:
            os.link(content, place)
        else:
            shutil.copy2(content, place)
            if place.stat().st_size < _SMALL:
                place.write_bytes(place.read_bytes().replace(*moved))


def replayed(disk: Disk, calls: Iterable[Call]) -> Iterator[Call]:
    """Apply each successful call; it is yielded when it has been."""
    for call in calls:
        if call.result >= 0:
            disk.apply(call)
            yield call
