"""Whether signed roles from elsewhere continue those that are known here, and still count."""

from __future__ import annotations

from datetime import datetime

from gaia.errors import Conflict, TrustError
from gaia.trust.roles import spoken
from gaia.trust.signed_roles import SignedRoles


def share_roots(some: SignedRoles, others: SignedRoles) -> bool:
    """Whether both are of one repository: their chains of roots agree as far as both go.

    The first one to the byte, since its SHA-256 is what workers are pinned to.
    """
    common = zip(some.roots, others.roots, strict=False)
    return some.fingerprint == others.fingerprint and all(
        ours.signed == theirs.signed for ours, theirs in common
    )


def behind(shown: SignedRoles, known: SignedRoles) -> list[str]:
    """The roles that `shown` has in an older version than `known`, or not at all, in words."""
    versions = shown.versions
    return [
        f"{role} {versions.get(role, 0)} instead of {version}"
        for role, version in known.versions.items()
        if versions.get(role, 0) < version
    ]


def contradicted(shown: SignedRoles, known: SignedRoles) -> list[str]:
    """The files of `known` that `shown` has with other content: signed twice."""
    contents = {document.name: document.metadata.signed_bytes for document in known.newest()}
    return [
        document.name
        for document in shown.newest()
        if contents.get(document.name, document.metadata.signed_bytes)
        != document.metadata.signed_bytes
    ]


def check_continues(parcel: SignedRoles, known: SignedRoles, holder: str) -> None:
    """Look whether a parcel comes after what is known already.

    Args:
        holder: who knows it.

    Raises:
        TrustError: `parcel-other-root` or `parcel-forked`.
        Conflict: `parcel-older`.
    """
    if not share_roots(parcel, known):
        raise TrustError(
            "parcel-other-root",
            f"The parcel has another trust root (sha256:{parcel.fingerprint}) than {holder} "
            f"(sha256:{known.fingerprint}). Nothing was changed.",
            hint="It is another repository's. A server that was started without the repository's "
            "roles has made one of its own: begin with gaia trust seed, in an empty data folder.",
        )
    older = behind(parcel, known)
    if older:
        raise Conflict(
            "parcel-older",
            f"The parcel has older signed roles than {holder}: {', '.join(older)}. Nothing was "
            "changed.",
            hint="Bring a newer one: gaia release export.",
        )
    forked = contradicted(parcel, known)
    if forked:
        raise TrustError(
            "parcel-forked",
            f"The parcel has another {', '.join(forked)} than {holder}. Nothing was changed.",
            hint="Somebody signed twice: compare with the other key holders, then replace keys "
            "that are in other hands: gaia trust rotate ROLE KEY…",
        )


def check_fresh(roles: SignedRoles, now: datetime) -> None:
    """Look whether workers would still go by all of the roles.

    Raises:
        TrustError: `role-expired`.
    """
    for document in roles.newest():
        if document.signed.expires <= now:
            role = spoken(document.role)
            raise TrustError(
                "role-expired",
                f"The signatures of {role} expired on {document.signed.expires:%Y-%m-%d}, by this "
                "machine's clock: no worker would install anything new by them. Nothing was "
                "changed.",
                hint=f"Where the keys are: gaia trust renew {role}; then export anew.",
            )
