"""What a heartbeat is answered."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from gaia.errors import InvalidInput, NotFound
from gaia.model.artifact import EXPERIMENTS, Artifact
from gaia.model.publication import Publication
from gaia.model.release import Release
from gaia.model.tag import Tag
from gaia.protocol.worker import (
    LOG_TAIL,
    MAX_BODY,
    Failure,
    Heartbeat,
    HeartbeatAnswer,
    Register,
)
from gaia.server.catalogue import Catalogue
from gaia.server.fleet import Fleet
from gaia.server.heartbeat import HeartbeatService

LINUX, WINDOWS = "gaia-worker-linux", "gaia-worker-windows.exe"


def catalogue(files: dict[str, list[str]], withdrawn: str | None = None) -> Catalogue:
    releases = [
        Release(
            Tag.parse(tag),
            datetime(2026, 1, 1, tzinfo=UTC),
            "",
            "stable",
            tuple(Artifact(name, 7, f"{ord(tag[-1]):02x}{len(name):02x}" * 16) for name in names),
        )
        for tag, names in files.items()
    ]
    publication = Publication()
    for each in releases:
        for artifact in each.artifacts:
            publication = publication.with_artifact(each.tag, artifact)
        publication = publication.placed(each.tag, "stable")
    if withdrawn is not None:
        publication = publication.without(Tag.parse(withdrawn))
    pointer = publication.pointers.get("stable")
    return Catalogue(
        releases={release.tag: release for release in releases},
        pointers={} if pointer is None else {"stable": pointer},
        root_version=3,
        timestamp="signed",
    )


class House:
    """A service with one worker."""

    def __init__(self, published: Catalogue) -> None:
        self.published = published
        self.fleet = Fleet()
        self.service = HeartbeatService(self.fleet, lambda: self.published, 5.0)
        self.worker_id = self.fleet.register(Register(name="w", version="0.4.9"))

    def beat(self, heartbeat: Heartbeat) -> Any:
        return json.loads(self.service.answer(self.worker_id, msgspec.json.encode(heartbeat)))


TWO = catalogue({"v0.4.9": [LINUX, WINDOWS, EXPERIMENTS], "v0.5.0": [LINUX]})


def test_nothing_is_published() -> None:
    assert House(catalogue({})).beat(Heartbeat("v0.4.9", "linux")) == {
        "status": "ok",
        "latest_version": None,
        "force_update": False,
        "directive": {"action": "stay", "reason": "no-release"},
        "experiments": None,
        "tuf": {"root": 3, "timestamp": "signed"},
        "interval": 5.0,
    }


def test_each_platform_gets_its_own_latest() -> None:
    house = House(TWO)
    linux = house.beat(Heartbeat("v0.4.9", "linux"))
    windows = house.beat(Heartbeat("v0.4.9", "windows"))
    assert (linux["latest_version"], windows["latest_version"]) == ("v0.5.0", "v0.4.9")
    assert (linux["directive"]["action"], linux["directive"]["tag"]) == ("update", "v0.5.0")
    assert windows["directive"] == {"action": "stay", "reason": "up-to-date"}
    digest = TWO.artifact(Tag.parse("v0.4.9"), EXPERIMENTS)
    assert digest is not None
    assert linux["experiments"] == {"tag": "v0.4.9", "sha256": digest.sha256, "size": 7}


def test_a_platform_or_channel_without_files() -> None:
    house = House(TWO)
    other = house.beat(Heartbeat("v0.4.9", "beos"))
    assert (other["latest_version"], other["directive"]["reason"]) == (None, "no-file-for-platform")
    beta = house.beat(Heartbeat("v0.4.9", "linux", channel="beta"))
    assert (beta["latest_version"], beta["directive"]["reason"]) == (None, "no-release")


def test_a_release_that_failed_there_is_not_offered_again() -> None:
    house = House(TWO)
    offer = house.beat(Heartbeat("v0.4.9", "linux"))["directive"]
    failure = Failure("v0.5.0", offer["sha256"], "hung", "silent", "", 1.0)
    assert house.beat(Heartbeat("v0.4.9", "linux", failure=failure))["directive"] == {
        "action": "stay",
        "reason": "failed-before",
    }
    assert house.beat(Heartbeat("v0.4.9", "linux"))["directive"]["reason"] == "failed-before"


def test_a_new_catalogue_is_seen_at_once() -> None:
    house = House(catalogue({}))
    house.beat(Heartbeat("v0.4.9", "linux"))
    house.published = TWO
    assert house.beat(Heartbeat("v0.4.9", "linux"))["latest_version"] == "v0.5.0"
    house.published = replace(TWO, timestamp="signed again")
    assert house.beat(Heartbeat("v0.4.9", "linux"))["tuf"]["timestamp"] == "signed again"


def test_invented_versions_do_not_fill_the_memory() -> None:
    house = House(TWO)
    for number in range(5_000):
        house.beat(Heartbeat(f"v0.4.{number}", "linux"))
    assert len(house.service._answers) <= 4096


def test_an_old_worker_gets_what_it_reads() -> None:
    house = House(TWO)
    answer = json.loads(house.service.legacy(house.worker_id))
    assert answer["status"] == "ok"
    assert answer["latest_version"] == "v0.5.0"
    assert answer["force_update"] is False
    assert house.fleet.get(house.worker_id).heartbeats == 1


BACK = catalogue(
    {"v0.4.9": [LINUX, EXPERIMENTS], "v0.5.0": [LINUX, EXPERIMENTS]}, withdrawn="v0.5.0"
)


def test_a_worker_on_a_withdrawn_release_is_told_to_go_back() -> None:
    house = House(BACK)
    answer = house.beat(Heartbeat("v0.5.0", "linux"))
    assert answer["directive"]["action"] == "revert"
    assert answer["directive"]["reason"] == "release-withdrawn"
    assert answer["directive"]["tag"] == "v0.4.9"
    assert answer["experiments"]["tag"] == "v0.4.9"


def test_an_old_worker_is_not_sent_back() -> None:
    """GAIA 0.4 checks no signature and tries nothing out: it is told the truth, and no more."""
    house = House(BACK)
    house.fleet.register(Register(name="w", version="0.5.0"))
    answer = json.loads(house.service.legacy(house.worker_id))
    assert (answer["latest_version"], answer["force_update"]) == ("v0.4.9", False)


def test_nothing_in_an_answer_names_a_channel_to_follow() -> None:
    assert "channel" not in HeartbeatAnswer.__struct_fields__


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"version": "v1.0.0"}',
        b'{"version": "\xff", "platform": "linux"}',
        b'{"version": "\\ud800", "platform": "linux"}',
        b'{"version": 1, "platform": "linux"}',
        b'{"version": "v1.0.0", "platform": "linux", "progress": 1e999}',
        b'{"version": "v1.0.0", "platform": "linux", "progress": NaN}',
        b'{"version": "v1.0.0", "platform": "linux", "pid": ' + b"9" * 40 + b"}",
        b'{"version": "v1.0.0", "platform": "linux", "x": ' + b"[" * 90_000 + b"]" * 90_000 + b"}",
    ],
)
def test_what_is_no_heartbeat_changes_nothing(body: bytes) -> None:
    house = House(TWO)
    with pytest.raises(InvalidInput) as caught:
        house.service.answer(house.worker_id, body)
    assert caught.value.code == "invalid-json"
    assert house.fleet.get(house.worker_id).heartbeats == 0


def test_an_unknown_worker_is_not_answered() -> None:
    service = House(TWO).service
    with pytest.raises(NotFound):
        service.answer("0" * 32, b'{"version": "v1.0.0", "platform": "linux"}')
    with pytest.raises(NotFound):
        service.legacy("0" * 32)


def test_a_long_log_is_cut_at_its_beginning() -> None:
    house = House(TWO)
    log = "old" + "n\0e" * LOG_TAIL
    body = Heartbeat("v0.4.9", "linux", failure=Failure("v0.5.0", "ab" * 32, "hung", "", log, 1.0))
    assert len(msgspec.json.encode(body)) < MAX_BODY
    house.beat(body)
    failure = house.fleet.get(house.worker_id).failure
    assert failure is not None
    assert failure.log_tail == log[-LOG_TAIL:].replace("\0", "\ufffd")


def test_fields_of_a_newer_worker_are_ignored() -> None:
    house = House(TWO)
    house.service.answer(house.worker_id, b'{"version":"v9.0.0","platform":"linux","new":[1]}')
    assert house.fleet.get(house.worker_id).version == "v9.0.0"
