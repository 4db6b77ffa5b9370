"""Experiments go the ways that the signed pointer knows, whatever the server offers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaia.model.artifact import EXPERIMENTS, Artifact
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.protocol.worker import Experiments as Offer
from gaia.protocol.worker import Tuf
from gaia.trust.pin import RootPin
from gaia.worker.background import Background
from gaia.worker.metadata import Metadata
from gaia.worker.sync import ExperimentsSync
from gaia.worker.transport import Transport
from support.bundles import contents, experiments, pack_files
from support.trust import Clock, World
from support.web import Reply, Web

TAGS = ("v0.4.0", "v0.5.0", "v0.6.0")
BUNDLES = {tag: pack_files({"run_all.py": tag}) for tag in TAGS}


class House:
    """A worker's experiments, and a server that says what it is told to."""

    def __init__(self, folder: Path, web: Web) -> None:
        self.folder = folder
        self.world = World(folder, Clock())
        self.web = web
        self.time = 0.0
        self.background = Background()
        self.transport = Transport(web.url, "token", "test")
        trust = self.world.client(RootPin.on_first_use())
        self.metadata = Metadata(trust, "stable", self.background, lambda: self.time)
        self.start()

    def start(self) -> None:
        """The worker's process starts."""
        self.sync = ExperimentsSync(
            experiments(self.folder),
            self.transport,
            self.background,
            lambda: self.time,
            lambda: 0.5,
        )

    def publish(self, *tags: str) -> None:
        def change(publication: Publication) -> Publication:
            for tag in map(Tag.parse, tags):
                data = BUNDLES[str(tag)]
                artifact = Artifact(EXPERIMENTS, len(data), hashlib.sha256(data).hexdigest())
                publication = publication.with_artifact(tag, artifact).placed(tag, "stable")
            return publication

        self.world.repository.change(change)

    def withdraw(self, tag: str) -> None:
        self.world.repository.change(lambda before: before.without(Tag.parse(tag)))

    def lower(self, tag: str) -> None:
        self.world.repository.change(lambda before: before.promoted(Tag.parse(tag), "stable"))

    def offer(self, tag: str | None) -> str:
        """A heartbeat's answer offers that bundle; what is in place then."""
        repository = self.world.repository
        told = None
        if tag is not None:
            data = BUNDLES[tag]
            told = Offer(tag, hashlib.sha256(data).hexdigest(), len(data))
        self.metadata.follow(
            Tuf(repository.root_version, repository.timestamp),
            lambda: self.sync.follow(told, self.metadata),
        )
        while self.background.busy:
            self.background.wait(10)
            self.background.poll()
        if self.sync.staged:
            self.sync.swap()
        self.time += 1000
        return contents(self.folder / "place").get("run_all.py", "")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    by_path = {f"/releases/{tag}/{EXPERIMENTS}": data for tag, data in BUNDLES.items()}
    with Web(lambda request: Reply(body=by_path[request.path])) as web:
        made = House(tmp_path, web)
        yield made
        made.transport.close()


def test_up(house: House) -> None:
    house.publish("v0.4.0")
    assert house.offer("v0.4.0") == "v0.4.0"
    house.publish("v0.5.0")
    assert house.offer("v0.5.0") == "v0.5.0"
    assert (house.sync.settled, house.sync.alarm) == (True, "")


def test_back_from_a_withdrawn_release(house: House) -> None:
    house.publish(*TAGS)
    assert house.offer("v0.6.0") == "v0.6.0"
    house.withdraw("v0.6.0")
    house.start()
    assert house.offer("v0.5.0") == "v0.5.0"
    assert house.sync.alarm == ""


def test_back_by_a_lowered_pointer(house: House) -> None:
    house.publish(*TAGS)
    assert house.offer("v0.6.0") == "v0.6.0"
    house.lower("v0.4.0")
    assert house.offer("v0.4.0") == "v0.4.0"


@pytest.mark.parametrize("tag", ["v0.4.0", "v0.5.0"])
def test_an_old_signed_bundle_is_not_a_way_back(house: House, tag: str) -> None:
    """Its server could choose the experiments of any release that was ever signed."""
    house.publish(*TAGS)
    assert house.offer("v0.6.0") == "v0.6.0"
    assert house.offer(tag) == "v0.6.0"
    assert "revert-not-signed" in house.sync.alarm
    assert house.sync.settled
    assert house.offer("v0.6.0") == "v0.6.0"


def test_nor_is_one_above_the_current_release(house: House) -> None:
    house.publish(*TAGS)
    house.lower("v0.5.0")
    assert house.offer("v0.6.0") == ""
    assert "not-on-channel" in house.sync.alarm


def test_what_was_withdrawn_does_not_come_back(house: House) -> None:
    house.publish(*TAGS)
    house.withdraw("v0.6.0")
    assert house.offer("v0.6.0") == ""
    assert "not-on-channel" in house.sync.alarm


def test_withdrawn_with_nothing_else_there(house: House) -> None:
    house.publish("v0.5.0")
    assert house.offer("v0.5.0") == "v0.5.0"
    linux = Artifact("gaia-worker-linux", 1, "a" * 64)
    higher = Tag.parse("v0.5.1")
    house.world.repository.change(
        lambda before: before.with_artifact(higher, linux).placed(higher, "stable")
    )
    house.withdraw("v0.5.0")
    assert house.offer(None) == "v0.5.0"
    assert "were withdrawn" in house.sync.alarm
    house.publish("v0.6.0")
    assert house.offer("v0.6.0") == "v0.6.0"
    assert house.sync.alarm == ""


@pytest.mark.parametrize("tag", ["", "latest"])
def test_a_state_without_a_tag_is_known_by_its_digest(house: House, tag: str) -> None:
    """As a version before this one has left it."""
    house.publish(*TAGS)
    house.offer("v0.5.0")
    state = house.folder / "place" / ".gaia-experiments" / "state.json"
    document = json.loads(state.read_text())
    document["installed"]["tag"] = tag
    state.write_text(json.dumps(document))
    house.start()
    assert house.offer("v0.4.0") == "v0.5.0"
    assert "revert-not-signed" in house.sync.alarm
    assert house.offer("v0.6.0") == "v0.6.0"


def test_a_worker_that_changed_its_channel_keeps_what_is_newer(house: House) -> None:
    house.publish(*TAGS)
    house.offer("v0.6.0")
    house.world.publish_releases()
    house.publish("v0.4.0")
    assert house.offer("v0.4.0") == "v0.6.0"
    assert (house.sync.settled, house.sync.alarm) == (True, "")
