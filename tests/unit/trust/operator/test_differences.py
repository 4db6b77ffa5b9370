"""What a key holder reads before signing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from securesystemslib.signer import SSlibKey

from gaia.model.artifact import Artifact
from gaia.model.channel import NO_FLOOR
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.trust.contents import to_contents
from gaia.trust.keys import KeyFolder
from gaia.trust.operator.differences import differences
from gaia.trust.roles import GAIA_WORKER, ROOT, TIMESTAMP
from support.operator import Change, Operator
from support.trust import LINUX, World

V4, V5, V6 = map(Tag.parse, ("v0.4.0", "v0.5.0", "v0.6.0"))


class Desk:
    def __init__(self, world: World) -> None:
        world.publish("v0.4.0", "v0.5.0")
        self.operator = Operator.carrying_away(KeyFolder(world.keys), world.clock)
        self.roles = world.repository.roles
        self.published = self.roles.publication()

    def told(self, *changes: Change) -> list[str]:
        return differences(self.roles, self.operator.draft(self.roles, *changes), {})

    def published_as(self, publication: Publication) -> list[str]:
        """Without the sentences on how long the signatures are good."""

        def change(drafter: object) -> None:
            drafter._contents.update(to_contents(publication))  # type: ignore[attr-defined]

        return [each for each in self.told(change) if "good until" not in each]


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def test_a_renewal_says_until_when(desk: Desk) -> None:
    (sentence,) = desk.told(lambda d: d.renew(GAIA_WORKER))
    assert sentence.endswith("gaia-worker.json: good until 2026-08-28")


def test_a_release(desk: Desk) -> None:
    artifact = Artifact(LINUX, 5, "6" * 64)
    publication = desk.published.with_artifact(V6, artifact).placed(V6, "stable")
    assert desk.published_as(publication) == [
        f"signs v0.6.0/{LINUX}, 5 bytes, SHA-256 {'6' * 64}",
        "channel stable: workers go to v0.6.0, from v0.5.0",
        "channel stable: v0.6.0 comes on the channel",
    ]


def test_a_withdrawal(desk: Desk) -> None:
    told = desk.published_as(desk.published.without(V5))
    assert f"signs v0.5.0/{LINUX} no longer" in told
    assert "channel stable: workers go to v0.4.0, from v0.5.0" in told
    assert "channel stable: v0.5.0 is withdrawn, and workers leave it" in told


def test_a_floor(desk: Desk) -> None:
    told = desk.published_as(desk.published.with_floor("stable", V4))
    assert told == [f"channel stable: the floor becomes v0.4.0, from {NO_FLOOR}"]


def test_keys(desk: Desk) -> None:
    new = desk.operator.holders("alice", "bob", threshold=2)
    (old,) = desk.roles.keys(GAIA_WORKER)
    told = desk.told(lambda d: d.hand_over(GAIA_WORKER, new))
    for key in new.keys:
        assert f"gaia-worker: key {key.keyid[:16]} is trusted from now on" in told
    assert f"gaia-worker: key {old[:16]} is not trusted any more" in told
    assert "gaia-worker: 2 of 2 keys must sign" in told


def test_keys_are_called_as_the_operator_calls_them(desk: Desk) -> None:
    new = desk.operator.holders("alice")
    draft = desk.operator.draft(desk.roles, lambda d: d.hand_over(GAIA_WORKER, new))
    told = differences(desk.roles, draft, {new.keys[0].keyid: "alice"})
    assert "gaia-worker: key alice is trusted from now on" in told


def test_online_and_root_keys(desk: Desk) -> None:
    holders = desk.operator.holders("new-1", "new-2")
    told = desk.told(
        lambda d: d.hand_over(TIMESTAMP, holders), lambda d: d.hand_over(ROOT, holders)
    )
    for role in (TIMESTAMP, ROOT):
        for key in holders.keys:
            assert f"{role}: key {key.keyid[:16]} is trusted from now on" in told
    assert "root: 1 of 2 keys must sign" in told


def test_a_new_channel(desk: Desk) -> None:
    told = desk.told(lambda d: d.hand_over("channel-beta", desk.operator.holders("beta")))
    assert "channel-beta: 1 of 1 keys must sign" in told
    assert any(each.startswith("channel-beta: key ") for each in told)


def test_a_key_that_becomes_another_one_behind_its_name(desk: Desk) -> None:
    draft = desk.operator.draft(desk.roles, lambda d: d.renew("targets"))
    assert draft.targets is not None
    delegations = draft.targets.signed.delegations
    assert delegations is not None
    (keyid,) = desk.roles.keys(GAIA_WORKER)
    thief = desk.operator.key("thief").public_key
    delegations.keys[keyid] = SSlibKey(keyid, "ed25519", "ed25519", thief.keyval)
    told = differences(desk.roles, draft, {})
    assert f"gaia-worker: key {keyid[:16]} is trusted from now on" in told
    assert f"gaia-worker: key {keyid[:16]} is not trusted any more" in told


def test_nothing_about_a_channel_is_passed_over(desk: Desk) -> None:
    """Vetting refuses some of these; a reader of the draft is told all the same."""
    stable = desk.published.pointers["stable"]
    assert stable is not None
    for pointer, sentence in (
        (None, "channel stable: nothing is on it any more"),
        (replace(stable, tags={V5: stable.tags[V5]}), "v0.4.0 leaves the channel"),
        (
            replace(stable, tags={**stable.tags, V4: {LINUX: "f" * 64}}),
            f"v0.4.0/{LINUX} becomes SHA-256 {'f' * 64}",
        ),
        (
            replace(stable, tags={**stable.tags, V4: {}}),
            f"v0.4.0/{LINUX} leaves the channel",
        ),
    ):
        told = desk.published_as(replace(desk.published, pointers={"stable": pointer}))
        assert any(sentence in each for each in told), sentence
    withdrawn = desk.published.without(V5)
    before = replace(stable, withdrawn=frozenset({Tag.parse("v0.1.0")}))
    desk.roles = desk.operator.draft(
        desk.roles,
        lambda d: d._contents.update(
            to_contents(replace(desk.published, pointers={"stable": before}))
        ),
    ).over(desk.roles)
    assert "channel stable: the withdrawal of v0.1.0 is taken back" in desk.published_as(
        replace(withdrawn, pointers={"stable": stable})
    )


def test_a_file_that_becomes_another_one(desk: Desk) -> None:
    files = {**desk.published.artifacts[V5], LINUX: Artifact(LINUX, 5, "f" * 64)}
    publication = replace(desk.published, artifacts={**desk.published.artifacts, V5: files})
    told = desk.published_as(publication)
    assert f"signs v0.5.0/{LINUX}, 5 bytes, SHA-256 {'f' * 64}" in told
