"""Fault 26, as far as metadata goes: tampered with, it is refused, and what was verified stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gaia.errors import TrustError
from gaia.model.tag import Tag
from support.trust import LINUX, World, current, edit

V6 = Tag.parse("v0.6.0")


def other_digest(signed: Any) -> None:
    signed["targets"][f"v0.6.0/{LINUX}"]["hashes"]["sha256"] = "0" * 64


def other_pointer(signed: Any) -> None:
    signed["targets"]["channels/stable/pointer.json"]["custom"]["current"] = "v9.0.0"


def other_key(signed: Any) -> None:
    role = signed["delegations"]["roles"][0]
    role["threshold"] = 1
    role["paths"] = ["*/*"]


def other_version(signed: Any) -> None:
    signed["meta"]["targets.json"]["version"] += 1


@pytest.mark.parametrize(
    ("role", "change"),
    [
        ("gaia-worker", other_digest),
        ("channel-stable", other_pointer),
        ("targets", other_key),
        ("snapshot", other_version),
    ],
)
def test_edited_on_the_server_s_disk(
    world: World, role: str, change: Callable[[Any], None]
) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    world.publish("v0.5.0", "v0.6.0", "v0.7.0")
    world.publish()  # targets stay; all others are new
    world.publish("v0.5.0", "v0.6.0")
    edit(world.newest(role), change)
    late = world.client(name="late")
    with pytest.raises(TrustError) as refusal:
        world.beat(late)
    assert refusal.value.code == "metadata-mismatch"
    assert role in refusal.value.message
    assert late.pointer("stable") is None
    if role != "targets":  # which this worker has already
        with pytest.raises(TrustError):
            world.beat(client)
        assert current(client) == "v0.5.0"
        with pytest.raises(TrustError) as refusal:
            client.target(V6, LINUX)
        assert refusal.value.code == "target-not-signed"


def test_edited_in_the_heartbeat(world: World) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    path = world.tuf / "timestamp.json"
    edit(path, lambda signed: signed.update(version=signed["version"] + 1))
    with pytest.raises(TrustError) as refusal:
        client.refresh(1, path.read_text())
    assert refusal.value.code == "metadata-signature"
    assert "timestamp" in refusal.value.message
    assert current(client) == "v0.5.0"


def test_the_next_publish_heals_it(world: World) -> None:
    world.publish("v0.5.0")
    client = world.client()
    edit(world.newest("gaia-worker"), lambda signed: signed["targets"].clear())
    with pytest.raises(TrustError):
        world.beat(client)
    world.publish("v0.5.0", "v0.6.0")
    world.beat(client)
    assert client.target(V6, LINUX).sha256 == "a" * 64


def test_the_server_does_not_sign_what_others_wrote(world: World) -> None:
    """Opened again over edited files, the server says which; it never signs them anew."""
    world.publish("v0.5.0")
    for role in ("gaia-worker", "channel-stable", "targets", "snapshot", "root"):
        path = world.newest(role)
        kept = path.read_bytes()
        edit(path, lambda signed: signed.update(expires="2099-01-01T00:00:00Z"))
        with pytest.raises(TrustError) as refusal:
            world.open()
        assert refusal.value.code == "repository-damaged"
        assert str(path) in refusal.value.message
        assert refusal.value.hint
        path.write_bytes(kept)
    world.open()
