"""Vetting: whether a bundle may take the place of what is signed now. Pure; nothing is written."""

from __future__ import annotations

from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.signer import SSlibKey
from tuf.api.metadata import Key, Root, Targets

from gaia.errors import Conflict, GaiaError, InvalidInput, Refused, TrustError
from gaia.model.channel import Pointer, check_channel
from gaia.model.publication import Publication
from gaia.trust.bundle import Bundle
from gaia.trust.document import Document
from gaia.trust.roles import (
    GAIA_WORKER,
    channel_of,
    lifetime,
    longest,
    next_version,
    paths_of,
)
from gaia.trust.signed_roles import SignedRoles, delegated_roles

_WORKERS_VERIFY = ("ed25519", "ed25519")
"""Key type and scheme: all that a worker can verify, since it carries no `cryptography`."""


def vetted(roles: SignedRoles, bundle: Bundle, now: datetime) -> SignedRoles:
    """The roles with `bundle` in place, every signature and statement checked.

    Args:
        roles: what is signed now.
        now: the time, in UTC.

    Raises:
        Conflict: `bundle-outdated` (someone else was faster), `file-conflict`, or
            `bundle-refused` (it says what cannot be served).
        Refused: `bundle-unsigned` or `role-too-long`.
    """
    if not bundle:
        raise _refused("it is empty")
    _check_base(roles, bundle)
    _check_signatures(roles, bundle)
    return examined(roles, bundle, now)


def examined(roles: SignedRoles, bundle: Bundle, now: datetime) -> SignedRoles:
    """The roles with `bundle` in place, all checked but its own signatures.

    For key holders too, before they sign: an honest server would refuse it otherwise, and what it
    changes could not be told in sentences.

    Raises:
        Conflict: `file-conflict` or `bundle-refused`.
        Refused: `role-too-long`.
    """
    result = bundle.over(roles)
    check_lengths(bundle)
    _check_succession(roles, bundle, now)
    _check_keys(result)
    _check_delegations(roles, result)
    _check_kept(result, bundle)
    _check_content(roles.publication(), result)
    return result


def check_lengths(bundle: Bundle) -> None:
    """Return when workers would read all of it.

    Raises:
        Refused: `role-too-long`.
    """
    for document in bundle.documents():
        length, most = len(document.data), longest(document.role)
        if length > most:
            raise Refused(
                "role-too-long",
                f"The role {document.role} would be {length:,} bytes long, and workers read at "
                f"most {most:,}. Nothing was changed.",
                hint="Withdraw releases that no worker needs: gaia release list shows them, "
                "gaia release withdraw TAG makes room.",
            )


def _check_base(roles: SignedRoles, bundle: Bundle) -> None:
    versions = roles.versions
    for document in bundle.documents():
        base, present = bundle.based_on.get(document.role), versions.get(document.role, 0)
        if base != present:
            raise Conflict(
                "bundle-outdated",
                f"The bundle changes version {base} of {document.role}, but the server has "
                f"version {present}; nothing was changed.",
                hint="Someone else was faster: repeat your command, which starts from what they "
                "have signed.",
            )


def _check_signatures(roles: SignedRoles, bundle: Bundle) -> None:
    lacking = [count for count in bundle.signatures(roles) if count.missing]
    if lacking:
        raise Refused(
            "bundle-unsigned",
            f"Signatures are missing: {'; '.join(map(str, lacking))}. Nothing was changed.",
            hint="Have another key holder add theirs: gaia trust sign DRAFT.",
        )


def _check_succession(roles: SignedRoles, bundle: Bundle, now: datetime) -> None:
    expected = roles.root.version + 1
    for root in bundle.roots:
        if root.version != expected:
            raise _refused(f"root {expected} is to follow, not {root.version} (TUF 5.3.5)")
        expected += 1
    versions = roles.versions
    for document in bundle.documents():
        if document.version <= versions.get(document.role, 0):
            raise _refused(f"{document.name} is not newer than what the server has")
        if not isinstance(document.signed, Root):
            _check_not_ahead(document, versions.get(document.role, 0), now)
        newest = not isinstance(document.signed, Root) or document is bundle.roots[-1]
        if newest and document.signed.expires <= now:
            raise _refused(f"{document.name} has expired, by this server's clock")


def _check_not_ahead(
    document: Document[Root] | Document[Targets], last: int, now: datetime
) -> None:
    """A thief of a role's keys must not use up the versions (a fast-forward attack)."""
    if document.version > next_version(last, now + lifetime(document.role)):
        raise _refused(f"the version of {document.name} is far ahead of the time")


def _check_keys(result: SignedRoles) -> None:
    if not result.root.consistent_snapshot:
        raise _refused("the root has no consistent snapshots (TUF 6.2)")
    delegations = result.targets.signed.delegations
    for key in [*result.root.keys.values(), *(delegations.keys.values() if delegations else ())]:
        if (key.keytype, key.scheme) != _WORKERS_VERIFY:
            raise _refused(f"workers verify Ed25519 only, and the key {key.keyid} is {key.keytype}")
        if key.keyid != _keyid(key):
            raise _refused(f"{key.keyid} is not the ID of its key")


def _keyid(key: Key) -> str | None:
    """What `key` has to be called: else two names could stand for one key, or one for two."""
    try:
        raw = bytes.fromhex(key.keyval["public"])
        return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(raw)).keyid
    except (KeyError, TypeError, ValueError):
        return None


def _check_delegations(roles: SignedRoles, result: SignedRoles) -> None:
    targets = result.targets.signed
    if targets.targets:
        raise _refused("the role targets signs files itself; it may only delegate")
    gone = set(roles.delegated) - set(delegated_roles(targets))
    if gone:
        raise _refused(f"a role cannot leave the snapshot (TUF 5.5.5): {', '.join(sorted(gone))}")
    strange = set(result.delegated) - set(delegated_roles(targets))
    if strange:
        raise _refused(f"targets does not delegate to {', '.join(sorted(strange))}")
    for name, role in ((targets.delegations and targets.delegations.roles) or {}).items():
        if name != GAIA_WORKER and not _is_channel(name):
            raise _refused(f"the role {name} is neither {GAIA_WORKER} nor a channel")
        if not role.terminating or role.paths != [*paths_of(name)]:
            raise _refused(f"the paths of {name} are not {', '.join(paths_of(name))}, terminating")
    for name, document in result.delegated.items():
        if document.signed.delegations is not None:
            raise _refused(f"the role {name} delegates to others; only targets may")


def _is_channel(role: str) -> bool:
    try:
        return check_channel(channel_of(role) or "") != ""
    except InvalidInput:
        return False


def _check_kept(result: SignedRoles, bundle: Bundle) -> None:
    """What the bundle does not sign anew must be signed by keys that are still trusted."""
    anew = {document.role for document in bundle.documents()}
    kept: list[tuple[Document[Targets], Root | Targets]] = [(result.targets, result.root)]
    for role in delegated_roles(result.targets.signed):
        if role not in result.delegated:
            raise _refused(f"the new role {role} has no file")
        kept.append((result.delegated[role], result.targets.signed))
    for document, delegator in kept:
        if document.role not in anew and not document.vouched_for_by(delegator):
            raise _refused(
                f"the keys of {document.role} change, so it has to be signed anew in the same "
                "bundle"
            )


def _check_content(before: Publication, result: SignedRoles) -> None:
    try:
        after = result.publication()
    except TrustError as error:
        raise _refused(error.message.rstrip(".")) from error
    for tag, files in after.artifacts.items():
        for name, artifact in files.items():
            if before.artifact(tag, name) not in (None, artifact):
                raise Conflict(
                    "file-conflict",
                    f"The bundle signs other bytes as {tag}/{name} than were published; nothing "
                    "was changed.",
                    hint="A published file never changes: sign it under a new tag.",
                )
    for channel, pointer in after.pointers.items():
        _check_withdrawals(channel, before.pointers.get(channel), pointer)
        kept = before.pointers.get(channel) == pointer and before.artifacts == after.artifacts
        if pointer is not None and not kept:
            _check_pointer(channel, pointer, after)
    returned = before.withdrawn & after.artifacts.keys()
    if returned:
        raise _refused(f"{min(returned)} was withdrawn, and a tag never comes back")


def _check_withdrawals(channel: str, before: Pointer | None, after: Pointer | None) -> None:
    revoked = (before.withdrawn if before else frozenset()) - (
        after.withdrawn if after else frozenset()
    )
    if revoked:
        raise _refused(f"{min(revoked)} was withdrawn from {channel}, and stays so")


def _check_pointer(channel: str, pointer: Pointer, after: Publication) -> None:
    for tag, files in pointer.tags.items():
        for name, sha256 in files.items():
            artifact = after.artifact(tag, name)
            if artifact is None or artifact.sha256 != sha256:
                raise _refused(f"the channel {channel} names {tag}/{name}, which is not signed so")
    if pointer.current not in pointer.tags:
        raise _refused(f"the channel {channel} points at {pointer.current}, which is not on it")


def _refused(why: str) -> GaiaError:
    return Conflict(
        "bundle-refused",
        f"The bundle cannot be accepted: {why}. Nothing was changed.",
        hint="Make it anew with gaia release or gaia trust, from what the server has now.",
    )
