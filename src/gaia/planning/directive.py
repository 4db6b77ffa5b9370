"""The directive for one worker: what the server says and what the worker accepts.

Both sides decide from the same signed pointer by the same function. The server can hold a worker
back; it cannot make one take, or go back to, what the pointer does not say.
"""

from __future__ import annotations

from collections.abc import Set

from gaia.errors import InvalidInput
from gaia.model.artifact import EXPERIMENTS, worker_filename
from gaia.model.channel import NO_FLOOR, Pointer
from gaia.model.directive import Action, Directive, Reason
from gaia.model.tag import Tag
from gaia.planning.latest import resolve

_STRANDED = {
    Reason.NOWHERE_TO_GO: "the channel has no release for it to go to",
    Reason.WAY_OUT_FAILED: "the release to go to failed here before",
}


def stranded(version: str, reason: Reason) -> str:
    """The alarm of a worker that stays, for `reason`, on what it should leave; else empty."""
    why = _STRANDED.get(reason)
    if why is None:
        return ""
    return (
        f"{version} was withdrawn, or its channel was set below it, but {why}. "
        "Publish a higher release."
    )


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
        return _stay(Reason.NO_RELEASE)
    try:
        own = Tag.parse(version)
    except InvalidInput:
        return _stay(Reason.UNKNOWN_VERSION)
    return _decide(own, worker_filename(platform), pointer, failed)


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
    one that the pointer vouches for, above the floor and above what runs. The way back is the
    pointer's alone: when, and to which release.
    """
    if directive.action is Action.STAY:
        return directive
    if pointer is None:
        return _stay(Reason.NO_RELEASE)
    try:
        own = Tag.parse(version)
    except InvalidInput:
        return _stay(Reason.UNKNOWN_VERSION)
    return _admit(directive, own, worker_filename(platform), pointer, failed)


def decide_bundle(*, own: Tag | None, pointer: Pointer | None) -> Directive:
    """Where a worker's experiments should be: the same rules.

    Args:
        own: the release whose bundle is in place; None when there is none, or nobody knows.
    """
    if pointer is None:
        return _stay(Reason.NO_RELEASE)
    return _decide(own or NO_FLOOR, EXPERIMENTS, pointer, frozenset())


def admit_bundle(tag: str, sha256: str, *, own: Tag | None, pointer: Pointer | None) -> Directive:
    """What a worker does with an offer of experiments: the same rules.

    Args:
        tag, sha256: what the server names.
        own: as `decide_bundle`.
    """
    if pointer is None:
        return _stay(Reason.NO_RELEASE)
    try:
        back = own is not None and own > Tag.parse(tag)
    except InvalidInput:
        return _stay(Reason.UNKNOWN_VERSION)
    told = Directive(
        Action.REVERT if back else Action.UPDATE, Reason.NEWER_RELEASE, tag, EXPERIMENTS, sha256
    )
    return _admit(told, own or NO_FLOOR, EXPERIMENTS, pointer, frozenset())


def _decide(own: Tag, filename: str, pointer: Pointer, failed: Set[str]) -> Directive:
    leave = _reason_to_leave(own, pointer)
    target = resolve(pointer, filename)
    if target is None:
        return _stay(Reason.NOWHERE_TO_GO if leave else Reason.NO_FILE_FOR_PLATFORM)
    digest = pointer.tags[target][filename]
    if target.newer_than(own):
        way = Directive(Action.UPDATE, Reason.NEWER_RELEASE, str(target), filename, digest)
    elif leave:
        way = Directive(Action.REVERT, leave, str(target), filename, digest)
    else:
        ahead = own.newer_than(target)
        return _stay(Reason.NEWER_THAN_CHANNEL if ahead else Reason.UP_TO_DATE)
    if digest in failed:
        return _stay(Reason.WAY_OUT_FAILED if leave else Reason.FAILED_BEFORE)
    return way


def _reason_to_leave(own: Tag, pointer: Pointer) -> Reason | None:
    """Why workers may not stay on `own`. Of what the channel never knew it says nothing."""
    if own in pointer.withdrawn:
        return Reason.RELEASE_WITHDRAWN
    if own in pointer.tags and own > pointer.current:
        return Reason.POINTER_LOWERED
    return None


def _admit(
    directive: Directive, own: Tag, filename: str, pointer: Pointer, failed: Set[str]
) -> Directive:
    try:
        tag = Tag.parse(directive.tag or "")
    except InvalidInput:
        return _stay(Reason.UNKNOWN_VERSION)
    digest = pointer.tags.get(tag, {}).get(filename)
    if digest is None or tag > pointer.current:
        return _stay(Reason.NOT_ON_CHANNEL)
    if tag < pointer.floor:
        return _stay(Reason.BELOW_FLOOR)
    if directive.sha256 is not None and directive.sha256 != digest:
        return _stay(Reason.DIGEST_MISMATCH)
    if directive.action is Action.REVERT:
        return _admit_revert(tag, own, filename, pointer, failed)
    if not tag.newer_than(own):
        return _stay(Reason.NEWER_THAN_CHANNEL)
    if digest in failed:
        leave = _reason_to_leave(own, pointer)
        return _stay(Reason.WAY_OUT_FAILED if leave else Reason.FAILED_BEFORE)
    return Directive(Action.UPDATE, Reason.NEWER_RELEASE, str(tag), filename, digest)


def _admit_revert(
    tag: Tag, own: Tag, filename: str, pointer: Pointer, failed: Set[str]
) -> Directive:
    decision = _decide(own, filename, pointer, failed)
    if decision.action is Action.REVERT and decision.tag == str(tag):
        return decision
    if decision.reason in _STRANDED or decision.reason is Reason.NEWER_THAN_CHANNEL:
        return decision
    return _stay(Reason.REVERT_NOT_SIGNED)


def _stay(reason: Reason) -> Directive:
    return Directive(Action.STAY, reason)


def may_return(tag: str, pointer: Pointer | None) -> bool:
    """Whether a release whose backup was lost may be fetched again: not one that was withdrawn.

    It would be left at once, and every update after it would have to wait for it.
    """
    return pointer is not None and Tag.parse(tag) not in pointer.withdrawn
