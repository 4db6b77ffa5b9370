"""The experiments of the simulated releases: small bundles of which no two have the same files."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path

from gaia.model.artifact import EXPERIMENTS, Artifact
from gaia.model.tag import Tag

OWNERS_FILE = "experiments/plan.py"
"""The machine's owner has a file there; one bundle in three brings one of that name."""

OWNERS_WORK = b"# mine"


PRIVATE = ".gaia-experiments"
"""The worker's own folder there."""


class Bundle:
    """The bundle of one release."""

    def __init__(self, tag: Tag) -> None:
        self.tag = tag

    @property
    def files(self) -> dict[str, bytes]:
        """Content by path. Files come and go, and one is a folder in every other bundle."""
        shape = sha256(str(self.tag).encode()).digest()
        paths = [
            "experiments/common.py",
            "library/common.py",
            f"experiments/only_{shape[0] % 3}.py",
        ]
        paths.append("experiments/part" if shape[1] % 2 else "experiments/part/inner.py")
        if shape[2] % 3 == 0:
            paths.append(OWNERS_FILE)
        return {path: f"# {path} of {self.tag}\n".encode() for path in paths}

    @cached_property
    def content(self) -> bytes:
        """The archive."""
        return _packed(self.tag)

    @property
    def artifact(self) -> Artifact:
        """The archive as metadata describes it."""
        return Artifact(EXPERIMENTS, len(self.content), self.sha256)

    @property
    def sha256(self) -> str:
        """Of the archive."""
        return sha256(self.content).hexdigest()


@lru_cache(maxsize=100)
def _packed(tag: Tag) -> bytes:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in Bundle(tag).files.items():
            header = tarfile.TarInfo(path)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return gzip.compress(tar.getvalue(), mtime=0)


def in_place(work: Path) -> dict[str, bytes]:
    """What is below a workload's working directory, but for what is the worker's own."""
    found = {}
    for folder, folders, files in os.walk(work):
        if folder == str(work):
            folders[:] = (name for name in folders if name != PRIVATE)
        for name in files:
            path = f"{folder}/{name}"
            with open(path, "rb") as file:  # noqa: PTH123 - often, so it has to be quick
                found[path.removeprefix(f"{work}/")] = file.read()
    return found
