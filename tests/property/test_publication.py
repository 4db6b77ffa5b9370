"""Whatever is decided, in whatever order: what is published makes sense."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gaia.errors import Conflict, InvalidInput, NotFound
from gaia.model.artifact import Artifact
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.trust.contents import to_contents, to_publication
from gaia.trust.pointer import from_target

tags = st.sampled_from(["v0.1.0", "v0.2.0-rc.1", "v0.2.0", "v0.2.0+b", "v1.0.0"]).map(Tag.parse)
channels = st.sampled_from(["stable", "beta"])
artifacts = st.builds(
    Artifact,
    st.sampled_from(["gaia-worker-linux", "gaia-worker-windows.exe", "experiments.tar.gz"]),
    st.integers(1, 2),
    st.sampled_from("ab").map(lambda digit: digit * 64),
)


class Decisions(RuleBasedStateMachine):
    """Each rule is a decision, made or refused."""

    def __init__(self) -> None:
        super().__init__()
        self.publication = Publication()
        self.offered: dict[tuple[Tag, str], Artifact] = {}
        self.gone: dict[str, frozenset[Tag]] = {}

    def decide(self, decision: Callable[[], Publication]) -> None:
        with suppress(Conflict, NotFound, InvalidInput):
            self.publication = decision()

    @rule(tag=tags, artifact=artifacts)
    def sign(self, tag: Tag, artifact: Artifact) -> None:
        self.decide(lambda: self.publication.with_artifact(tag, artifact))

    @rule(tag=tags, artifact=artifacts, channel=channels)
    def upload(self, tag: Tag, artifact: Artifact, channel: str) -> None:
        self.decide(lambda: self.publication.with_artifact(tag, artifact).placed(tag, channel))

    @rule(tag=tags, channel=channels)
    def place(self, tag: Tag, channel: str) -> None:
        self.decide(lambda: self.publication.placed(tag, channel))

    @rule(tag=tags, channel=channels)
    def promote(self, tag: Tag, channel: str) -> None:
        self.decide(lambda: self.publication.promoted(tag, channel))

    @rule(tag=tags, channel=channels)
    def set_floor(self, tag: Tag, channel: str) -> None:
        self.decide(lambda: self.publication.with_floor(channel, tag))

    @rule(tag=tags)
    def withdraw(self, tag: Tag) -> None:
        self.decide(lambda: self.publication.without(tag))

    @rule(channel=channels)
    def make_channel(self, channel: str) -> None:
        self.publication = self.publication.with_channel(channel)

    @invariant()
    def each_channel_makes_sense(self) -> None:
        for channel, pointer in self.publication.pointers.items():
            if pointer is None:
                assert channel not in self.gone
                continue
            assert pointer.current in pointer.tags
            assert pointer.floor <= pointer.current
            assert self.gone.get(channel, frozenset()) <= pointer.withdrawn
            self.gone[channel] = pointer.withdrawn
            for tag, files in pointer.tags.items():
                signed = self.publication.artifacts[tag]
                assert files == {name: artifact.sha256 for name, artifact in signed.items()}

    @invariant()
    def nothing_that_was_withdrawn_is_left(self) -> None:
        withdrawn = self.publication.withdrawn
        assert withdrawn.isdisjoint(self.publication.artifacts)
        for pointer in self.publication.pointers.values():
            assert pointer is None or withdrawn.isdisjoint(pointer.tags)

    @invariant()
    def what_workers_were_offered_never_changes(self) -> None:
        for pointer in self.publication.pointers.values():
            for tag in pointer.tags if pointer else ():
                for name, artifact in self.publication.artifacts[tag].items():
                    assert self.offered.setdefault((tag, name), artifact) == artifact

    @invariant()
    def it_survives_signing(self) -> None:
        contents = to_contents(self.publication)
        assert to_publication(contents) == self.publication
        for channel, pointer in self.publication.pointers.items():
            for target in contents[f"channel-{channel}"].values():
                assert from_target(channel, target) == pointer


TestDecisions = Decisions.TestCase
TestDecisions.settings = settings(stateful_step_count=20, max_examples=60)
