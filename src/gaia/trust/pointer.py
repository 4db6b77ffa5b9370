"""Pointers as TUF targets: `channels/NAME/pointer.json` with all in `custom` (4.5, TARGETS).

Everything that a worker asks of a pointer is in its channel role's metadata, so the target file
itself is empty and never fetched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from tuf.api.metadata import TargetFile

from gaia.errors import InvalidInput, TrustError
from gaia.model.artifact import check_sha256
from gaia.model.channel import Pointer
from gaia.model.tag import Tag
from gaia.trust.roles import pointer_path


def to_target(channel: str, pointer: Pointer) -> TargetFile:
    """The target that a channel's role signs."""
    custom: dict[str, Any] = {
        "current": str(pointer.current),
        "floor": str(pointer.floor),
        "tags": {str(tag): dict(sorted(files.items())) for tag, files in pointer.tags.items()},
    }
    if pointer.withdrawn:
        custom["withdrawn"] = sorted(map(str, pointer.withdrawn))
    empty = hashlib.sha256(b"").hexdigest()
    return TargetFile(0, {"sha256": empty}, pointer_path(channel), {"custom": custom})


def from_target(channel: str, target: TargetFile) -> Pointer:
    """The pointer that a channel's role has signed.

    Raises:
        TrustError: `pointer-malformed`.
    """
    try:
        return _parse(target.custom)
    except (InvalidInput, TypeError, ValueError, KeyError, AttributeError) as error:
        raise TrustError(
            "pointer-malformed",
            f"The pointer of channel {channel!r} is signed, but cannot be read: {error!r}.",
            hint="The server's operator must publish it anew, or this worker is too old for it.",
        ) from error


def _parse(custom: object) -> Pointer:
    fields = _object(custom)
    # File names are not checked: a newer server may sign kinds of files not known here.
    tags = {
        Tag.parse(tag): {name: check_sha256(digest) for name, digest in _object(names).items()}
        for tag, names in _object(fields["tags"]).items()
    }
    current, floor = Tag.parse(fields["current"]), Tag.parse(fields["floor"])
    if floor > current:
        raise ValueError(f"the floor {floor} is above the current {current}")
    withdrawn = frozenset(map(Tag.parse, fields.get("withdrawn", ())))
    if not withdrawn.isdisjoint(tags):
        raise ValueError("a withdrawn tag is also on the channel")
    return Pointer(current=current, floor=floor, tags=tags, withdrawn=withdrawn)


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is not an object")
    return value
