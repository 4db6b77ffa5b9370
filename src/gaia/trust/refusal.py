"""Why metadata was refused, in words for the owner of a machine."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tuf.api.exceptions import (
    BadVersionNumberError,
    LengthOrHashMismatchError,
    UnsignedMetadataError,
)

from gaia.errors import TrustError
from gaia.trust.expiry import advice

_TELL = "Nothing new is installed. Tell the server's operator."


def expired(role: str, now: datetime) -> TrustError:
    """`role` is past its expiry, by this machine's clock."""
    return TrustError(
        "metadata-expired",
        f"The signed metadata of the role {role} has expired: "
        f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC.",
        hint="Nothing new is installed until the clock is right, or the server's operator has "
        f"renewed it. {advice(role)}.",
    )


def clock_wrong(expires: datetime, now: datetime) -> TrustError:
    """The timestamp is good for longer than one is ever signed for."""
    return TrustError(
        "clock-wrong",
        f"This machine's clock says {now:%Y-%m-%d %H:%M} UTC, but the server has signed a "
        f"timestamp that expires at {expires:%Y-%m-%d %H:%M} UTC, a day after it was signed.",
        hint="Set the clock, here or on the server. Nothing new is installed until then.",
    )


def clock_behind(floor: datetime, now: datetime) -> TrustError:
    """The clock stands before a time that has certainly been."""
    return TrustError(
        "clock-wrong",
        f"This machine's clock says {now:%Y-%m-%d %H:%M} UTC, but this worker was built, or last "
        f"heard from its server, at {floor:%Y-%m-%d %H:%M} UTC.",
        hint="Set this machine's clock. Nothing new is installed until then. If it is right now, "
        "and was wrong then, stop the worker and remove last-refresh in its trust folder.",
    )


def refused(error: Exception, role: str) -> TrustError:
    """What python-tuf says of `role`."""
    match error:
        case UnsignedMetadataError():
            return TrustError(
                "metadata-signature",
                f"The server's metadata of the role {role} is not signed by the keys it needs.",
                hint=_TELL,
            )
        case BadVersionNumberError():
            return TrustError(
                "metadata-rollback",
                f"The server's metadata of the role {role} is older than what this machine has "
                "already seen.",
                hint=_TELL,
            )
        case LengthOrHashMismatchError():
            return TrustError(
                "metadata-mismatch",
                f"The server's metadata of the role {role} is not the file that was signed.",
                hint=_TELL,
            )
    return TrustError(
        "metadata-invalid",
        f"The server's metadata of the role {role} cannot be used: {error}.",
        hint=_TELL,
    )


def unusable(folder: Path, error: OSError) -> TrustError:
    """The state folder cannot be written or read."""
    return TrustError(
        "trust-state-unusable",
        f"The trust state in {folder} cannot be kept: {error}.",
        hint="Make room there, or make it writable for the worker.",
    )


def not_signed(path: str) -> TrustError:
    """No role vouches for the target."""
    return TrustError(
        "target-not-signed",
        f"No signature vouches for {path}.",
        hint=_TELL,
    )


def not_on_channel(path: str, channel: str) -> TrustError:
    """The role that signs releases vouches for the target, the channel's does not."""
    return TrustError(
        "target-not-signed",
        f"The signed pointer of the channel {channel} does not name {path}.",
        hint=_TELL,
    )


def disagreement(path: str, channel: str) -> TrustError:
    """The two roles that have to vouch for a target have signed different bytes."""
    return TrustError(
        "roles-disagree",
        f"The signed pointer of the channel {channel} names other bytes as {path} than the role "
        "that signs releases does.",
        hint="Nothing new is installed. Tell the server's operator: one role's keys may be stolen.",
    )
