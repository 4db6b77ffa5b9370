"""Channels: named, signed pointers at releases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gaia.errors import InvalidInput
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
