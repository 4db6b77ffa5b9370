"""Releases: listed, described, downloaded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.responses import Response

from gaia.errors import NotFound
from gaia.model.artifact import Artifact, worker_filename
from gaia.model.channel import DEFAULT_CHANNEL, Pointer, check_channel
from gaia.model.release import Release
from gaia.model.tag import Tag
from gaia.planning.latest import platforms, resolve
from gaia.protocol.release import LatestRelease, ReleaseEntry, ReleaseList
from gaia.server.auth import Role
from gaia.server.blobs import Blobs
from gaia.server.catalogue import Catalogue
from gaia.server.deeds import Author
from gaia.server.downloads import ArtifactResponse
from gaia.server.endpoints import ANY_ROLE, Call, Endpoint, json_answer
from gaia.server.ledger import Ledger
from gaia.server.metrics import Metrics
from gaia.server.stewardship import Steward

STEWARDS = frozenset({Role.OPERATOR, Role.PUBLISHER, Role.ADMIN})
"""Roles that may steer channels and withdraw releases."""

_CHANNEL = {"channel": "Default: stable."}


@dataclass(frozen=True)
class Releases:
    """What is published, and its files."""

    ledger: Ledger
    steward: Steward
    blobs: Blobs
    metrics: Metrics

    def endpoints(self) -> list[Endpoint]:
        """What this offers."""
        return [
            Endpoint(
                "GET",
                "/api/releases",
                self.index,
                ANY_ROLE,
                "All published releases, highest tag first.",
                answer=ReleaseList,
            ),
            Endpoint(
                "GET",
                "/releases/latest",
                self.latest,
                ANY_ROLE,
                "The highest release of a channel, or the highest that has a file for a platform.",
                parameters={**_CHANNEL, "platform": "Such as linux or windows."},
                answer=LatestRelease,
            ),
            Endpoint(
                "GET",
                "/releases/{tag}",
                self.show,
                ANY_ROLE,
                "One release.",
                answer=ReleaseEntry,
            ),
            Endpoint(
                "GET",
                "/releases/latest/{filename}",
                self.download_latest,
                ANY_ROLE,
                "The file of the highest release of a channel that has it.",
                parameters=_CHANNEL,
                answer="application/octet-stream",
            ),
            Endpoint(
                "GET",
                "/releases/{tag}/{filename}",
                self.download,
                ANY_ROLE,
                "A file of a release; Range, If-Range and If-None-Match are honoured.",
                answer="application/octet-stream",
            ),
            Endpoint(
                "POST",
                "/api/releases/{tag}/withdraw",
                self.withdraw,
                STEWARDS,
                "Withdraw a release: its workers leave it, and the tag never comes back.",
                answer=ReleaseList,
            ),
        ]

    async def index(self, call: Call) -> Response:  # noqa: ARG002
        """`GET /api/releases`."""
        found = sorted(self._catalogue.releases.values(), key=lambda r: r.tag, reverse=True)
        return json_answer(ReleaseList([ReleaseEntry.of(release) for release in found]))

    async def show(self, call: Call) -> Response:
        """`GET /releases/{tag}`."""
        return json_answer(ReleaseEntry.of(self._release(Tag.parse(call.path("tag")))))

    async def latest(self, call: Call) -> Response:
        """`GET /releases/latest`."""
        pointer = self._pointer(call)
        platform = call.query.get("platform")
        tag: Tag | None = pointer.current
        if platform is not None:
            tag = resolve(pointer, worker_filename(platform))
        if tag is None:
            raise NotFound(
                "no-file-for-platform",
                f"No release on this channel has a file for {str(platform)[:40]!r}.",
                hint=f"It has files for: {', '.join(platforms(pointer)) or 'none'}.",
            )
        entry = ReleaseEntry.of(self._release(tag))
        per_platform = {name: str(latest) for name, latest in platforms(pointer).items()}
        return json_answer(
            LatestRelease(
                tag=entry.tag,
                created_at=entry.created_at,
                notes=entry.notes,
                files=entry.files,
                channel=entry.channel,
                platforms=entry.platforms,
                latest=per_platform,
            )
        )

    async def download_latest(self, call: Call) -> Response:
        """`GET /releases/latest/{filename}`."""
        filename = call.path("filename")
        tag = resolve(self._pointer(call), filename)
        if tag is None:
            raise _no_such_file(filename)
        return self._send(call, tag, filename)

    async def download(self, call: Call) -> Response:
        """`GET /releases/{tag}/{filename}`, with or without the digest before the name.

        TUF clients ask for `{sha256}.{filename}` (consistent snapshots).
        """
        tag = Tag.parse(call.path("tag"))
        filename = call.path("filename")
        release = self._release(tag)
        for artifact in release.artifacts:
            if filename == f"{artifact.sha256}.{artifact.filename}":
                return self._send(call, tag, artifact.filename)
        return self._send(call, tag, filename)

    async def withdraw(self, call: Call) -> Response:
        """`POST /api/releases/{tag}/withdraw`."""
        tag = Tag.parse(call.path("tag"))
        by = Author(call.by, call.client)
        await asyncio.to_thread(self.steward.withdraw, tag, by)
        return await self.index(call)

    @property
    def _catalogue(self) -> Catalogue:
        return self.ledger.catalogue()

    def _release(self, tag: Tag) -> Release:
        release = self._catalogue.releases.get(tag)
        if release is None:
            raise NotFound(
                "no-such-release",
                f"There is no release {tag}.",
                hint="GET /api/releases lists them.",
            )
        return release

    def _pointer(self, call: Call) -> Pointer:
        channel = check_channel(call.query.get("channel", DEFAULT_CHANNEL))
        pointer = self._catalogue.pointers.get(channel)
        if pointer is None:
            raise NotFound(
                "no-release",
                f"Nothing is published on the channel {channel}.",
                hint="Upload a release, or name another channel.",
            )
        return pointer

    def _send(self, call: Call, tag: Tag, filename: str) -> Response:
        artifact: Artifact | None = self._catalogue.artifact(tag, filename)
        if artifact is None:
            raise _no_such_file(filename, tag)
        self.metrics.downloads.labels(artifact.filename).inc()
        return ArtifactResponse(self.blobs.path(artifact.sha256), artifact, call.request)


def _no_such_file(filename: str, tag: Tag | None = None) -> NotFound:
    where = "On this channel no release" if tag is None else f"The release {tag}"
    verb = "has" if tag is None else "does not have"
    return NotFound(
        "no-such-file",
        f"{where} {verb} a file {filename[:80]!r}.",
        hint="GET /releases/latest and GET /releases/{tag} say what there is.",
    )
