"""Releases of the simulated worker, and how they behave once they run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from gaia.model.artifact import EXPERIMENTS, Artifact, worker_filename
from gaia.model.tag import Tag
from gaia.worker.identity import platform_name
from proofs.simulation.bundles import Bundle

FILENAME = worker_filename(platform_name())
CHANNEL = "stable"
_SIZE = 4096


class Behaviour(StrEnum):
    """What becomes of a release when it is started."""

    GOOD = "good"
    EXITS = "exits"
    EXITS_LATE = "exits-late"
    HANGS = "hangs"
    HANGS_LATE = "hangs-late"
    FAILS_SELF_CHECK = "fails-self-check"
    NO_PROGRAM = "no-program"


LATE = 5.0
"""Seconds: before any probation can be over."""


@dataclass(frozen=True)
class Build:
    """One release: its executable, and its experiments."""

    tag: Tag
    behaviour: Behaviour

    @property
    def content(self) -> bytes:
        """The file. It is not read as a program: its digest says which build it is."""
        head = b"MZ" if self.behaviour is Behaviour.NO_PROGRAM else b"#!"
        text = f"{self.tag} {self.behaviour}\n".encode()
        noise = hashlib.shake_128(text).digest(_SIZE - len(head) - len(text))
        return head + text + noise

    @property
    def sha256(self) -> str:
        """Of the file."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def artifact(self) -> Artifact:
        """The file as metadata describes it."""
        return Artifact(FILENAME, _SIZE, self.sha256)

    @property
    def files(self) -> dict[str, bytes]:
        """What is uploaded, by its name; the experiments come first, as workers go by the other."""
        return {EXPERIMENTS: self.bundle.content, FILENAME: self.content}

    @property
    def bundle(self) -> Bundle:
        """The experiments."""
        return Bundle(self.tag)

    @property
    def good(self) -> bool:
        """Whether nothing can be held against it."""
        return self.behaviour is Behaviour.GOOD

    def __str__(self) -> str:
        return f"{self.tag} ({self.behaviour})"
