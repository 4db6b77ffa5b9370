"""Fault 29: a worker goes back only where the signed pointer says so, and that is no trap."""

from __future__ import annotations

import pytest

from gaia.model.channel import Pointer
from gaia.model.directive import Action, Directive, Reason
from gaia.model.tag import Tag
from gaia.planning.directive import admit, decide
from gaia.trust.client import TrustClient
from support.machine import Machine
from support.trust import LINUX, World, release

V4, V5, V6 = map(Tag.parse, ("v0.4.9", "v0.5.0", "v0.6.0"))


@pytest.fixture
def client(world: World) -> TrustClient:
    """Of a worker that runs v0.6.0, with two older releases signed as well."""
    digits = {"v0.4.9": "4", "v0.5.0": "5", "v0.6.0": "6"}
    world.publish_releases(*(release(tag, linux=digit) for tag, digit in digits.items()))
    client = world.client()
    world.beat(client)
    return client


def pointer(world: World, client: TrustClient) -> Pointer | None:
    world.beat(client)
    return client.pointer("stable")


def offer(client: TrustClient, tag: str, action: Action) -> Directive:
    """What a server that holds no key may say of a release that is signed."""
    signed = client.target(Tag.parse(tag), LINUX)
    return Directive(action, Reason.NEWER_RELEASE, tag, LINUX, signed.sha256)


@pytest.mark.parametrize("action", [Action.UPDATE, Action.REVERT])
@pytest.mark.parametrize("tag", ["v0.4.9", "v0.5.0"])
def test_an_old_signed_release_is_not_a_way_back(
    world: World, client: TrustClient, tag: str, action: Action
) -> None:
    told = offer(client, tag, action)
    decision = admit(told, version="v0.6.0", platform="linux", pointer=pointer(world, client))
    assert decision.action is Action.STAY


def test_a_withdrawal_is_a_way_back_to_one_release(world: World, client: TrustClient) -> None:
    world.repository.change(lambda before: before.without(V6))
    signed = pointer(world, client)
    decision = decide(version="v0.6.0", platform="linux", pointer=signed)
    assert (decision.action, decision.tag) == (Action.REVERT, "v0.5.0")
    lower = offer(client, "v0.4.9", Action.REVERT)
    refused = admit(lower, version="v0.6.0", platform="linux", pointer=signed)
    assert refused == Directive(Action.STAY, Reason.REVERT_NOT_SIGNED)


def test_a_lowered_pointer_is_a_way_back_down_to_the_floor(
    world: World, client: TrustClient
) -> None:
    world.repository.change(lambda before: before.with_floor("stable", V5).promoted(V5, "stable"))
    signed = pointer(world, client)
    decision = decide(version="v0.6.0", platform="linux", pointer=signed)
    assert (decision.reason, decision.tag) == (Reason.POINTER_LOWERED, "v0.5.0")
    below = admit(
        offer(client, "v0.4.9", Action.REVERT), version="v0.6.0", platform="linux", pointer=signed
    )
    assert below == Directive(Action.STAY, Reason.BELOW_FLOOR)


def test_an_old_pointer_does_not_come_back(world: World, client: TrustClient) -> None:
    """A server that replays what was signed before the floor was raised is a rollback: refused."""
    world.repository.change(lambda before: before.with_floor("stable", V6))
    signed = pointer(world, client)
    assert signed is not None
    assert signed.floor == V6
    restarted = world.client()
    kept = restarted.pointer("stable")
    assert kept == signed


@pytest.fixture
def machine(machine: Machine) -> Machine:
    """No release here hangs, so that a busy computer is not taken for one that does."""
    machine.environment["TEST_SILENCE"] = "60"
    return machine


def test_the_way_back_needs_no_download(machine: Machine) -> None:
    old, new = machine.release("v0.5.0"), machine.release("v0.6.0")
    machine.install(old)
    machine.start()
    machine.offer("v0.6.0", new)
    machine.reaches(tag="v0.6.0", state="idle")
    machine.offer_from(machine.folder / "nowhere", "v0.5.0", old)
    machine.reaches(tag="v0.5.0", state="idle", failure=None)
    assert machine.live() == old


def test_a_way_back_that_fails_ends_where_it_began(machine: Machine) -> None:
    """The withdrawn release comes back from the backup, once: its successor is not tried again."""
    old = machine.release("v0.5.0", "exit-if-broken-at-once")
    new = machine.release("v0.6.0")
    machine.install(new)
    machine.start()
    machine.reaches(tag="v0.6.0", state="idle")
    (machine.folder / "broken").touch()
    digest = machine.offer("v0.5.0", old)
    status = machine.reaches(tag="v0.6.0", state="idle", failed=[digest])
    assert status["failure"]["tag"] == "v0.5.0"
    assert machine.live() == new
    machine.offer("v0.7.0", machine.release("v0.7.0"))
    machine.reaches(tag="v0.7.0", state="idle", failed=[digest])
    starts = [event["tag"] for event in machine.events("start")]
    assert starts == ["v0.6.0", "v0.5.0", "v0.6.0", "v0.7.0"]


def test_after_a_way_back_nothing_starts_the_backup(machine: Machine) -> None:
    """The next update that fails falls back to what ran, not to what was withdrawn before."""
    withdrawn, old = machine.release("v0.6.0"), machine.release("v0.5.0")
    machine.install(withdrawn)
    machine.start()
    machine.offer("v0.5.0", old)
    machine.reaches(tag="v0.5.0", state="idle")
    assert machine.backup.read_bytes() == withdrawn
    bad = machine.offer("v0.7.0", machine.release("v0.7.0", "exit-at-once"))
    machine.reaches(tag="v0.5.0", state="idle", failed=[bad])
    assert machine.live() == old
    starts = [event["tag"] for event in machine.events("start")]
    assert starts == ["v0.6.0", "v0.5.0", "v0.7.0", "v0.5.0"]
