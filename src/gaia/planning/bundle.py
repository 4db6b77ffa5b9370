"""The experiments bundle: which names it may hold, and what becomes of the files on disk.

A bundle is installed beside files of the machine's owner. Three versions of a file meet: the one
of the bundle in place, the one on disk, and the one of the new bundle.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from gaia.errors import InstallError

MAX_DEPTH = 32
"""Components of a path."""

MAX_COMPONENT = 200
"""Bytes. File systems allow 255; the rest is for the endings given to files that are set aside."""

MAX_PATH = 1024
"""Bytes."""

DISPLACED = ".gaia-old"
"""Ending of a file that is out of the way until a swap is over."""

_PRIVATE = ".gaia"
_ILLEGAL = frozenset('<>:"|?*\\')
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{device}{number}" for device in ("com", "lpt") for number in "0123456789¹²³"}
)


@dataclass(frozen=True)
class File:
    """A file as far as it matters here.

    Attributes:
        sha256: of its content; empty for what is not a regular file, which equals nothing.
    """

    sha256: str
    executable: bool


@dataclass(frozen=True)
class Manifest:
    """What a bundle holds; paths are relative, with slashes.

    Attributes:
        sha256: of the archive.
        folders: all, also those that only a file's path names; parents first.
        tag: the release that it was fetched for; empty when nobody knows.
    """

    sha256: str
    files: dict[str, File]
    folders: list[str]
    tag: str = ""


def is_wanted(old: File | None, disk: File | None, new: File) -> bool:
    """Whether the new bundle's file goes to its place.

    The owner's change of a file that the two bundles have in common stays, as with a package's
    configuration.

    Args:
        old: of the bundle in place; None when it has no such file.
        disk: None when there is nothing.
        new: of the new bundle.
    """
    if disk is None:
        return True
    return new not in (disk, old)


def is_unmodified(disk: File | None, *bundles: File | None) -> bool:
    """Whether what is on disk came from one of `bundles`, so that removing it loses nothing."""
    return disk is not None and any(
        file is not None and file.sha256 == disk.sha256 for file in bundles
    )


class Names:
    """The names of one bundle, checked as they come, each by itself and against the others.

    The rules are those of the strictest system, so that a bundle means the same on each.
    """

    def __init__(self) -> None:
        self._spelling: dict[str, str] = {}
        self._files: set[str] = set()
        self._folders: dict[str, bool] = {}

    @property
    def folders(self) -> list[str]:
        """All folders so far, also those that only a longer name implies; parents first."""
        return sorted(self._folders)

    def admit_file(self, name: str) -> str:
        """Return the path that `name` means.

        Raises:
            InstallError: `unsafe-bundle`.
        """
        path = _checked(name)
        self._admit_parents(path)
        self._spell(path)
        if path in self._files or path in self._folders:
            raise unsafe(path, "comes twice")
        self._files.add(path)
        return path

    def admit_folder(self, name: str) -> str | None:
        """Return the path that `name` means; None for the top itself.

        Raises:
            InstallError: `unsafe-bundle`.
        """
        if name.rstrip("/") == ".":
            return None
        path = _checked(name.removesuffix("/"))
        self._admit_parents(path)
        self._spell(path)
        if path in self._files or self._folders.get(path):
            raise unsafe(path, "comes twice")
        self._folders[path] = True
        return path

    def _admit_parents(self, path: str) -> None:
        components = path.split("/")
        for length in range(1, len(components)):
            parent = "/".join(components[:length])
            self._spell(parent)
            if parent in self._files:
                raise unsafe(path, "lies inside a file")
            self._folders.setdefault(parent, False)

    def _spell(self, path: str) -> None:
        key = unicodedata.normalize("NFC", path).casefold()
        if self._spelling.setdefault(key, path) != path:
            raise unsafe(path, f"differs only in spelling from {self._spelling[key]!r}")


def unsafe(name: str, why: str) -> InstallError:
    """The refusal of a whole bundle because of one entry."""
    shown = name if len(name) <= 100 else name[:100] + "…"
    return InstallError(
        "unsafe-bundle",
        f"The experiments bundle is refused as a whole: {shown!r} {why}.",
        hint="Pack plain files and folders: tar czf experiments.tar.gz experiments/ run_all.py",
    )


def _checked(name: str) -> str:
    path = name.removeprefix("./")
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        raise unsafe(name, "is not UTF-8") from None
    if path.startswith("/"):
        raise unsafe(name, "is an absolute path")
    components = path.split("/")
    if size > MAX_PATH or len(components) > MAX_DEPTH:
        raise unsafe(name, "is too long or too deep")
    for component in components:
        fault = _fault(component)
        if fault:
            raise unsafe(name, fault)
    if components[0].casefold().startswith(_PRIVATE):
        raise unsafe(name, "is a name that the worker keeps for itself")
    return path


def _fault(component: str) -> str:
    if component in {"", ".", ".."}:
        return "has an empty, '.' or '..' component"
    if len(component.encode()) > MAX_COMPONENT:
        return "has a component that is too long"
    if _ILLEGAL.intersection(component):
        return "has a character that Windows does not allow"
    if any(unicodedata.category(character) in _INVISIBLE for character in component):
        return "has an invisible character"
    if component[-1] in ". ":
        return "has a component that ends with a dot or a blank"
    if component.partition(".")[0].rstrip().casefold() in _DEVICES:
        return "is the name of a device on Windows"
    if component.endswith(DISPLACED):
        return "is a name that the worker keeps for itself"
    return ""
