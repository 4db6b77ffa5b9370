"""The directive for one worker: what the server says and what the worker accepts.

Both sides decide from the same signed pointer by the same function. The server can hold an update
back; it cannot make a worker take one that the pointer does not name.
"""

from __future__ import annotations

from collections.abc import Set

from gaia.errors import InvalidInput
from gaia.model.artifact import worker_filename
from gaia.model.channel import Pointer
from gaia.model.directive import Action, Directive, Reason
from gaia.model.tag import Tag
from gaia.planning.latest import resolve


def decide(
    *, version: str, platform: str, pointer: Pointer | None, failed: Set[str] = frozenset()
) -> Directive:
    """Where a worker should be.

    Args:
        version: what it runs, with or without v.
        platform: such as `linux`.
        pointer: its channel's signed pointer, None when nothing is published there.
        failed: SHA-256 of executables that were reverted on this worker.
    """
    if pointer is None:
        return Directive(Action.STAY, Reason.NO_RELEASE)
    filename = worker_filename(platform)
    target = resolve(pointer, filename)
    if target is None:
        return Directive(Action.STAY, Reason.NO_FILE_FOR_PLATFORM)
    try:
        own = Tag.parse(version)
    except InvalidInput:
        return Directive(Action.STAY, Reason.UNKNOWN_VERSION)
    if own.newer_than(target):
        return Directive(Action.STAY, Reason.NEWER_THAN_CHANNEL)
    if not target.newer_than(own):
        return Directive(Action.STAY, Reason.UP_TO_DATE)
    digest = pointer.tags[target][filename]
    if digest in failed:
        return Directive(Action.STAY, Reason.FAILED_BEFORE)
    return Directive(Action.UPDATE, Reason.NEWER_RELEASE, str(target), filename, digest)


def admit(
    directive: Directive,
    *,
    version: str,
    platform: str,
    pointer: Pointer | None,
    failed: Set[str] = frozenset(),
) -> Directive:
    """What a worker does with a directive, once it holds the signed pointer.

    The server may name an older release than the pointer's latest (a rollout in stages), but only
    one that the pointer vouches for, above the floor and above what runs.
    """
    if directive.action is Action.STAY:
        return directive
    if pointer is None:
        return Directive(Action.STAY, Reason.NO_RELEASE)
    filename = worker_filename(platform)
    try:
        tag, own = Tag.parse(directive.tag or ""), Tag.parse(version)
    except InvalidInput:
        return Directive(Action.STAY, Reason.UNKNOWN_VERSION)
    digest = pointer.tags.get(tag, {}).get(filename)
    if digest is None or tag > pointer.current:
        return Directive(Action.STAY, Reason.NOT_ON_CHANNEL)
    if tag < pointer.floor:
        return Directive(Action.STAY, Reason.BELOW_FLOOR)
    if directive.sha256 is not None and directive.sha256 != digest:
        return Directive(Action.STAY, Reason.DIGEST_MISMATCH)
    if not tag.newer_than(own):
        return Directive(Action.STAY, Reason.NEWER_THAN_CHANNEL)
    if digest in failed:
        return Directive(Action.STAY, Reason.FAILED_BEFORE)
    return Directive(Action.UPDATE, Reason.NEWER_RELEASE, str(tag), filename, digest)
