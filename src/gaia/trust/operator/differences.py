"""What a signature would change, in sentences: a key holder reads before signing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gaia.model.channel import Pointer
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.trust.bundle import Bundle
from gaia.trust.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from gaia.trust.signed_roles import SignedRoles


def differences(roles: SignedRoles, bundle: Bundle, names: Mapping[str, str]) -> list[str]:
    """The sentences, most important first.

    Args:
        names: what the operator calls keys, by key ID.

    Raises:
        TrustError: `pointer-malformed` or `target-malformed`.
    """
    after = bundle.over(roles)
    return [
        *_keys(roles, after, names),
        *_files(roles.publication(), after.publication()),
        *_pointers(roles.publication(), after.publication()),
        *(f"{d.name}: good until {d.signed.expires:%Y-%m-%d}" for d in bundle.documents()),
    ]


def _keys(before: SignedRoles, after: SignedRoles, names: Mapping[str, str]) -> Iterator[str]:
    def called(keyid: str) -> str:
        return names.get(keyid) or keyid[:16]

    for role in [ROOT, TARGETS, SNAPSHOT, TIMESTAMP, *after.delegated]:
        known = role in before.delegated or role not in after.delegated
        old = _identities(before, role) if known else set()
        new = _identities(after, role)
        for keyid, _ in sorted(new - old):
            yield f"{role}: key {called(keyid)} is trusted from now on"
        for keyid, _ in sorted(old - new):
            yield f"{role}: key {called(keyid)} is not trusted any more"
        threshold = after.threshold(role)
        if not known or before.threshold(role) != threshold:
            yield f"{role}: {threshold} of {len(new)} keys must sign"


def _identities(roles: SignedRoles, role: str) -> set[tuple[str, str]]:
    """Keys by ID and value: whoever drafts could put another key behind a known ID."""
    return {(keyid, str(key.keyval)) for keyid, key in roles.keys(role).items()}


def _files(before: Publication, after: Publication) -> Iterator[str]:
    for tag, files in sorted(after.artifacts.items()):
        for name, artifact in sorted(files.items()):
            if before.artifact(tag, name) != artifact:
                yield f"signs {tag}/{name}, {artifact.size} bytes, SHA-256 {artifact.sha256}"
    for tag, files in sorted(before.artifacts.items()):
        for name in sorted(files):
            if after.artifact(tag, name) is None:
                yield f"signs {tag}/{name} no longer"


def _pointers(before: Publication, after: Publication) -> Iterator[str]:
    for channel, pointer in after.pointers.items():
        old = before.pointers.get(channel)
        if pointer is None and old is not None:
            yield f"channel {channel}: nothing is on it any more"
        elif pointer is not None and pointer != old:
            yield from (f"channel {channel}: {change}" for change in _moves(old, pointer))


def _moves(old: Pointer | None, new: Pointer) -> Iterator[str]:
    if old is None or old.current != new.current:
        yield f"workers go to {new.current}" + ("" if old is None else f", from {old.current}")
    if old is not None and old.floor != new.floor:
        yield f"the floor becomes {new.floor}, from {old.floor}"
    withdrawn = old.withdrawn if old else frozenset()
    for tag in sorted(new.withdrawn - withdrawn):
        yield f"{tag} is withdrawn, and workers leave it"
    for tag in sorted(withdrawn - new.withdrawn):
        yield f"the withdrawal of {tag} is taken back"
    yield from _tags(old.tags if old else {}, new.tags)


def _tags(
    old: Mapping[Tag, Mapping[str, str]], new: Mapping[Tag, Mapping[str, str]]
) -> Iterator[str]:
    for tag in sorted(new.keys() - old.keys()):
        yield f"{tag} comes on the channel"
    for tag in sorted(old.keys() - new.keys()):
        yield f"{tag} leaves the channel"
    for tag in sorted(new.keys() & old.keys()):
        for name, digest in sorted(new[tag].items()):
            if old[tag].get(name) != digest:
                yield f"{tag}/{name} becomes SHA-256 {digest}"
        for name in sorted(old[tag].keys() - new[tag].keys()):
            yield f"{tag}/{name} leaves the channel"
