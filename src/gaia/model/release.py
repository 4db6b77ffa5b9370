"""A release: a tag with its artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gaia.model.artifact import Artifact, platform_of
from gaia.model.tag import Tag


@dataclass(frozen=True)
class Release:
    """What was uploaded under one tag.

    Attributes:
        created_at: time of the first upload, UTC.
        notes: the operator's text, possibly empty.
        channel: the channel that the release was uploaded to.
        artifacts: in the order of their names.
    """

    tag: Tag
    created_at: datetime
    notes: str
    channel: str
    artifacts: tuple[Artifact, ...]

    @property
    def platforms(self) -> frozenset[str]:
        """Platforms that have a worker executable in this release."""
        return frozenset(
            platform
            for artifact in self.artifacts
            if (platform := platform_of(artifact.filename)) is not None
        )

    def artifact(self, filename: str) -> Artifact | None:
        """The artifact of that name, or None."""
        return next((a for a in self.artifacts if a.filename == filename), None)
