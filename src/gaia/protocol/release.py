"""Releases on the wire: the brief's JSON, and more beside it."""

from __future__ import annotations

import msgspec

from gaia.model.release import Release


class FileEntry(msgspec.Struct):
    """One artifact of a release."""

    filename: str
    size: int
    sha256: str


class ReleaseEntry(msgspec.Struct):
    """`GET /releases/{tag}`. `created_at` is RFC 3339, UTC."""

    tag: str
    created_at: str
    notes: str
    files: list[FileEntry]
    channel: str
    platforms: list[str]

    @classmethod
    def of(cls, release: Release) -> ReleaseEntry:
        """The wire form of `release`."""
        return cls(
            tag=str(release.tag),
            created_at=release.created_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            notes=release.notes,
            files=[FileEntry(a.filename, a.size, a.sha256) for a in release.artifacts],
            channel=release.channel,
            platforms=sorted(release.platforms),
        )


class ReleaseList(msgspec.Struct):
    """`GET /api/releases`, highest tag first."""

    releases: list[ReleaseEntry]


class LatestRelease(ReleaseEntry):
    """`GET /releases/latest`: the release, and for each platform its own latest tag."""

    latest: dict[str, str] = {}


class Uploaded(msgspec.Struct, omit_defaults=True):
    """The answer to an upload: the brief's fields, then what was stored.

    Attributes:
        status: `ok` when it is published; `pending` when signatures are awaited.
        missing: the roles that have to sign it first.
        next: the command that has them signed.
    """

    status: str
    tag: str
    filename: str
    size: int
    sha256: str
    channel: str
    published: bool
    missing: list[str] = []
    next: str = ""


class ChannelEntry(msgspec.Struct):
    """A channel's signed pointer, and the latest tag for each platform."""

    name: str
    current: str
    floor: str
    tags: list[str]
    withdrawn: list[str]
    latest: dict[str, str]


class ChannelList(msgspec.Struct):
    """`GET /api/channels`."""

    channels: list[ChannelEntry]


class ChannelChange(msgspec.Struct):
    """`PUT /api/channels/{channel}`: what is to be another; the rest stays."""

    current: str | None = None
    floor: str | None = None
