"""Bundles on their way."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gaia.errors import InvalidInput
from gaia.trust.bundle import Bundle
from gaia.trust.keys import KeyFolder
from gaia.trust.roles import GAIA_WORKER, ROOT, TARGETS
from support.operator import Operator
from support.trust import World


@pytest.fixture
def operator(world: World) -> Operator:
    return Operator.carrying_away(KeyFolder(world.keys), world.clock)


@pytest.fixture
def draft(world: World, operator: Operator) -> Bundle:
    """Root, targets and the worker's role go to other keys, two of three each."""
    roles = world.repository.roles
    changes = [
        lambda drafter, role=role: drafter.hand_over(
            role, operator.holders(*(f"{role}-{n}" for n in (1, 2, 3)), threshold=2)
        )
        for role in (ROOT, TARGETS, GAIA_WORKER)
    ]
    return operator.draft(roles, *changes)


def counts(bundle: Bundle, world: World) -> dict[str, tuple[int, int]]:
    found = bundle.signatures(world.repository.roles)
    return {count.name.partition(".")[2]: (count.have, count.threshold) for count in found}


def test_it_survives_the_way(world: World, operator: Operator, draft: Bundle) -> None:
    for bundle in (
        Bundle(),
        draft,
        draft.signed_by(operator.keys.values(), world.repository.roles),
    ):
        again = Bundle.parse(bundle.encode())
        assert again.encode() == bundle.encode()
        assert [d.data for d in again.documents()] == [d.data for d in bundle.documents()]
        assert again.based_on == bundle.based_on
        assert bool(again) is bool(bundle)


def test_what_it_is_based_on(world: World, draft: Bundle) -> None:
    versions = world.repository.roles.versions
    assert draft.based_on == {role: versions[role] for role in (ROOT, TARGETS, GAIA_WORKER)}


def test_signatures_are_counted_one_by_one(world: World, operator: Operator, draft: Bundle) -> None:
    """The root's twice: by the keys before, and by its own."""
    roles = world.repository.roles
    before, own = (
        "root.json (by the keys of the root before it)",
        "root.json (by its own keys)",
    )
    worker = "gaia-worker.json"
    expected = {before: (1, 2), own: (1, 2), "targets.json": (0, 2), worker: (0, 2)}
    draft = draft.signed_by([operator.key("root-1")], roles)
    assert counts(draft, world) == expected
    again = draft.signed_by([operator.key("root-1"), operator.key("stranger")], roles)
    assert counts(again, world) == expected
    draft = draft.signed_by([operator.key(f"{GAIA_WORKER}-1")], roles)
    assert counts(draft, world) == {**expected, worker: (1, 2)}
    (lacking,) = [c for c in draft.signatures(roles) if c.role == GAIA_WORKER]
    assert lacking.missing == 1
    assert str(lacking) == f"{lacking.name} has 1 of 2 signatures"
    assert set(lacking.awaited) == {
        operator.key(f"{GAIA_WORKER}-{number}").public_key.keyid for number in (2, 3)
    }


def test_two_managers_sign_identical_bytes(world: World, operator: Operator, draft: Bundle) -> None:
    roles = world.repository.roles
    first = draft.signed_by([operator.key(f"{TARGETS}-1")], roles)
    second = Bundle.parse(first.encode()).signed_by([operator.key(f"{TARGETS}-2")], roles)
    assert draft.targets
    assert second.targets
    assert second.targets.metadata.signed_bytes == draft.targets.metadata.signed_bytes
    assert counts(second, world)["targets.json"] == (2, 2)
    assert second.targets.vouched_for_by(second.over(roles).root)


def test_a_forged_signature_does_not_count(world: World, operator: Operator, draft: Bundle) -> None:
    roles = world.repository.roles
    signed = draft.signed_by([operator.key(f"{TARGETS}-1")], roles)
    other = operator.draft(roles, lambda drafter: drafter.renew(TARGETS))
    assert signed.targets
    assert other.targets
    other.targets.metadata.signatures.update(signed.targets.metadata.signatures)
    carried = replace(draft, targets=other.targets)
    assert counts(carried, world)["targets.json"] == (0, 2)


def files(world: World, *names: str, **more: str) -> bytes:
    texts = {name: world.repository.read(name) for name in names}
    return json.dumps(
        {"files": {**{n: (t or b"").decode() for n, t in texts.items()}, **more}}
    ).encode()


def test_order_of_roots(world: World) -> None:
    world.renew_root()
    bundle = Bundle.parse(files(world, "2.root.json", "1.root.json"))
    assert [root.version for root in bundle.roots] == [1, 2]


def malformed(data: bytes) -> str:
    with pytest.raises(InvalidInput) as refusal:
        Bundle.parse(data)
    assert refusal.value.code == "bundle-malformed"
    assert "gaia trust" in refusal.value.hint
    return refusal.value.message


def test_names_that_do_not_fit_their_files(world: World) -> None:
    root = (world.repository.read("1.root.json") or b"").decode()

    def named(name: str, text: str = root) -> str:
        return malformed(json.dumps({"files": {name: text}}).encode())

    assert "it says that it is 1.root.json" in named("2.root.json")
    assert "it says that it is 1.root.json" in named("01.root.json")
    assert "of the kind 'root'" in named("1.targets.json")
    assert "of the kind 'timestamp'" in named("1.root.json", world.repository.timestamp)
    for name in ("timestamp.json", "root.json", "../1.root.json", "1.ROOT.json", "x" * 999):
        message = named(name)
        assert "not the name of a versioned role" in message
        assert len(message) < 300
    assert "not TUF metadata" in named("1.root.json", "[" * 5000)


def test_a_role_that_is_there_twice(world: World) -> None:
    targets: Any = json.loads(world.newest(TARGETS).read_bytes())
    texts = {}
    for version in (5, 6):
        targets["signed"]["version"] = version
        for role in (TARGETS, GAIA_WORKER):
            texts[role, version] = json.dumps(targets)
    for role in (TARGETS, GAIA_WORKER):
        names = {f"{version}.{role}.json": texts[role, version] for version in (5, 6)}
        message = malformed(json.dumps({"files": names}).encode())
        assert f"the role {role} is there twice" in message
