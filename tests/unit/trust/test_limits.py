"""What a server would publish, workers read: vetting refuses the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import pytest
from tuf.ngclient import UpdaterConfig

from gaia.errors import Refused
from gaia.model.artifact import Artifact
from gaia.model.channel import NO_FLOOR, Pointer
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.trust.drafting import Drafter
from gaia.trust.keys import KeyFolder
from gaia.trust.roles import ROOT, TARGETS, TIMESTAMP, longest
from gaia.trust.vetting import check_lengths
from support.trust import LINUX, World, current

MOST = 5_000_000


def many(count: int, padding: int = 0) -> Publication:
    """Releases with one file each; `padding` characters are spread over the tags of four."""
    pads = [min(56, max(0, padding - 56 * number)) for number in range(4)]
    names = [
        *(f"v0.{n}.0" for n in range(count)),
        *(f"v1.{n}.0-a" + "a" * pads[n] for n in range(4)),
    ]
    tags = [Tag.parse(name) for name in names]
    files: Mapping[Tag, Mapping[str, Artifact]] = {
        tag: {LINUX: Artifact(LINUX, 5, hashlib.sha256(str(tag).encode()).hexdigest())}
        for tag in tags
    }
    pointer = Pointer(tags[-1], NO_FLOOR, {tags[-1]: {LINUX: files[tags[-1]][LINUX].sha256}})
    return Publication(files, {"stable": pointer})


def length(world: World, publication: Publication) -> int:
    """Of the worker role that would be signed."""
    roles = world.repository.roles
    drafter = Drafter(roles, world.clock())
    drafter.publish(publication)
    signed = drafter.bundle().signed_by(KeyFolder(world.keys).all(), roles)
    return len(signed.delegated["gaia-worker"].data)


def test_the_limits_are_those_of_python_tuf() -> None:
    config = UpdaterConfig()
    assert longest(TARGETS) == config.targets_max_length == MOST
    assert longest(ROOT) == config.root_max_length
    assert longest(TIMESTAMP) == config.timestamp_max_length


def test_a_role_may_have_just_the_bytes_that_workers_read_and_not_one_more(world: World) -> None:
    world.publish("v0.5.0")
    world.publish()
    count = 36_000
    while not 0 <= (left := MOST - length(world, many(count))) < 4 * 56:
        count += left // 140
    with pytest.raises(Refused) as refusal:
        world.repository.change(lambda _: many(count, left + 1))
    assert refusal.value.code == "role-too-long"
    assert "5,000,001" in refusal.value.message
    assert world.repository.pointers() == {}
    world.repository.change(lambda _: many(count, left))
    assert world.newest("gaia-worker").stat().st_size == MOST
    client = world.client()
    world.beat(client)
    tag = world.repository.pointers()["stable"].current
    assert current(client) == str(tag)
    assert client.target(tag, LINUX).size == 5


def test_more_roots_than_python_tuf_would_follow_at_once(world: World) -> None:
    world.publish("v0.5.0")
    for _ in range(UpdaterConfig().max_root_rotations + 4):
        world.renew_root()
    client = world.client()
    world.beat(client)
    assert current(client) == "v0.5.0"
    assert f"{world.repository.root_version}.root.json" in world.source.reads


def test_a_draft_is_measured_before_anyone_signs_it(world: World) -> None:
    drafter = Drafter(world.repository.roles, world.clock())
    drafter.publish(replace(many(40_000), pointers={}))
    with pytest.raises(Refused) as refusal:
        check_lengths(drafter.bundle())
    assert refusal.value.code == "role-too-long"
    assert "gaia release withdraw" in refusal.value.hint
