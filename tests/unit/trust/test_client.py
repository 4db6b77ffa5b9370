from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from gaia.errors import TransportError, TrustError
from gaia.model.artifact import EXPERIMENTS
from gaia.model.tag import Tag
from gaia.trust.client import RootPin
from support.trust import LINUX, START, Clock, World, current, release

V5 = Tag.parse("v0.5.0")


def test_first_refresh_reads_each_role_once(world: World) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    roles = [name.removesuffix(".json").rpartition(".")[2] for name in world.source.reads]
    assert roles == ["root", "snapshot", "targets", "gaia-worker", "channel-stable"]
    assert current(client) == "v0.5.0"


def test_an_idle_worker_reads_nothing(world: World) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    world.source.reads.clear()
    for _ in range(100):
        world.beat(client)
        assert current(client) == "v0.5.0"
        client.target(V5, LINUX)
    assert world.source.reads == []


def test_the_hourly_timestamp_costs_no_read(world: World, clock: Clock) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    world.source.reads.clear()
    for _ in range(48):
        clock.forward(hours=1)
        assert world.repository.renew()
        world.beat(client)
        client.target(V5, LINUX)
    assert world.source.reads == []


def test_a_publish_moves_the_pointer_and_reads_only_what_changed(world: World) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    world.source.reads.clear()
    world.publish("v0.5.0", "v0.6.0")
    world.beat(client)
    pointer = client.pointer("stable")
    assert pointer is not None
    assert (str(pointer.current), str(pointer.floor)) == ("v0.6.0", "v0.0.0-0")
    assert pointer.tags[V5] == {LINUX: "a" * 64, EXPERIMENTS: "b" * 64}
    assert len(world.source.reads) == 3  # snapshot, gaia-worker, channel-stable


def test_targets_have_the_signed_size_and_digest(world: World) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    artifact = client.target(V5, LINUX)
    assert (artifact.filename, artifact.size, artifact.sha256) == (LINUX, 5, "a" * 64)


@pytest.mark.parametrize(
    ("tag", "filename"),
    [("v0.5.1", LINUX), ("v0.5.0", "gaia-worker-plan9"), ("v0.5.0", "other.txt")],
)
def test_what_is_not_signed_is_refused(world: World, tag: str, filename: str) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    with pytest.raises(TrustError) as refusal:
        client.target(Tag.parse(tag), filename)
    assert refusal.value.code == "target-not-signed"


def test_before_anything_was_verified(world: World) -> None:
    client = world.client()
    assert client.pointer("stable") is None
    with pytest.raises(TrustError) as refusal:
        client.target(V5, LINUX)
    assert refusal.value.code == "target-not-signed"
    assert world.source.reads == []


def test_nothing_published_is_no_pointer(world: World) -> None:
    client = world.client()
    world.beat(client)
    assert client.pointer("stable") is None


def test_a_restarted_worker_reads_nothing_and_knows_the_pointer(world: World) -> None:
    world.publish("v0.5.0")
    world.beat(world.client())
    world.source.reads.clear()
    restarted = world.client()
    assert current(restarted) == "v0.5.0"
    assert restarted.target(V5, LINUX).size == 5
    world.beat(restarted)
    assert world.source.reads == []


def test_another_channel_is_loaded_when_asked_for(world: World) -> None:
    world.publish_releases(release("v0.5.0"), release("v0.6.0-rc.1", channel="beta"))
    client = world.client()
    world.beat(client)
    assert current(client, "beta") == "v0.6.0-rc.1"
    assert current(client, "stable") == "v0.5.0"
    assert client.pointer("nightly") is None


def test_a_worker_of_another_channel_has_it_after_refresh(world: World) -> None:
    world.publish_releases(release("v0.5.0"), release("v0.6.0-rc.1", channel="beta"))
    client = world.client(channel="beta")
    world.beat(client)
    world.source.broken = True
    assert current(client, "beta") == "v0.6.0-rc.1"
    assert not any("channel-stable" in name for name in world.source.reads)


def test_a_broken_network_is_a_transport_error_and_passes(world: World) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    world.publish("v0.5.0", "v0.6.0")
    world.source.broken = True
    for _ in range(2):
        with pytest.raises(TransportError) as failure:
            world.beat(client)
        assert failure.value.code == "unreachable"
        assert current(client) == "v0.5.0"
    world.source.broken = False
    world.beat(client)
    assert current(client) == "v0.6.0"


def test_a_file_that_the_server_lacks_is_a_transport_error(world: World) -> None:
    world.publish("v0.5.0")
    world.source.tamper = lambda name, data: None if "gaia-worker" in name else data
    with pytest.raises(TransportError) as failure:
        world.beat(world.client())
    assert failure.value.code == "metadata-missing"


@pytest.mark.parametrize("timestamp", ["", "{}", "[]", "null", "\ud800", '{"signed": 1}', "x" * 99])
def test_a_timestamp_that_is_none(world: World, timestamp: str) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    with pytest.raises(TrustError) as refusal:
        client.refresh(1, timestamp)
    assert refusal.value.code == "metadata-invalid"
    assert current(client) == "v0.5.0"


@pytest.mark.parametrize("pin", ["fingerprint", "file", "first-use"])
@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 400, b"[]", None])
def test_damaged_state_heals(world: World, damage: bytes | None, pin: str) -> None:
    world.publish("v0.5.0")
    first = world.tuf / "1.root.json"
    pins = {
        "fingerprint": RootPin.of_fingerprint(world.repository.fingerprint),
        "file": RootPin.of_file(first.read_bytes()),
        "first-use": RootPin.on_first_use(),
    }
    world.beat(world.client(pins[pin]))
    files = [path for path in world.state().rglob("*") if path.is_file()]
    assert len(files) == 7
    for path in files:
        kept = path.read_bytes()
        path.write_bytes(kept[: len(kept) // 2] if damage is None else damage)
        client = world.client(pins[pin])
        assert current(client) in {None, "v0.5.0"}
        world.beat(client)
        assert current(client) == "v0.5.0"
        assert path.read_bytes() == kept


def test_a_lost_state_folder_is_started_anew(world: World) -> None:
    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    shutil.rmtree(world.state())
    world.publish("v0.5.0", "v0.6.0")
    world.beat(client)
    assert current(client) == "v0.6.0"


def test_a_state_folder_that_cannot_be_made(world: World) -> None:
    world.state().parent.write_text("a file where the folder should be")
    with pytest.raises(TrustError) as refusal:
        world.beat(world.client())
    assert refusal.value.code == "trust-state-unusable"
    assert str(world.state()) in refusal.value.message


def test_state_is_durable_and_has_no_leftovers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """python-tuf's own writing is neither; should a new version go past ours, this fails."""
    written: list[str] = []
    synced: list[int] = []
    real, real_sync = Path.replace, os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(descriptor)
        real_sync(descriptor)

    def replace(self: Path, target: Any) -> Path:
        written.append(Path(target).name)
        return real(self, target)

    world.publish("v0.5.0")
    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(os, "fsync", fsync)
    world.beat(world.client())
    names = {path.name for path in world.state().rglob("*") if path.is_file()}
    assert sorted(written) == sorted(names)
    assert len(synced) >= 2 * len(written)  # each file, and its folder
    assert names == {
        *("1.root.json", "timestamp.json", "snapshot.json", "targets.json"),
        *("gaia-worker.json", "channel-stable.json", "last-refresh"),
    }


def test_a_malformed_pointer_is_refused_by_refresh(world: World, clock: Clock) -> None:
    from tuf.api.metadata import TargetFile

    world.publish("v0.5.0")
    client = world.client()
    world.beat(client)
    path = "channels/stable/pointer.json"
    bad = TargetFile(0, {"sha256": "0" * 64}, path, {"custom": {"current": "latest"}})
    world.forge("channel-stable", {path: bad})
    with pytest.raises(TrustError) as refusal:
        world.beat(client)
    assert refusal.value.code == "pointer-malformed"
    assert current(client) == "v0.5.0"


def test_the_first_use_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    import structlog.testing

    with structlog.testing.capture_logs() as logs:
        world.beat(world.client(RootPin.on_first_use()))
        world.beat(world.client(RootPin.on_first_use()))
    assert [entry["fingerprint"] for entry in logs] == ["sha256:" + world.repository.fingerprint]


def test_the_clock_of_the_fixture_is_the_repository_s(world: World) -> None:
    assert json.loads(world.repository.timestamp)["signed"]["version"] == START.timestamp()


def test_what_a_killed_worker_left_half_written_goes(world: World) -> None:
    world.publish("v0.5.0")
    world.beat(world.client())
    state = world.state()
    drafts = [state / "tmp0a1b2c3d.tmp", state / "root_history" / "tmp4e5f6a7b.tmp"]
    for draft in drafts:
        draft.write_bytes(b"{")
    world.beat(world.client())
    assert not [draft for draft in drafts if draft.exists()]
