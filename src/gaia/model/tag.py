"""A release's tag: a semantic version (semver 2.0.0), written with or without a leading v."""

from __future__ import annotations

from dataclasses import dataclass
from functools import total_ordering

import semver

from gaia.errors import InvalidInput

MAX_TAG_LENGTH = 64
"""Characters. Tags become folder names and TUF target paths."""


@total_ordering
@dataclass(frozen=True, eq=False)
class Tag:
    """The name of a release, ordered by semver precedence.

    Semver gives versions that differ in build metadata alone the same precedence; they are then
    ordered by that text, so that "latest" never depends on the order of uploads. They are two
    releases all the same, and not equal.
    """

    version: semver.Version

    @classmethod
    def parse(cls, text: str) -> Tag:
        """Read `v0.5.0`, `0.5.0` or `v0.5.0-rc.1+build.7`.

        Raises:
            InvalidInput: `invalid-tag`.
        """
        bare = text.removeprefix("v")
        if len(text) > MAX_TAG_LENGTH or not bare.isascii() or not semver.Version.is_valid(bare):
            shown = text if len(text) <= MAX_TAG_LENGTH else text[:MAX_TAG_LENGTH] + "…"
            raise InvalidInput(
                "invalid-tag",
                f"The tag {shown!r} is not a semantic version.",
                hint="Use a tag such as v0.5.0 or v0.5.0-rc.1 (in a URL, write + as %2B).",
            )
        return cls(semver.Version.parse(bare))

    def __str__(self) -> str:
        return f"v{self.version}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tag) and str(self.version) == str(other.version)

    def __hash__(self) -> int:
        return hash(self.version)

    def __lt__(self, other: Tag) -> bool:
        order = self.version.compare(other.version)
        if order == 0:
            return (self.version.build or "") < (other.version.build or "")
        return order < 0

    def newer_than(self, other: Tag) -> bool:
        """Whether semver ranks this tag above `other`; build metadata does not count."""
        return self.version.compare(other.version) > 0
