"""The repository on disk: `{N}.{role}.json`, and `timestamp.json`, the one that is replaced."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from gaia.errors import TrustError
from gaia.trust import files
from gaia.trust.roles import ROOT, TIMESTAMP

TIMESTAMP_FILE = f"{TIMESTAMP}.json"
ROOT_FILE = f"{ROOT}.json"
"""What a client may ask for to get the newest root; there is no such file."""

KEPT_VERSIONS = 10
"""Newest versions of each role that stay, for clients in the middle of a refresh."""

VERSIONED = re.compile(r"(?P<version>[0-9]{1,20})\.(?P<role>[a-z0-9-]{1,64})\.json")
"""Name of every file but the timestamp's."""


class MetadataSet(Protocol):
    """Signed files by name, from wherever."""

    def read(self, name: str) -> bytes | None:
        """The file `name`; None when there is none."""

    def names(self) -> Iterable[str]:
        """Names of all files."""

    def damaged(self, name: str, why: str) -> TrustError:
        """The error that says that the file cannot be used."""


class ReceivedFiles:
    """Signed files as a server has sent them."""

    def __init__(self, files_: Mapping[str, bytes], sender: str) -> None:
        self._files = files_
        self._sender = sender

    def read(self, name: str) -> bytes | None:
        """The file `name`; None when there is none."""
        return self._files.get(name)

    def names(self) -> Iterable[str]:
        """Names of all files."""
        return self._files

    def damaged(self, name: str, why: str) -> TrustError:
        """What was sent is not to be trusted."""
        return TrustError(
            "metadata-refused",
            f"The trust metadata {name} from {self._sender} cannot be used: {why}.",
            hint="Nothing was signed. Look for tampering on the server or on the way to it; the "
            "operator's archive has what was really signed (gaia trust bundle sends it again).",
        )


class MetadataFiles:
    """A folder of signed files with one writer and any number of readers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def open(cls, folder: Path) -> MetadataFiles:
        """The folder, created when it is not there, without half-written files.

        Raises:
            OSError: it cannot be created or read.
        """
        files.make_folder(folder)
        files.remove_unfinished(folder)
        return cls(folder)

    @property
    def empty(self) -> bool:
        """Whether nothing was ever written here."""
        return next(self.folder.glob("*.json"), None) is None

    def names(self) -> Iterable[str]:
        """Names of all files."""
        return [path.name for path in self.folder.glob("*.json")]

    def damaged(self, name: str, why: str) -> TrustError:
        """The repository is not as it was left."""
        return TrustError(
            "repository-damaged",
            f"The trust repository's file {self.folder / name} cannot be used: {why}.",
            hint="Put the folder back from a backup; workers keep running meanwhile.",
        )

    def read(self, name: str) -> bytes | None:
        """The file `name` as it is on disk; None for odd names and for what is not there.

        Raises:
            OSError: it cannot be read.
        """
        if name != TIMESTAMP_FILE and not VERSIONED.fullmatch(name):
            return None
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Put `data` under `name`, whole and durable.

        Raises:
            OSError: nothing was changed.
        """
        files.write(self.folder / name, data)

    def prune(self, referenced: Collection[str]) -> None:
        """Remove old versions that nothing refers to. Never a root: they are a chain (5.3.3).

        Raises:
            OSError: a file cannot be removed.
        """
        versions: dict[str, list[tuple[int, Path]]] = {}
        for path in self.folder.iterdir():
            match = VERSIONED.fullmatch(path.name)
            if match is not None and match["role"] != ROOT and path.name not in referenced:
                versions.setdefault(match["role"], []).append((int(match["version"]), path))
        for found in versions.values():
            for _, path in sorted(found, reverse=True)[KEPT_VERSIONS:]:
                path.unlink(missing_ok=True)
