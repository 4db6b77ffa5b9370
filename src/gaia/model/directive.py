"""Directives: the server's one answer to a heartbeat, always with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What a worker should do with its executable."""

    STAY = "stay"
    UPDATE = "update"
    REVERT = "revert"


class Reason(StrEnum):
    """Why. A closed list; the texts are in `docs/reference/reasons.md`."""

    UP_TO_DATE = "up-to-date"
    NEWER_RELEASE = "newer-release"
    RELEASE_WITHDRAWN = "release-withdrawn"
    POINTER_LOWERED = "pointer-lowered"
    NEWER_THAN_CHANNEL = "newer-than-channel"
    NO_RELEASE = "no-release"
    NO_FILE_FOR_PLATFORM = "no-file-for-platform"
    FAILED_BEFORE = "failed-before"
    NOWHERE_TO_GO = "nowhere-to-go"
    WAY_OUT_FAILED = "way-out-failed"
    BELOW_FLOOR = "below-floor"
    NOT_ON_CHANNEL = "not-on-channel"
    DIGEST_MISMATCH = "digest-mismatch"
    REVERT_NOT_SIGNED = "revert-not-signed"
    UPDATES_OFF = "updates-off"
    EXTERNALLY_MANAGED = "externally-managed"
    UNKNOWN_VERSION = "unknown-version"


@dataclass(frozen=True)
class Directive:
    """Stay, update or revert.

    Attributes:
        tag: the release to go to, up or back, as text; None with `STAY`.
        filename: the artifact to install; None with `STAY`.
        sha256: its digest; None with `STAY`. Only a hint: the worker believes signed metadata.
    """

    action: Action
    reason: Reason
    tag: str | None = None
    filename: str | None = None
    sha256: str | None = None
