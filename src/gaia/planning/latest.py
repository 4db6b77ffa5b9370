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


def offered(pointer: Pointer) -> dict[str, Tag]:
    """For each file name on the channel, the tag that workers are sent to for it."""
    names = sorted({name for files in pointer.tags.values() for name in files})
    return {name: tag for name in names if (tag := resolve(pointer, name)) is not None}


def platforms(pointer: Pointer) -> dict[str, Tag]:
    """For each platform that the channel serves, its latest tag."""
    return {
        platform: tag
        for name, tag in offered(pointer).items()
        if (platform := platform_of(name)) is not None
    }


def bundle(pointer: Pointer) -> Tag | None:
    """The tag whose experiments bundle is current."""
    return resolve(pointer, EXPERIMENTS)
