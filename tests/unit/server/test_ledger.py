"""What is signed and what the database says, in step, also when a key is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaia.errors import TrustError
from gaia.model.tag import Tag
from gaia.server.blobs import Blobs
from gaia.server.deeds import Author
from gaia.server.ledger import Ledger
from gaia.server.publishing import Publisher, Upload
from gaia.server.store.database import Database
from gaia.trust.keys import KeyFolder
from gaia.trust.roles import GAIA_WORKER
from support.operator import Operator
from support.trust import LINUX, Clock, World

V4, V5 = map(Tag.parse, ("v0.4.0", "v0.5.0"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, Clock())


@pytest.fixture
def ledger(world: World, database: Database, blobs: Blobs) -> Ledger:
    ledger = Ledger(database, blobs, world.repository, world.clock)
    ledger.start()
    return ledger


def upload(ledger: Ledger, tag: Tag) -> str:
    blob = ledger.blobs.writer()
    try:
        blob.write(str(tag).encode())
        blob.seal()
        wanted = Upload(tag, LINUX, None, None, Author("somebody", "127.0.0.1"))
        return Publisher(ledger).accept(wanted, blob).state
    finally:
        blob.discard()


def restarted(world: World, ledger: Ledger) -> Ledger:
    world.reopen()
    again = Ledger(ledger.database, ledger.blobs, world.repository, world.clock)
    again.start()
    return again


def test_heartbeats_get_the_renewed_timestamp_though_another_key_is_lost(
    world: World, ledger: Ledger
) -> None:
    upload(ledger, V4)
    (world.keys / f"{GAIA_WORKER}.pem").unlink()
    world.clock.forward(days=91)
    with pytest.raises(TrustError):
        ledger.renew()
    assert ledger.catalogue().timestamp == world.repository.timestamp


def test_what_waited_in_strict_mode_does_not_keep_a_server_without_keys_from_starting(
    world: World, ledger: Ledger
) -> None:
    upload(ledger, V4)
    operator = Operator.carrying_away(KeyFolder(world.keys), world.clock)
    world.repository.accept(operator.take_over(world.repository.roles), lambda _: None)
    assert upload(ledger, V5) == "stored"
    targets = KeyFolder(world.keys).obtain("targets")
    operator.keys["targets"] = targets
    holders = operator.holders("targets")
    bundle = operator.bundle(world.repository.roles, lambda d: d.hand_over("targets", holders))
    world.repository.accept(bundle, lambda _: None)
    assert world.repository.mode == "convenience"
    again = restarted(world, ledger)
    assert set(again.catalogue().releases) == {V4}
    assert [row.tag for row in again.catalogue().pending] == [V5]


def test_what_a_crash_has_left_unsigned_is_signed_at_the_next_start(
    world: World, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(world.repository, "change", killed)
        with pytest.raises(KeyboardInterrupt):
            upload(ledger, V5)
    assert ledger.catalogue().releases == {}
    assert set(restarted(world, ledger).catalogue().releases) == {V5}


def test_a_strict_server_leaves_what_waits(world: World, ledger: Ledger) -> None:
    upload(ledger, V4)
    operator = Operator.carrying_away(KeyFolder(world.keys), world.clock)
    world.repository.accept(operator.take_over(world.repository.roles), lambda _: None)
    assert upload(ledger, V5) == "stored"
    again = restarted(world, ledger)
    assert set(again.catalogue().releases) == {V4}
    assert [row.tag for row in again.catalogue().pending] == [V5]
