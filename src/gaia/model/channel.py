"""Channels: named, signed pointers at releases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gaia.errors import InvalidInput
from gaia.model.release import Release
from gaia.model.tag import Tag

DEFAULT_CHANNEL = "stable"

NO_FLOOR = Tag.parse("v0.0.0-0")
"""The lowest tag that semver knows: a channel without a floor of its own."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


def check_channel(name: str) -> str:
    """Return `name` when a channel may bear it.

    Raises:
        InvalidInput: `invalid-channel`.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "invalid-channel",
            f"{name[:64]!r} is not a channel name.",
            hint="Use up to 32 lower-case letters, digits and hyphens, such as stable or beta.",
        )
    return name


@dataclass(frozen=True)
class Pointer:
    """What a channel's role signs: where its workers should be.

    It is the `custom` object of the TUF target `channels/NAME/pointer.json`.

    Attributes:
        current: the highest tag that workers may run.
        floor: the lowest tag that workers may ever go back to.
        tags: for each tag on the channel, its files: name to SHA-256.
        withdrawn: tags that nobody may run any more; none of them is among `tags`.
    """

    current: Tag
    floor: Tag
    tags: Mapping[Tag, Mapping[str, str]] = field(default_factory=dict)
    withdrawn: frozenset[Tag] = frozenset()


def pointer_over(releases: Iterable[Release], *, floor: Tag | None = None) -> Pointer | None:
    """The pointer that convenience mode signs: everything published, up to the highest tag.

    Args:
        releases: all releases of one channel, in any order.
        floor: the lowest tag that workers may go back to; default: the lowest published one.

    Returns:
        None when the channel has no release.
    """
    files = {
        release.tag: {artifact.filename: artifact.sha256 for artifact in release.artifacts}
        for release in releases
        if release.artifacts
    }
    if not files:
        return None
    return Pointer(current=max(files), floor=floor or min(files), tags=files)
