"""Fault 27: nothing that the signed metadata does not name, however it arrives."""

from __future__ import annotations

import pytest
from tuf.api.metadata import TargetFile

from gaia.errors import TrustError
from gaia.model.tag import Tag
from support.trust import LINUX, World


def test_a_file_that_was_never_published(world: World) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    with pytest.raises(TrustError) as refusal:
        client.target(Tag.parse("v9.9.9"), LINUX)
    assert refusal.value.code == "target-not-signed"


def test_a_withdrawn_release(world: World) -> None:
    world.publish("v0.5.0", "v0.6.0")
    client = world.client()
    world.beat(client)
    world.publish("v0.5.0")
    world.beat(client)
    with pytest.raises(TrustError) as refusal:
        client.target(Tag.parse("v0.6.0"), LINUX)
    assert refusal.value.code == "target-not-signed"


def test_a_channel_s_key_cannot_sign_a_binary(world: World) -> None:
    """TUF 5.6.7: a role speaks only for the paths that were delegated to it."""
    world.publish("v0.5.0")
    path = f"v9.9.9/{LINUX}"
    evil = TargetFile(1, {"sha256": "e" * 64}, path)
    world.forge("channel-stable", {**world.repository.roles.contents["channel-stable"], path: evil})
    client = world.client()
    world.beat(client)
    with pytest.raises(TrustError) as refusal:
        client.target(Tag.parse("v9.9.9"), LINUX)
    assert refusal.value.code == "target-not-signed"
