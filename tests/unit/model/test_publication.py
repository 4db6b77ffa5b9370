"""How what is published may change."""

from __future__ import annotations

import pytest

from gaia.errors import Conflict, InvalidInput, NotFound
from gaia.model.artifact import Artifact
from gaia.model.channel import NO_FLOOR
from gaia.model.publication import Publication
from gaia.model.tag import Tag

V4, V5, V6 = map(Tag.parse, ("v0.4.0", "v0.5.0", "v0.6.0"))
LINUX = Artifact("gaia-worker-linux", 3, "a" * 64)
BUNDLE = Artifact("experiments.tar.gz", 4, "b" * 64)


def published(*tags: Tag, channel: str = "stable") -> Publication:
    publication = Publication()
    for tag in tags:
        publication = publication.with_artifact(tag, LINUX).placed(tag, channel)
    return publication


def current(publication: Publication, channel: str = "stable") -> Tag | None:
    pointer = publication.pointers[channel]
    return None if pointer is None else pointer.current


def test_the_highest_tag_wins_not_the_last_upload() -> None:
    assert current(published(V4, V5)) == current(published(V5, V4)) == V5


def test_an_upload_leaves_a_lowered_pointer_where_it_is() -> None:
    lowered = published(V4, V5).promoted(V4, "stable")
    more = lowered.with_artifact(V5, BUNDLE).placed(V5, "stable")
    assert current(more) == V4
    pointer = more.pointers["stable"]
    assert pointer is not None
    assert pointer.tags[V5] == {LINUX.filename: LINUX.sha256, BUNDLE.filename: BUNDLE.sha256}
    assert current(more.with_artifact(V6, LINUX).placed(V6, "stable")) == V6


def test_a_published_name_keeps_its_bytes() -> None:
    other = Artifact(LINUX.filename, 3, "c" * 64)
    with pytest.raises(Conflict) as refusal:
        published(V5).with_artifact(V5, other)
    assert refusal.value.code == "file-conflict"
    assert published(V5).with_artifact(V5, LINUX) == published(V5)


def test_a_release_may_be_on_several_channels() -> None:
    both = published(V5, channel="beta").promoted(V5, "stable").with_artifact(V5, BUNDLE)
    for channel in ("beta", "stable"):
        pointer = both.pointers[channel]
        assert pointer is not None
        assert BUNDLE.filename in pointer.tags[V5]


def test_what_is_not_signed_cannot_be_promoted() -> None:
    with pytest.raises(NotFound) as refusal:
        published(V5).promoted(V6, "stable")
    assert refusal.value.code == "no-such-release"
    assert "gaia release sign v0.6.0" in refusal.value.hint


@pytest.mark.parametrize("name", ["../x", "Stable", "", "a/b"])
def test_odd_channels_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        published(V5).promoted(V5, name)
    with pytest.raises(InvalidInput):
        published(V5).with_channel(name)


def test_nothing_goes_below_the_floor() -> None:
    floored = published(V4, V5).with_floor("stable", V5)
    with pytest.raises(Conflict) as refusal:
        floored.promoted(V4, "stable")
    assert refusal.value.code == "below-floor"
    with pytest.raises(Conflict) as refusal:
        floored.without(V5)
    assert refusal.value.code == "nothing-left"
    with pytest.raises(Conflict) as refusal:
        floored.with_floor("stable", V6)
    assert refusal.value.code == "floor-too-high"
    assert current(floored.with_floor("stable", NO_FLOOR).without(V5)) == V4


def test_a_withdrawn_tag_never_comes_back() -> None:
    both = published(V4, V5).promoted(V5, "beta").promoted(V4, "beta")
    left = both.without(V5)
    assert left.artifact(V5, LINUX.filename) is None
    for channel in ("stable", "beta"):
        pointer = left.pointers[channel]
        assert pointer is not None
        assert (pointer.current, set(pointer.tags)) == (V4, {V4})
        assert pointer.withdrawn == {V5}
    with pytest.raises(Conflict) as refusal:
        left.with_artifact(V5, LINUX)
    assert refusal.value.code == "release-withdrawn"
    assert left.without(V5) == left


def test_withdrawing_what_is_not_there() -> None:
    with pytest.raises(NotFound) as refusal:
        published(V5).without(V6)
    assert refusal.value.code == "no-such-release"
    with pytest.raises(NotFound) as refusal:
        published(V5).with_floor("beta", V5)
    assert refusal.value.code == "no-release"


def test_what_is_not_signed_cannot_be_placed() -> None:
    for publication in (published(V5), published(V4, V5).without(V4)):
        with pytest.raises(NotFound) as refusal:
            publication.placed(V4, "stable")
        assert refusal.value.code == "no-such-release"


def test_the_same_digest_has_one_size() -> None:
    with pytest.raises(Conflict) as refusal:
        published(V5).with_artifact(V5, Artifact(LINUX.filename, 4, LINUX.sha256))
    assert refusal.value.code == "file-conflict"
