"""All that the signed metadata says of releases and channels, and how it may change.

Both modes change it by these methods: the server that signs for itself, and the operator who signs
elsewhere. Nothing here knows of keys or files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gaia.errors import Conflict, NotFound
from gaia.model.artifact import Artifact
from gaia.model.channel import NO_FLOOR, Pointer, check_channel
from gaia.model.tag import Tag

Files = Mapping[str, Artifact]
"""The artifacts of one release, by file name."""


@dataclass(frozen=True)
class Publication:
    """What is published.

    Attributes:
        artifacts: of each release that may be installed.
        pointers: of each channel; None for a channel that has no release yet.
    """

    artifacts: Mapping[Tag, Files] = field(default_factory=dict)
    pointers: Mapping[str, Pointer | None] = field(default_factory=dict)

    @property
    def withdrawn(self) -> frozenset[Tag]:
        """Tags that were withdrawn from any channel."""
        return frozenset().union(*(p.withdrawn for p in self.pointers.values() if p is not None))

    def artifact(self, tag: Tag, filename: str) -> Artifact | None:
        """What is signed under that name, or None."""
        return self.artifacts.get(tag, {}).get(filename)

    def with_channel(self, channel: str) -> Publication:
        """With `channel`, empty when it is new.

        Raises:
            InvalidInput: `invalid-channel`.
        """
        if channel in self.pointers:
            return self
        return replace(self, pointers={**self.pointers, check_channel(channel): None})

    def with_artifact(self, tag: Tag, artifact: Artifact) -> Publication:
        """With a file in a release. Channels that have the release get the file, too.

        Raises:
            Conflict: `file-conflict` or `release-withdrawn`.
        """
        if tag in self.withdrawn:
            raise Conflict(
                "release-withdrawn",
                f"{tag} was withdrawn, and a tag never comes back.",
                hint="Publish under a higher tag.",
            )
        present = self.artifact(tag, artifact.filename)
        if present is not None and present != artifact:
            raise Conflict(
                "file-conflict",
                f"{tag} already has a {artifact.filename} with other bytes"
                f" (SHA-256 {present.sha256}); nothing was changed.",
                hint="A published file never changes: publish under a new tag.",
            )
        files = {**self.artifacts.get(tag, {}), artifact.filename: artifact}
        changed = replace(self, artifacts={**self.artifacts, tag: files})
        for channel, pointer in self.pointers.items():
            if pointer is not None and tag in pointer.tags:
                changed = _point(
                    changed, channel, replace(pointer, tags=_placed(pointer, tag, files))
                )
        return changed

    def promoted(self, tag: Tag, channel: str) -> Publication:
        """With the channel's workers sent to `tag`, up or down.

        Raises:
            NotFound: `no-such-release`.
            Conflict: `below-floor`.
            InvalidInput: `invalid-channel`.
        """
        files = self._files(tag)
        pointer = self.with_channel(channel).pointers[channel]
        if pointer is None:
            tags = {tag: _digests(files)}
            return _point(self, channel, Pointer(current=tag, floor=NO_FLOOR, tags=tags))
        if tag < pointer.floor:
            raise Conflict(
                "below-floor",
                f"{tag} is below the floor of the channel {channel}, {pointer.floor}.",
                hint=f"Lower the floor first: gaia channel floor {channel} {tag}",
            )
        return _point(
            self, channel, replace(pointer, current=tag, tags=_placed(pointer, tag, files))
        )

    def placed(self, tag: Tag, channel: str) -> Publication:
        """With a new release on the channel, its workers sent there if that is higher than now.

        What convenience mode does with an upload: the highest tag wins, not the last upload. A
        release that the channel knows already changes nothing.

        Raises:
            NotFound: `no-such-release`.
            InvalidInput: `invalid-channel`.
        """
        pointer = self.pointers.get(channel)
        if pointer is None or (tag not in pointer.tags and tag > pointer.current):
            return self.promoted(tag, channel)
        return _point(self, channel, replace(pointer, tags=_placed(pointer, tag, self._files(tag))))

    def with_floor(self, channel: str, floor: Tag) -> Publication:
        """With another lowest tag that the channel's workers may go back to.

        Raises:
            NotFound: `no-release`: the channel has none.
            Conflict: `floor-too-high`.
        """
        pointer = self.pointers.get(channel)
        if pointer is None:
            raise NotFound(
                "no-release",
                f"Nothing is published on the channel {channel}.",
                hint="gaia channel list shows the channels.",
            )
        if floor > pointer.current:
            raise Conflict(
                "floor-too-high",
                f"The floor {floor} would be above the channel's current release, "
                f"{pointer.current}.",
                hint=f"Promote a higher release first, or choose a floor up to {pointer.current}.",
            )
        return _point(self, channel, replace(pointer, floor=floor))

    def without(self, tag: Tag) -> Publication:
        """With `tag` withdrawn everywhere: workers that run it leave it.

        A channel that pointed at it points at the highest one left, from the floor up.

        Raises:
            NotFound: `no-such-release`.
            Conflict: `nothing-left`: a channel would have nothing to go back to.
        """
        if tag not in self.artifacts and tag not in self.withdrawn:
            raise NotFound(
                "no-such-release",
                f"There is no signed release {tag}.",
                hint="gaia release list shows them.",
            )
        changed = replace(
            self,
            artifacts={known: files for known, files in self.artifacts.items() if known != tag},
        )
        for channel, pointer in self.pointers.items():
            if pointer is not None and tag in pointer.tags:
                changed = _point(changed, channel, _left(channel, pointer, tag))
        return changed

    def _files(self, tag: Tag) -> Files:
        files = self.artifacts.get(tag)
        if not files:
            raise NotFound(
                "no-such-release",
                f"There is no signed release {tag}.",
                hint=f"Sign it first: gaia release sign {tag} FILES",
            )
        return files


def _point(publication: Publication, channel: str, pointer: Pointer) -> Publication:
    pointers = {**publication.pointers, check_channel(channel): pointer}
    return replace(publication, pointers=pointers)


def _left(channel: str, pointer: Pointer, tag: Tag) -> Pointer:
    tags = {known: files for known, files in pointer.tags.items() if known != tag}
    reachable = [known for known in tags if pointer.floor <= known <= pointer.current]
    if not reachable:
        raise Conflict(
            "nothing-left",
            f"Without {tag} the channel {channel} has no release from its floor "
            f"({pointer.floor}) up to go back to.",
            hint="Publish a higher release first, or lower the floor: "
            f"gaia channel floor {channel} TAG",
        )
    return replace(
        pointer,
        current=max(reachable) if tag == pointer.current else pointer.current,
        tags=tags,
        withdrawn=pointer.withdrawn | {tag},
    )


def _placed(pointer: Pointer, tag: Tag, files: Files) -> Mapping[Tag, Mapping[str, str]]:
    return {**pointer.tags, tag: _digests(files)}


def _digests(files: Files) -> Mapping[str, str]:
    return {name: artifact.sha256 for name, artifact in files.items()}
