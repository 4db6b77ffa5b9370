"""Fault 29, as far as the signed pointer goes: what may be offered is signed, not the server's."""

from __future__ import annotations

from gaia.model.directive import Action, Directive, Reason
from gaia.model.tag import Tag
from gaia.planning.directive import admit
from support.trust import LINUX, World


def test_an_old_signed_release_is_not_a_way_back(world: World) -> None:
    world.publish("v0.5.0", "v0.6.0")
    client = world.client()
    world.beat(client)
    old = client.target(Tag.parse("v0.5.0"), LINUX)  # still signed
    offer = Directive(Action.UPDATE, Reason.NEWER_RELEASE, "v0.5.0", LINUX, old.sha256)
    decision = admit(offer, version="v0.6.0", platform="linux", pointer=client.pointer("stable"))
    assert decision.action is Action.STAY


def test_the_floor_is_signed(world: World) -> None:
    world.publish("v0.5.0", "v0.6.0")
    world.repository.change(lambda before: before.with_floor("stable", Tag.parse("v0.5.0")))
    client = world.client()
    world.beat(client)
    pointer = client.pointer("stable")
    assert pointer is not None
    assert str(pointer.floor) == "v0.5.0"
