"""A real trust repository and real clients of it, joined in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.metadata import TargetFile

from gaia.errors import TransportError
from gaia.model.artifact import EXPERIMENTS, Artifact
from gaia.model.publication import Publication
from gaia.model.release import Release
from gaia.model.tag import Tag
from gaia.trust.client import RootPin, TrustClient
from gaia.trust.drafting import Drafter
from gaia.trust.keys import KeyFolder
from gaia.trust.repository import Repository

LINUX = "gaia-worker-linux"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that tests move."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


def release(tag: str, *, channel: str = "stable", linux: str = "a", bundle: str = "b") -> Release:
    """A release whose files' digests are made of one digit each."""
    artifacts = (Artifact(EXPERIMENTS, 7, bundle * 64), Artifact(LINUX, 5, linux * 64))
    return Release(Tag.parse(tag), START, "", channel, artifacts)


def exactly(before: Publication, releases: Iterable[Release]) -> Publication:
    """`before`'s channels, with just these releases."""
    publication = Publication(pointers=dict.fromkeys(before.pointers))
    for each in releases:
        for artifact in each.artifacts:
            publication = publication.with_artifact(each.tag, artifact)
        publication = publication.placed(each.tag, each.channel)
    return publication


@dataclass
class Source:
    """Reads a repository as `GET /tuf/{name}` would, and counts. `tamper` may change answers."""

    repository: Repository
    reads: list[str] = field(default_factory=list)
    tamper: Callable[[str, bytes | None], bytes | None] = lambda _, data: data
    broken: bool = False

    def read(self, path: str, *, limit: int) -> bytes | None:
        self.reads.append(path)
        if self.broken:
            raise TransportError("unreachable", "The server cannot be reached.")
        return self.tamper(path, self.repository.read(path))


@dataclass
class World:
    """A server's folder and its clock, and workers' folders beside it."""

    folder: Path
    clock: Clock

    def __post_init__(self) -> None:
        self.repository = self.open()
        self.source = Source(self.repository)

    @property
    def tuf(self) -> Path:
        return self.folder / "tuf"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    def open(self) -> Repository:
        return Repository.open(self.tuf, self.keys, self.clock)

    def reopen(self) -> None:
        self.repository = self.source.repository = self.open()

    def publish(self, *tags: str) -> None:
        """These and no others are published."""
        self.publish_releases(*map(release, tags))

    def publish_releases(self, *releases: Release) -> None:
        """The same of any releases, in any channels."""
        self.repository.change(lambda before: exactly(before, releases))

    def renew_root(self) -> None:
        """The next root, signed with the root keys."""
        drafter = Drafter(self.repository.roles, self.clock())
        drafter.renew("root")
        self.accept(drafter)

    def accept(self, drafter: Drafter, *more: Signer) -> None:
        """What was drafted, signed with the root keys, the server's, and `more`."""
        signers = [*KeyFolder(self.keys).root.all(), *KeyFolder(self.keys).all(), *more]
        bundle = drafter.bundle().signed_by(signers, self.repository.roles)
        self.repository.accept(bundle, lambda publication: None)

    def forge(self, role: str, targets: Mapping[str, TargetFile]) -> None:
        """What a thief of all keys below root's would sign: nobody vets it."""
        roles = self.repository.roles
        drafter = Drafter(roles, self.clock())
        drafter._contents[role] = targets
        bundle = drafter.bundle().signed_by(KeyFolder(self.keys).all(), roles)
        self.repository._advance(bundle.over(roles))

    def client(self, pin: RootPin | None = None, name: str = "worker", **more: Any) -> TrustClient:
        pin = pin or RootPin.of_fingerprint(self.repository.fingerprint)
        return TrustClient(self.state(name), self.source, pin, self.clock, **more)

    def state(self, name: str = "worker") -> Path:
        return self.folder / name / "state"

    def beat(self, client: TrustClient) -> None:
        """What a heartbeat's answer makes a worker do."""
        client.refresh(self.repository.root_version, self.repository.timestamp)

    def newest(self, role: str) -> Path:
        """The newest file of `role` on the server's disk."""
        found = self.tuf.glob(f"*.{role}.json")
        return max(found, key=lambda path: int(path.name.partition(".")[0]))


def current(client: TrustClient, channel: str = "stable") -> str | None:
    """The tag that the client's pointer names."""
    pointer = client.pointer(channel)
    return None if pointer is None else str(pointer.current)


def edit(path: Path, change: Callable[[Any], None]) -> None:
    """Change signed metadata without the key to it."""
    document = json.loads(path.read_bytes())
    change(document["signed"])
    path.write_text(json.dumps(document, separators=(",", ":")))
