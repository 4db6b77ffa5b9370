"""Which release a channel's signed pointer names for a file."""

from __future__ import annotations

from gaia.model.artifact import EXPERIMENTS, platform_of
from gaia.model.channel import Pointer
from gaia.model.tag import Tag


def resolve(pointer: Pointer, filename: str) -> Tag | None:
    """The highest tag, from the floor up to the current one, that has a file of that name.

    A release with files for some platforms only is thereby offered to just those.
    """
    tags = (
        tag
        for tag, files in pointer.tags.items()
        if filename in files and pointer.floor <= tag <= pointer.current
    )
    return max(tags, default=None)


def platforms(pointer: Pointer) -> dict[str, Tag]:
    """For each platform that the channel serves, its latest tag."""
    names = {name for files in pointer.tags.values() for name in files}
    found: dict[str, Tag] = {}
    for name in sorted(names):
        platform = platform_of(name)
        tag = resolve(pointer, name)
        if platform is not None and tag is not None:
            found[platform] = tag
    return found


def bundle(pointer: Pointer) -> Tag | None:
    """The tag whose experiments bundle is current."""
    return resolve(pointer, EXPERIMENTS)
