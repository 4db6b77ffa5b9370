"""A publication as TUF targets: what each delegated role signs."""

from __future__ import annotations

from collections.abc import Mapping

from tuf.api.metadata import TargetFile

from gaia.errors import GaiaError, TrustError
from gaia.model.artifact import Artifact, check_sha256
from gaia.model.channel import Pointer
from gaia.model.publication import Files, Publication
from gaia.model.tag import Tag
from gaia.trust.pointer import from_target, to_target
from gaia.trust.roles import (
    GAIA_WORKER,
    artifact_path,
    channel_of,
    channel_role,
    pointer_path,
)

Contents = Mapping[str, Mapping[str, TargetFile]]
"""For each role that targets delegates to, what it signs: targets by path."""


def to_contents(publication: Publication) -> dict[str, dict[str, TargetFile]]:
    """What the roles have to sign for `publication`."""
    contents = {GAIA_WORKER: _artifact_targets(publication)}
    for channel, pointer in publication.pointers.items():
        targets = {} if pointer is None else {pointer_path(channel): to_target(channel, pointer)}
        contents[channel_role(channel)] = targets
    return contents


def to_publication(contents: Contents) -> Publication:
    """What the roles have signed.

    Raises:
        TrustError: `pointer-malformed` or `target-malformed`.
    """
    artifacts: dict[Tag, dict[str, Artifact]] = {}
    for path, target in contents.get(GAIA_WORKER, {}).items():
        tag, artifact = _artifact(path, target)
        artifacts.setdefault(tag, {})[artifact.filename] = artifact
    found: Mapping[Tag, Files] = artifacts
    return Publication(found, dict(_pointers(contents)))


def _artifact_targets(publication: Publication) -> dict[str, TargetFile]:
    targets = {}
    for tag, files in sorted(publication.artifacts.items()):
        for name, artifact in sorted(files.items()):
            path = artifact_path(tag, name)
            targets[path] = TargetFile(artifact.size, {"sha256": artifact.sha256}, path)
    return targets


def _artifact(path: str, target: TargetFile) -> tuple[Tag, Artifact]:
    text, _, filename = path.partition("/")
    try:
        tag = Tag.parse(text)
        artifact = Artifact(filename, target.length, check_sha256(target.hashes["sha256"]))
    except (GaiaError, KeyError) as error:
        raise _malformed(path) from error
    # Workers look for this spelling of the tag; by another one it would hide what they find.
    if artifact_path(tag, filename) != path:
        raise _malformed(path)
    return tag, artifact


def _malformed(path: str) -> TrustError:
    return TrustError(
        "target-malformed",
        f"The signed target {path!r} is not a file of a release, such as v0.5.0/FILE, with "
        "its SHA-256.",
        hint="Sign the role anew without it.",
    )


def _pointers(contents: Contents) -> list[tuple[str, Pointer | None]]:
    pointers = []
    for role, targets in contents.items():
        channel = channel_of(role)
        if channel is not None:
            target = targets.get(pointer_path(channel))
            pointers.append((channel, None if target is None else from_target(channel, target)))
    return pointers
