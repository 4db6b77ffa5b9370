"""The edition on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tuf.api.metadata import Metadata, Timestamp

from gaia.errors import TrustError
from gaia.trust.document import Document
from gaia.trust.edition import ROOT_VERSION, Edition
from gaia.trust.keys import KeyFolder
from gaia.trust.metadata_files import MetadataFiles
from gaia.trust.roles import ROOT, TIMESTAMP
from support.trust import World, edit


def load(world: World) -> Edition | None:
    return Edition.load(MetadataFiles(world.tuf))


def refused(world: World) -> str:
    with pytest.raises(TrustError) as refusal:
        load(world)
    assert refusal.value.code == "repository-damaged"
    return refusal.value.message


def test_there_is_none_before_the_first_timestamp(world: World) -> None:
    (world.tuf / "timestamp.json").unlink()
    assert load(world) is None


def test_what_it_leads_to(world: World) -> None:
    world.publish("v0.5.0")
    world.renew_root()
    edition = load(world)
    assert edition
    assert edition.roles.files() == world.repository.roles.files()
    assert edition.timestamp.data.decode() == world.repository.timestamp
    names = [document.name for document in edition.documents()]
    assert names[-1] == "timestamp.json"
    assert {*names} <= {path.name for path in world.tuf.iterdir()}


def test_the_timestamp_says_which_root_is_in_force(world: World) -> None:
    world.renew_root()
    fields = json.loads(world.repository.timestamp)["signed"]
    assert fields[ROOT_VERSION] == 2
    roles = world.repository.roles
    stray = Document.sign(ROOT, replace_version(roles.root, 3), KeyFolder(world.keys).root.all())
    (world.tuf / "3.root.json").write_bytes(stray.data)
    edition = load(world)
    assert edition
    assert edition.roles.root.version == 2
    (world.tuf / "2.root.json").unlink()
    assert "2.root.json" in refused(world)


def replace_version(root: Any, version: int) -> Any:
    again = Metadata(root).from_bytes(Metadata(root).to_bytes()).signed
    again.version = version
    return again


def test_a_timestamp_of_an_older_server_does_not_say_it(world: World) -> None:
    """Then the newest root that is there counts, and the next timestamp says so."""
    world.renew_root()
    metadata: Metadata[Timestamp] = Metadata.from_bytes((world.tuf / "timestamp.json").read_bytes())
    del metadata.signed.unrecognized_fields[ROOT_VERSION]
    document = Document.sign(TIMESTAMP, metadata.signed, [KeyFolder(world.keys).load("online")])
    (world.tuf / "timestamp.json").write_bytes(document.data)
    edition = load(world)
    assert edition
    assert edition.roles.root.version == 2
    world.reopen()
    assert world.repository.renew()
    assert json.loads(world.repository.timestamp)["signed"][ROOT_VERSION] == 2
    assert not world.repository.renew()


CHANGES: dict[str, Callable[[Any], None]] = {
    "timestamp": lambda signed: signed.update({ROOT_VERSION: 1}),
    "snapshot": lambda signed: signed["meta"].pop("gaia-worker.json"),
    "targets": lambda signed: signed["delegations"]["roles"][0].update(threshold=2),
    "gaia-worker": lambda signed: signed["targets"].clear(),
    "root": lambda signed: signed.update(expires="2099-01-01T00:00:00Z"),
}


@pytest.mark.parametrize("role", CHANGES)
def test_what_someone_else_has_written(world: World, role: str) -> None:
    world.publish("v0.5.0")
    world.renew_root()
    path = world.tuf / "timestamp.json" if role == "timestamp" else world.newest(role)
    edit(path, CHANGES[role])
    assert "cannot be used" in refused(world)


def test_a_number_that_is_none(world: World) -> None:
    for odd in ("2", 0, -1, 10**9, None, 1.5):
        world.reopen()
        kept = (world.tuf / "timestamp.json").read_bytes()
        edit(world.tuf / "timestamp.json", lambda signed: signed.update({ROOT_VERSION: odd}))  # noqa: B023
        refused(world)
        (world.tuf / "timestamp.json").write_bytes(kept)
