"""The server is taken over, in strict mode, and keys are stolen: what workers could be made to run.

Each sentence of the threat model (docs/explanation/security.md) that speaks of keys is one here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from securesystemslib.signer import CryptoSigner

from gaia.model.channel import NO_FLOOR
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.trust.drafting import Drafter, Holders
from gaia.trust.roles import GAIA_WORKER, ROOT, TARGETS
from support.attack import (
    DIGESTS,
    EVIL,
    FRESH,
    HELD,
    KNOWN,
    RUNS,
    STABLE,
    UNSIGNED,
    StrictWorld,
    Thief,
    Victim,
    published,
    victim,
    worker_file,
)
from support.trust import LINUX, Clock, World, current

NOTHING: set[str] = set()


def keys(*roles: str, each: int = 2) -> list[str]:
    return [name for role in roles for name in HELD[role][:each]]


def arbitrary_software(before: Publication) -> Publication:
    return published(before, EVIL, UNSIGNED)


def other_bytes(before: Publication) -> Publication:
    """Another program under a name that the channel points at, the pointer left as it is."""
    higher = {LINUX: worker_file(UNSIGNED)}
    return replace(before, artifacts={**before.artifacts, Tag.parse("v0.6.0"): higher})


def everything_withdrawn(before: Publication) -> Publication:
    return replace(before, artifacts={})


def pointed(tag: str, floor: str, sha256: str) -> Callable[[Publication], Publication]:
    def change(before: Publication) -> Publication:
        pointer = before.pointers["stable"]
        assert pointer is not None
        moved = replace(
            pointer,
            current=Tag.parse(tag),
            floor=Tag.parse(floor),
            tags={**pointer.tags, Tag.parse(tag): {LINUX: sha256}},
            withdrawn=frozenset(),
        )
        return replace(before, pointers={"stable": moved})

    return change


class Case(NamedTuple):
    """What is stolen beside the server, what the thief says, and what workers could then run."""

    stolen: Collection[str]
    says: Callable[[Publication], Publication]
    runs: Collection[str]
    refused: str = ""


CASES = {
    "a hostile server without other keys runs nothing": Case(
        [], arbitrary_software, NOTHING, "metadata-signature"
    ),
    "one release key is below the threshold": Case(
        keys(GAIA_WORKER, each=1), other_bytes, NOTHING, "metadata-signature"
    ),
    "one channel key is below the threshold": Case(
        keys(STABLE, each=1),
        pointed("v0.3.0", "v0.3.0", DIGESTS["v0.3.0"]),
        NOTHING,
        "metadata-signature",
    ),
    "one key of every role is below the threshold": Case(
        keys(*HELD, each=1), arbitrary_software, NOTHING, "metadata-signature"
    ),
    "the release role alone brings nothing that the channel does not name": Case(
        keys(GAIA_WORKER), other_bytes, NOTHING
    ),
    "the release role alone can take everything away": Case(
        keys(GAIA_WORKER), everything_withdrawn, NOTHING
    ),
    "the channel role alone runs nothing that is not signed": Case(
        keys(STABLE), pointed(EVIL, "v0.4.0", UNSIGNED), NOTHING, "target-not-signed"
    ),
    "the channel role alone cannot swap bytes": Case(
        keys(STABLE), pointed("v0.6.0", "v0.4.0", UNSIGNED), NOTHING, "target-not-signed"
    ),
    "the channel role alone goes back to any signed release, the floor being its own": Case(
        keys(STABLE), pointed("v0.3.0", str(NO_FLOOR), DIGESTS["v0.3.0"]), {DIGESTS["v0.3.0"]}
    ),
    "the channel role alone does not bring a withdrawn release back": Case(
        keys(STABLE),
        pointed("v0.2.0", str(NO_FLOOR), DIGESTS["v0.2.0"]),
        NOTHING,
        "target-not-signed",
    ),
    "release and channel role together run anything": Case(
        keys(GAIA_WORKER, STABLE), arbitrary_software, {UNSIGNED}
    ),
}


@pytest.mark.parametrize("sentence", CASES)
def test_what_stolen_keys_make_workers_run(
    world: StrictWorld, worker: Victim, sentence: str
) -> None:
    case = CASES[sentence]
    Thief(world, case.stolen).publish(case.says)
    assert worker.would_run() == case.runs
    if case.refused:
        assert case.refused in worker.refused


def test_the_release_role_swaps_no_bytes_below_the_channel_s_digest(
    world: StrictWorld, worker: Victim
) -> None:
    """The channel has named v0.6.0 by its digest; then other bytes are signed as v0.6.0."""
    world.release("v0.6.0")
    thief = Thief(world, keys(GAIA_WORKER))
    thief.publish(other_bytes)
    assert worker.would_run() == NOTHING
    assert "roles-disagree" in worker.refused


@pytest.mark.parametrize("count", [1, 2])
def test_targets_keys(world: StrictWorld, worker: Victim, count: int) -> None:
    """Two of three name other keys for releases and channel; one does nothing."""
    own = CryptoSigner.generate_ed25519()

    def take_over(drafter: Drafter) -> None:
        for role in (GAIA_WORKER, STABLE):
            drafter.hand_over(role, Holders((own.public_key,)))
        drafter.publish(arbitrary_software(world.repository.roles.publication()))

    Thief(world, keys(TARGETS, each=count)).draft(take_over, own=[own])
    assert worker.would_run() == ({UNSIGNED} if count == 2 else NOTHING)
    if count == 1:
        assert worker.refused == ["metadata-signature"]


@pytest.mark.parametrize("names", [*[[name] for name in HELD[ROOT]], list(HELD[ROOT][:2])])
def test_root_keys(world: StrictWorld, worker: Victim, names: list[str]) -> None:
    """Any two of three decide what every worker trusts; any one does nothing."""
    own = CryptoSigner.generate_ed25519()

    def take_over(drafter: Drafter) -> None:
        for role in (TARGETS, GAIA_WORKER, STABLE):
            drafter.hand_over(role, Holders((own.public_key,)))
        drafter.publish(arbitrary_software(world.repository.roles.publication()))

    Thief(world, names).draft(take_over, own=[own])
    assert worker.would_run() == ({UNSIGNED} if len(names) == 2 else NOTHING)
    if len(names) == 1:
        assert worker.refused == ["metadata-signature"]


def test_the_online_key_holds_workers_back_until_a_role_expires(
    world: StrictWorld, worker: Victim
) -> None:
    """Not for 24 hours only: who holds it signs a new timestamp each day."""
    before = world.repository.roles
    world.release("v0.6.0")
    thief = Thief(world)
    for _ in range(17):
        world.clock.forward(days=10)
        thief.show(before)
        assert worker.would_run() == NOTHING
    world.clock.forward(days=11)
    thief.show(before)
    assert worker.would_run() == NOTHING
    assert "metadata-expired" in worker.refused


@pytest.mark.parametrize("role", [GAIA_WORKER, STABLE])
def test_the_online_key_mixes_only_what_was_signed_and_never_backwards_on_known_workers(
    world: StrictWorld, role: str
) -> None:
    known, fresh = victim(world, KNOWN), victim(world, FRESH)
    Thief(world).only(role, world.past[-2])
    assert known.would_run() == NOTHING
    assert known.refused == ["metadata-rollback"]
    assert current(known.client) == RUNS
    assert fresh.would_run() <= set(DIGESTS.values())


def test_the_online_key_shows_old_days_to_fresh_workers_only(world: StrictWorld) -> None:
    """A release that was withdrawn since is signed in them, until they expire."""
    known = victim(world, KNOWN, version="v0.1.0")
    fresh = victim(world, FRESH, version="v0.1.0")
    Thief(world).show(world.past[0])
    assert known.would_run() <= {DIGESTS[tag] for tag in ("v0.4.0", RUNS)}
    assert known.refused[0] == "metadata-rollback"
    assert fresh.would_run() == {DIGESTS["v0.2.0"]}
    world.clock.forward(days=181)
    Thief(world).show(world.past[0])
    assert fresh.would_run() == NOTHING
    assert "metadata-expired" in fresh.refused


def test_owners_take_back_what_was_stolen_and_known_workers_follow(
    world: StrictWorld, worker: Victim
) -> None:
    """All below root was stolen and used; root names other keys, and workers leave the thief's."""
    Thief(world, keys(GAIA_WORKER, STABLE, TARGETS)).publish(arbitrary_software)
    assert worker.would_run() == {UNSIGNED}
    for names in HELD.values():
        if names != HELD[ROOT]:
            world.people.update((name, CryptoSigner.generate_ed25519()) for name in names)

    def take_back(drafter: Drafter) -> None:
        for role in (TARGETS, GAIA_WORKER, STABLE):
            drafter.hand_over(role, world.holders(role))
        drafter.publish(world.repository.roles.publication().without(Tag.parse(EVIL)))

    world.draft(take_back)
    worker.version = EVIL
    assert worker.would_run() == {DIGESTS[RUNS]}


@pytest.mark.parametrize("kind", [KNOWN, FRESH])
def test_a_stranger_s_server_takes_workers_without_a_pin_at_their_first_start_only(
    world: StrictWorld, kind: str
) -> None:
    """Trust on first use: whoever answers first is believed, and nobody else afterwards."""
    worker = victim(world, kind, "first-use")
    stranger = World(world.folder / "stranger", deepcopy(world.clock))
    stranger.repository.change(lambda before: published(before, EVIL, UNSIGNED))
    world.source.repository = stranger.repository
    worker.world = stranger
    assert worker.would_run() == (NOTHING if kind == KNOWN else {UNSIGNED})
    if kind == KNOWN:
        assert worker.refused


@pytest.mark.parametrize("pin", ["fingerprint", "file"])
def test_a_stranger_s_server_gets_nothing_from_a_pinned_worker(
    world: StrictWorld, pin: str
) -> None:
    worker = victim(world, FRESH, pin)
    stranger = World(world.folder / "stranger", deepcopy(world.clock))
    stranger.repository.change(lambda before: published(before, EVIL, UNSIGNED))
    world.source.repository = stranger.repository
    worker.world = stranger
    assert worker.would_run() == NOTHING
    assert worker.refused[0] in {"root-pin-mismatch", "metadata-signature"}


@pytest.mark.parametrize("kind", [KNOWN, FRESH])
def test_in_convenience_mode_the_server_is_everything_below_root(tmp_path: Path, kind: str) -> None:
    """No key has to be stolen beside the server's own; only the root is out of its reach."""
    world = World(tmp_path, Clock())
    world.repository.change(lambda before: published(before, RUNS, DIGESTS[RUNS]))
    worker = victim(world, kind)
    world.repository.change(lambda before: published(before, EVIL, UNSIGNED))
    assert worker.would_run() == {UNSIGNED}
