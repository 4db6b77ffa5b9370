"""What the roles sign for a publication."""

from __future__ import annotations

import pytest
from tuf.api.metadata import TargetFile

from gaia.errors import TrustError
from gaia.model.artifact import Artifact
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.trust.contents import to_contents, to_publication
from gaia.trust.roles import GAIA_WORKER

V4, V5 = map(Tag.parse, ("v0.4.0", "v0.5.0"))
LINUX = Artifact("gaia-worker-linux", 3, "a" * 64)


def test_each_role_signs_its_own() -> None:
    publication = (
        Publication()
        .with_artifact(V5, LINUX)
        .with_artifact(V4, LINUX)
        .placed(V5, "stable")
        .with_channel("beta")
    )
    contents = to_contents(publication)
    assert list(contents[GAIA_WORKER]) == ["v0.4.0/gaia-worker-linux", "v0.5.0/gaia-worker-linux"]
    assert list(contents["channel-stable"]) == ["channels/stable/pointer.json"]
    assert contents["channel-beta"] == {}
    assert to_publication(contents) == publication


def test_nothing_is_nothing() -> None:
    assert to_contents(Publication()) == {GAIA_WORKER: {}}
    assert to_publication({}) == Publication()


@pytest.mark.parametrize(
    "path",
    [
        *("", "x", "/", "v0.5.0", "latest/gaia-worker-linux", "../gaia-worker-linux"),
        *("0.5.0/gaia-worker-linux", "V0.5.0/gaia-worker-linux", "v0.5/gaia-worker-linux"),
    ],
)
def test_paths_that_are_no_file_of_a_release(path: str) -> None:
    with pytest.raises(TrustError) as refusal:
        to_publication({GAIA_WORKER: {path: TargetFile(3, {"sha256": "a" * 64}, path)}})
    assert refusal.value.code == "target-malformed"


@pytest.mark.parametrize("hashes", [{"sha512": "a" * 128}, {"sha256": "x"}, {"sha256": "A" * 64}])
def test_digests_that_cannot_be_used(hashes: dict[str, str]) -> None:
    path = "v0.5.0/gaia-worker-linux"
    with pytest.raises(TrustError) as refusal:
        to_publication({GAIA_WORKER: {path: TargetFile(3, hashes, path)}})
    assert refusal.value.code == "target-malformed"
