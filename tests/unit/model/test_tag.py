"""Tags are semantic versions, with or without v."""

import pytest

from gaia.errors import InvalidInput
from gaia.model.tag import MAX_TAG_LENGTH, Tag


def test_v_is_optional_and_canonical() -> None:
    assert Tag.parse("0.5.0") == Tag.parse("v0.5.0")
    assert str(Tag.parse("0.5.0")) == "v0.5.0"


def test_precedence_is_semvers() -> None:
    # The order of semver.org, clause 11.
    written = ["v1.0.0-alpha", "v1.0.0-alpha.1", "v1.0.0-beta.2", "v1.0.0-beta.11", "v1.0.0"]
    tags = [Tag.parse(text) for text in written]
    assert [max(tags[: end + 1]) for end in range(len(tags))] == tags
    assert Tag.parse("v0.10.0") > Tag.parse("v0.9.9")


def test_build_metadata_orders_but_is_not_newer() -> None:
    plain, built = Tag.parse("v1.0.0"), Tag.parse("v1.0.0+cuda12")
    assert plain < built
    assert not built.newer_than(plain)


def test_releases_that_differ_in_build_metadata_are_two() -> None:
    one, two = Tag.parse("v1.0.0+a"), Tag.parse("v1.0.0+b")
    assert one != two
    assert two > one
    assert max([one, two]) == max([two, one]) == two
    assert len({one, two, Tag.parse("1.0.0+a")}) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v",
        "latest",
        "1.2",
        "vv1.2.3",
        "v01.2.3",
        "v1.2.3 ",
        "../v1.2.3",
        "v1.2.3/..",
        "v1.2.3\n",
        "v1.2.³",
        "v1.2.3-" + "a" * MAX_TAG_LENGTH,
    ],
)
def test_anything_else_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Tag.parse(text)
    assert caught.value.code == "invalid-tag"
    assert "v0.5.0" in caught.value.hint
