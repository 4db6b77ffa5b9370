"""The operator's archive, and what a server shows beside it."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from gaia.errors import InvalidInput, TrustError
from gaia.trust.bundle import Bundle
from gaia.trust.document import Document
from gaia.trust.keys import KeyFolder
from gaia.trust.operator.archive import Archive
from gaia.trust.roles import GAIA_WORKER, ROOT, TARGETS
from gaia.trust.signed_roles import SignedRoles
from support.operator import Operator
from support.trust import Clock, World


@pytest.fixture
def operator(world: World) -> Operator:
    world.publish("v0.4.0")
    operator = Operator.carrying_away(KeyFolder(world.keys), world.clock)
    world.repository.accept(operator.take_over(world.repository.roles), lambda _: None)
    return operator


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "trust")


def renewed(operator: Operator, roles: SignedRoles, *names: str) -> SignedRoles:
    bundle = operator.bundle(roles, *(lambda d, name=name: d.renew(name) for name in names))
    return bundle.over(roles)


def test_it_keeps_what_was_signed(world: World, operator: Operator, archive: Archive) -> None:
    assert archive.empty
    archive.keep(world.repository.roles)
    assert not archive.empty
    kept = archive.roles()
    assert kept.files() == world.repository.roles.files()
    world.clock.forward(days=1)
    later = renewed(operator, kept, ROOT, GAIA_WORKER)
    archive.keep(later)
    assert archive.roles().versions == later.versions
    names = {path.name for path in (world.folder / "trust" / "metadata").iterdir()}
    assert names == kept.files().keys() | later.files().keys()
    assert stat.S_IMODE((world.folder / "trust").stat().st_mode) == 0o700


def test_nothing_is_ever_replaced(world: World, operator: Operator, archive: Archive) -> None:
    archive.keep(world.repository.roles)
    before = archive.roles().files()
    other = replace(
        world.repository.roles,
        targets=Document.sign(TARGETS, world.repository.roles.targets.signed),
    )
    archive.keep(other)
    assert archive.roles().files() == before


def test_an_empty_archive_says_where_it_looked(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refusal:
        archive.roles()
    assert refusal.value.code == "no-archive"
    assert str(tmp_path / "trust") in refusal.value.message
    assert "gaia trust init" in refusal.value.hint


def test_a_damaged_archive(world: World, operator: Operator, archive: Archive) -> None:
    archive.keep(world.repository.roles)
    (path,) = (world.folder / "trust" / "metadata").glob("*.gaia-worker.json")
    path.write_bytes(path.read_bytes().replace(b"v0.4.0", b"v0.5.0"))
    with pytest.raises(TrustError) as refusal:
        archive.roles()
    assert refusal.value.code == "repository-damaged"


def test_a_server_may_be_ahead(world: World, operator: Operator, archive: Archive) -> None:
    archive.keep(world.repository.roles)
    world.clock.forward(days=1)
    ahead = renewed(operator, world.repository.roles, ROOT, GAIA_WORKER)
    archive.check(ahead, "The server")
    assert not archive.newer_than(ahead)


def test_a_server_that_hides_something(world: World, operator: Operator, archive: Archive) -> None:
    shown = world.repository.roles
    world.clock.forward(days=1)
    archive.keep(renewed(operator, shown, ROOT, GAIA_WORKER))
    with pytest.raises(TrustError) as refusal:
        archive.check(shown, "The server")
    assert refusal.value.code == "server-older"
    for words in ("root 2 instead of 3", "gaia-worker "):
        assert words in refusal.value.message
    assert "targets" not in refusal.value.message
    missing = archive.newer_than(shown)
    assert {document.role for document in missing.documents()} == {ROOT, GAIA_WORKER}
    assert missing.based_on == {role: shown.versions[role] for role in (ROOT, GAIA_WORKER)}
    assert not any(count.missing for count in missing.signatures(shown))


def test_a_channel_that_a_server_does_not_know_yet(
    world: World, operator: Operator, archive: Archive
) -> None:
    shown = world.repository.roles
    beta = operator.bundle(
        shown, lambda d: d.hand_over("channel-beta", operator.holders("channel-beta"))
    )
    archive.keep(beta.over(shown))
    with pytest.raises(TrustError, match="channel-beta 0 instead of"):
        archive.check(shown, "The server")
    world.repository.accept(archive.newer_than(shown), lambda _: None)
    archive.check(world.repository.roles, "The server")


def test_another_server(
    world: World, operator: Operator, archive: Archive, tmp_path: Path, clock: Clock
) -> None:
    archive.keep(world.repository.roles)
    other = World(tmp_path / "other", clock)
    with pytest.raises(TrustError) as refusal:
        archive.check(other.repository.roles, "The server")
    assert refusal.value.code == "other-root"


def test_a_fork_of_the_roots(world: World, operator: Operator, archive: Archive) -> None:
    before = world.repository.roles
    archive.keep(renewed(operator, before, ROOT))
    world.clock.forward(days=1)
    with pytest.raises(TrustError) as refusal:
        archive.check(renewed(operator, before, ROOT), "The server")
    assert refusal.value.code == "other-root"


def test_two_files_of_one_version(world: World, operator: Operator, archive: Archive) -> None:
    """Which of the two a worker gets would be the server's choice."""
    before = world.repository.roles
    archive.keep(renewed(operator, before, GAIA_WORKER))
    signed = operator.draft(before, lambda d: d.renew(GAIA_WORKER))
    signed.delegated[GAIA_WORKER].signed.expires = world.clock()
    redone = Document.sign(GAIA_WORKER, signed.delegated[GAIA_WORKER].signed)
    forked = replace(signed, delegated={GAIA_WORKER: redone}).signed_by(
        operator.keys.values(), before
    )
    with pytest.raises(TrustError) as refusal:
        archive.check(forked.over(before), "The server")
    assert refusal.value.code == "server-forked"


def test_more_signatures_are_no_fork(world: World, operator: Operator, archive: Archive) -> None:
    holders = operator.holders("alice", "bob")
    roles = operator.draft(world.repository.roles, lambda d: d.hand_over(GAIA_WORKER, holders))
    every = [operator.key(name) for name in ("alice", "bob", TARGETS)]
    alone = roles.signed_by([every[0], every[2]], world.repository.roles)
    archive.keep(alone.over(world.repository.roles))
    archive.check(
        roles.signed_by(every, world.repository.roles).over(world.repository.roles), "The server"
    )


def test_drafts(world: World, operator: Operator, archive: Archive) -> None:
    roles = world.repository.roles
    draft = operator.draft(roles, lambda d: d.renew(ROOT), lambda d: d.renew(TARGETS))
    path = archive.keep_draft(draft)
    assert path.parent == world.folder / "trust" / "drafts"
    assert path.name == f"{draft.targets and draft.targets.version}-root-targets.json"
    once = Bundle.parse(path.read_bytes()).signed_by([operator.key("root-1")], roles)
    assert archive.keep_draft(once) == path
    twice = Bundle.parse(path.read_bytes()).signed_by(operator.keys.values(), roles)
    assert not any(count.missing for count in twice.signatures(roles))
    assert archive.empty
