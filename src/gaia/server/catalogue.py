"""What is published, as one immutable value that every request reads without a lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gaia.model.artifact import Artifact
from gaia.model.channel import Pointer
from gaia.model.release import Release
from gaia.model.tag import Tag
from gaia.server.store.releases import Stored


@dataclass(frozen=True)
class Catalogue:
    """A consistent view of releases and trust metadata, replaced as a whole on every change.

    Attributes:
        releases: published releases by tag.
        pointers: the signed pointer of each channel.
        root_version: version of the newest TUF root.
        timestamp: text of the signed TUF timestamp.
        pending: uploaded files that wait for signatures.
    """

    releases: Mapping[Tag, Release] = field(default_factory=dict)
    pointers: Mapping[str, Pointer] = field(default_factory=dict)
    root_version: int = 1
    timestamp: str = ""
    pending: tuple[Stored, ...] = ()

    def artifact(self, tag: Tag, filename: str) -> Artifact | None:
        """The published artifact, or None."""
        release = self.releases.get(tag)
        return None if release is None else release.artifact(filename)
