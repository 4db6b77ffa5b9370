"""The repository takes a bundle whole, or not at all; who signs follows from where the keys are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gaia.errors import Conflict, GaiaError, Refused, TrustError
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.trust import files
from gaia.trust.bundle import Bundle
from gaia.trust.keys import KeyFolder
from gaia.trust.metadata_files import MetadataFiles
from gaia.trust.operator.archive import Archive
from gaia.trust.roles import GAIA_WORKER, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from support.operator import Change, Operator
from support.trust import LINUX, Clock, World, current, release

V4, V5, V6 = map(Tag.parse, ("v0.4.0", "v0.5.0", "v0.6.0"))


def served(world: World) -> dict[str, bytes | None]:
    """Everything that workers can ask for."""
    return {path.name: world.repository.read(path.name) for path in world.tuf.iterdir()}


def on_disk(world: World) -> dict[str, bytes]:
    return {
        str(path.relative_to(world.folder)): path.read_bytes()
        for path in [*world.tuf.iterdir(), *world.keys.rglob("*.pem")]
    }


def nothing(_: Publication) -> None:
    """Everything can be served."""


def accept(world: World, operator: Operator, *changes: Change) -> None:
    world.repository.accept(operator.bundle(world.repository.roles, *changes), nothing)


def publishing(world: World, tag: Tag) -> Change:
    (artifact,) = (a for a in release(str(tag)).artifacts if a.filename == LINUX)
    publication = world.repository.roles.publication().with_artifact(tag, artifact)
    return lambda drafter: drafter.publish(publication.placed(tag, "stable"))


@pytest.fixture
def operator(world: World) -> Operator:
    world.publish("v0.4.0")
    return Operator.carrying_away(KeyFolder(world.keys), world.clock)


@pytest.fixture
def strict(world: World, operator: Operator) -> Operator:
    world.repository.accept(operator.take_over(world.repository.roles), nothing)
    return operator


def renew_root(drafter: Any) -> None:
    drafter.renew(ROOT)


def renew_worker(drafter: Any) -> None:
    drafter.renew(GAIA_WORKER)


def test_one_bundle_makes_it_strict_and_workers_notice_nothing(
    world: World, operator: Operator
) -> None:
    client = world.client()
    world.beat(client)
    assert world.repository.mode == "convenience"
    world.repository.accept(operator.take_over(world.repository.roles), nothing)
    assert world.repository.mode == "strict"
    world.beat(client)
    assert current(client) == "v0.4.0"
    assert [path.name for path in world.keys.rglob("*.pem")] == ["online.pem"]
    world.reopen()
    assert world.repository.mode == "strict"
    with pytest.raises(TrustError) as refusal:
        world.publish("v0.4.0", "v0.5.0")
    assert refusal.value.code == "key-missing"
    accept(world, operator, publishing(world, V5))
    world.beat(client)
    assert current(client) == "v0.5.0"


def test_keys_on_the_server_make_it_convenience_again(world: World, strict: Operator) -> None:
    held = KeyFolder(world.keys)
    for role in (TARGETS, GAIA_WORKER, "channel-stable"):
        strict.keys[role] = held.obtain(role)
    world.repository.accept(strict.take_over(world.repository.roles), nothing)
    assert world.repository.mode == "convenience"
    world.publish("v0.4.0", "v0.5.0")
    assert str(world.repository.pointers()["stable"].current) == "v0.5.0"


def test_without_its_keys_a_server_is_strict(world: World) -> None:
    for name in (TARGETS, GAIA_WORKER):
        (world.keys / f"{name}.pem").unlink()
    world.reopen()
    assert world.repository.mode == "strict"


def test_what_is_refused_changes_nothing(world: World, strict: Operator) -> None:
    bundle = strict.bundle(world.repository.roles, renew_root, publishing(world, V5))
    before = on_disk(world)

    def refuse(publication: Publication) -> None:
        assert publication.artifact(V5, LINUX)
        raise Conflict("blob-missing", "It is not here.")

    with pytest.raises(Conflict, match="not here"):
        world.repository.accept(bundle, refuse)
    with pytest.raises(GaiaError):
        world.repository.accept(replace(bundle, based_on={}), nothing)
    assert on_disk(world) == before
    assert world.repository.root_version == 2


CHANGES: dict[str, Callable[[World, Operator], list[Change]]] = {
    "a root alone": lambda _world, _operator: [renew_root],
    "a root and a release": lambda world, _: [renew_root, publishing(world, V5)],
    "root keys": lambda _, operator: [
        lambda drafter: drafter.hand_over(ROOT, operator.holders("new-1", "new-2", threshold=2))
    ],
    "a root and targets": lambda _, operator: [
        lambda drafter: drafter.hand_over(TARGETS, operator.holders("alice")),
    ],
    "a release": lambda world, _: [publishing(world, V5)],
    "a new channel": lambda _, operator: [
        lambda drafter: drafter.hand_over("channel-beta", operator.holders("beta"))
    ],
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_disk_that_fails_in_the_middle_changes_nothing(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    real = files.write
    for at in range(20):
        world = World(tmp_path / str(at), clock)
        world.publish("v0.4.0")
        operator = Operator.carrying_away(KeyFolder(world.keys), clock)
        world.repository.accept(operator.take_over(world.repository.roles), nothing)
        bundle = operator.bundle(world.repository.roles, *CHANGES[what](world, operator))
        before, versions = world.repository.timestamp, world.repository.versions()
        client = world.client()
        world.beat(client)
        done = 0

        def write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
            nonlocal done
            if done == at:  # noqa: B023
                raise OSError(28, "No space left on device")
            done += 1
            real(path, data, mode=mode)

        with monkeypatch.context() as patch:
            patch.setattr(files, "write", write)
            try:
                world.repository.accept(bundle, nothing)
            except OSError:
                pass
            else:
                break
        for _ in range(2):
            assert world.repository.timestamp == before
            assert world.repository.versions() == versions
            assert world.repository.read(f"{versions[ROOT] + 1}.root.json") is None
            world.beat(client)
            world.beat(world.client(name=f"new-{_}"))
            world.reopen()
        world.repository.accept(bundle, nothing)
        world.reopen()
        world.beat(client)
    else:
        pytest.fail("it was never accepted")
    assert at >= 2
    assert world.repository.versions() == {
        **world.repository.versions(),
        **bundle.over(world.repository.roles).versions,
    }


def test_roots_that_a_failure_left_behind_are_no_part_of_a_later_chain(
    world: World, strict: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = world.repository.roles
    to_new = strict.bundle(
        roles, lambda d: d.hand_over(ROOT, strict.holders("new-1", "new-2", threshold=2))
    )
    further = strict.bundle(to_new.over(roles), renew_root)
    both = replace(to_new, roots=(*to_new.roots, *further.roots))
    real = files.write

    def write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
        if path.name == "timestamp.json":
            raise OSError(28, "No space left on device")
        real(path, data, mode=mode)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write", write)
        with pytest.raises(OSError, match="No space"):
            world.repository.accept(both, nothing)
    accept(world, strict, renew_root)
    world.reopen()
    assert world.repository.root_version == 3
    assert world.repository.read("4.root.json") is None


def test_old_files_that_cannot_be_removed_do_not_undo_a_change(
    world: World, strict: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prune(self: MetadataFiles, referenced: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(MetadataFiles, "prune", prune)
    accept(world, strict, publishing(world, V5))
    assert str(world.repository.pointers()["stable"].current) == "v0.5.0"
    assert world.repository.timestamp == (world.tuf / "timestamp.json").read_text()


def test_a_root_that_names_no_key_of_this_server_for_the_timestamp(
    world: World, strict: Operator
) -> None:
    before = on_disk(world)
    with pytest.raises(TrustError) as refusal:
        accept(world, strict, lambda d: d.hand_over(TIMESTAMP, strict.holders("elsewhere")))
    assert refusal.value.code == "online-key-missing"
    assert on_disk(world) == before


def test_a_threshold_of_online_keys_that_the_server_cannot_reach(
    world: World, strict: Operator
) -> None:
    (online,) = KeyFolder(world.keys).named("online")
    strict.keys["online"] = online
    before = on_disk(world)
    holders = strict.holders("online", "elsewhere", threshold=2)
    with pytest.raises(TrustError) as refusal:
        accept(world, strict, lambda d: d.hand_over(TIMESTAMP, holders))
    assert refusal.value.code == "online-key-missing"
    assert on_disk(world) == before
    world.reopen()


def test_a_damaged_key_file_does_not_save_the_keys_that_are_not_trusted_any_more(
    world: World, operator: Operator
) -> None:
    (world.keys / "a-damaged-one.pem").write_bytes(b"not a key")
    world.repository.accept(operator.take_over(world.repository.roles), nothing)
    assert sorted(path.name for path in world.keys.glob("*.pem")) == [
        "a-damaged-one.pem",
        "online.pem",
    ]
    assert world.repository.mode == "strict"


def copied(world: World, to: Path) -> None:
    for path in world.tuf.iterdir():
        (to / "tuf").mkdir(parents=True, exist_ok=True)
        (to / "tuf" / path.name).write_bytes(path.read_bytes())


def test_a_server_from_an_old_backup_gets_back_what_was_signed_since(
    world: World, strict: Operator, tmp_path: Path
) -> None:
    archive, backup = Archive(tmp_path / "trust"), tmp_path / "backup"
    copied(world, backup)
    client = world.client()
    for tag in (V5, V6):
        world.clock.forward(days=1)
        accept(world, strict, publishing(world, tag), renew_root)
        archive.keep(world.repository.roles)
        world.beat(client)
    assert current(client) == "v0.6.0"

    world.clock.forward(hours=2)
    for path in world.tuf.iterdir():
        path.unlink()
    for path in (backup / "tuf").iterdir():
        (world.tuf / path.name).write_bytes(path.read_bytes())
    world.reopen()
    with pytest.raises(TrustError) as refusal:
        archive.check(world.repository.roles, "The server")
    assert refusal.value.code == "server-older"
    world.repository.renew()
    with pytest.raises(TrustError):
        world.beat(client)
    assert current(client) == "v0.6.0"

    missing = archive.newer_than(world.repository.roles)
    assert {each.name for each in missing.roots} == {"3.root.json", "4.root.json"}
    world.repository.accept(Bundle.parse(missing.encode()), nothing)
    archive.check(world.repository.roles, "The server")
    assert not archive.newer_than(world.repository.roles)
    world.beat(client)
    world.beat(world.client(name="new"))
    assert current(client) == "v0.6.0"


def test_a_convenience_server_from_an_old_backup_signs_all_anew(
    world: World, tmp_path: Path
) -> None:
    world.publish("v0.4.0")
    backup = tmp_path / "backup"
    copied(world, backup)
    world.clock.forward(days=1)
    world.publish("v0.4.0", "v0.5.0")
    client = world.client()
    world.beat(client)
    for path in world.tuf.iterdir():
        path.unlink()
    for path in (backup / "tuf").iterdir():
        (world.tuf / path.name).write_bytes(path.read_bytes())
    world.clock.forward(hours=1)
    world.reopen()
    world.repository.sign_all_anew()
    world.beat(client)
    assert current(client) == "v0.4.0"
    assert json.loads(world.repository.timestamp)["signed"]["version"] >= world.clock().timestamp()


def test_what_can_be_renewed_is_renewed_though_the_key_of_another_role_is_lost(
    world: World,
) -> None:
    world.publish("v0.4.0")
    (world.keys / f"{GAIA_WORKER}.pem").unlink()
    world.clock.forward(days=91)
    before = world.repository.versions()
    with pytest.raises(TrustError) as refusal:
        world.repository.renew()
    assert refusal.value.code == "key-missing"
    assert GAIA_WORKER in refusal.value.message
    after = world.repository.versions()
    assert {role for role in after if after[role] != before[role]} == {
        "channel-stable",
        SNAPSHOT,
        TIMESTAMP,
    }


def test_a_strict_server_renews_its_own_roles_and_no_other(world: World, strict: Operator) -> None:
    before = world.repository.versions()
    world.clock.forward(days=179)
    assert world.repository.renew()
    after = world.repository.versions()
    assert {role for role in after if after[role] != before[role]} == {SNAPSHOT, TIMESTAMP}
    world.repository.sign_all_anew()
    again = world.repository.versions()
    assert {role for role in after if after[role] != again[role]} == {SNAPSHOT, TIMESTAMP}


def test_an_unsigned_bundle_is_refused(world: World, strict: Operator) -> None:
    with pytest.raises(Refused):
        world.repository.accept(strict.draft(world.repository.roles, renew_worker), nothing)


def test_a_new_online_key_counts_once_the_root_names_it(world: World, strict: Operator) -> None:
    (world.keys / "online.pem").unlink()
    world.clock.forward(hours=2)
    with pytest.raises(TrustError) as refusal:
        world.repository.renew()
    assert refusal.value.code == "online-key-missing"
    key = world.repository.make_online_key()
    assert world.repository.online_keys() == {key.keyid: (key, False)}
    (found,) = KeyFolder(world.keys).named("online*")
    strict.keys["online"] = found
    client = world.client()
    accept(
        world,
        strict,
        lambda d: d.hand_over(SNAPSHOT, strict.holders("online")),
        lambda d: d.hand_over(TIMESTAMP, strict.holders("online")),
    )
    assert world.repository.online_keys() == {key.keyid: (key, True)}
    world.beat(client)
    assert current(client) == "v0.4.0"
    world.reopen()
