from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gaia.errors import InvalidInput, Refused, TrustError
from gaia.model.tag import Tag
from gaia.trust import files
from gaia.trust.metadata_files import KEPT_VERSIONS
from gaia.trust.repository import Repository
from support.trust import Clock, World, current, release

BELOW_ROOT = {"timestamp", "snapshot", "targets", "gaia-worker", "channel-stable"}


def signed(path: Path) -> Any:
    return json.loads(path.read_bytes())["signed"]


def version_of(path: Path) -> int:
    return int(path.name.partition(".")[0])


def test_first_use_makes_everything(world: World) -> None:
    assert sorted(path.name for path in world.keys.rglob("*")) == [
        *("README.txt", "gaia-worker.pem", "online.pem", "root"),
        *("root-1.pem", "root-2.pem", "root-3.pem", "targets.pem"),
    ]
    root = signed(world.tuf / "1.root.json")
    assert root["consistent_snapshot"] is True
    assert root["roles"]["root"]["threshold"] == 2
    assert len(root["roles"]["root"]["keyids"]) == 3
    assert root["roles"]["snapshot"] == root["roles"]["timestamp"]
    assert world.repository.root_version == 1
    assert world.repository.pointers() == {}


def test_private_keys_are_private(world: World) -> None:
    for path in [world.keys, *world.keys.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_the_readme_says_to_move_the_root_keys(world: World) -> None:
    text = (world.keys / "root" / "README.txt").read_text()
    assert "MOVE THIS FOLDER OFF THE SERVER" in text


def test_the_root_keys_are_not_needed_again(world: World) -> None:
    (world.keys / "root").rename(world.folder / "safe")
    world.reopen()
    world.publish("v0.5.0")
    world.clock.forward(days=364)
    assert world.repository.renew()
    assert not (world.keys / "root").exists()
    (world.folder / "safe").rename(world.keys / "root")
    world.renew_root()
    assert world.repository.root_version == 2
    world.reopen()
    assert world.repository.root_version == 2
    assert world.repository.expiries()["root"] == world.clock.now + timedelta(days=365)


def test_two_root_keys_renew_the_root_and_one_does_not(world: World) -> None:
    safe = world.keys / "root"
    (safe / "root-2.pem").unlink()
    world.renew_root()
    (safe / "root-1.pem").unlink()
    with pytest.raises(Refused) as refusal:
        world.renew_root()
    assert refusal.value.code == "bundle-unsigned"
    assert "has 1 of 2 signatures" in refusal.value.message
    assert world.repository.root_version == 2


def test_publish_is_idempotent(world: World) -> None:
    world.publish("v0.5.0")
    before = {path.name: path.stat().st_mtime_ns for path in world.tuf.iterdir()}
    text = world.repository.timestamp
    world.publish("v0.5.0")
    world.reopen()
    world.publish("v0.5.0")
    assert {path.name: path.stat().st_mtime_ns for path in world.tuf.iterdir()} == before
    assert world.repository.timestamp == text


def test_the_order_of_releases_does_not_matter(world: World) -> None:
    world.publish("v0.5.0", "v0.6.0")
    text = world.repository.timestamp
    world.publish("v0.6.0", "v0.5.0")
    assert world.repository.timestamp == text


def test_only_roles_that_change_are_signed(world: World) -> None:
    beta = release("v0.6.0-rc.1", channel="beta")
    world.publish_releases(release("v0.5.0"), beta)
    before = {role: world.newest(role).name for role in ("targets", "channel-stable")}
    world.clock.forward(minutes=5)
    rc2 = release("v0.6.0-rc.2", channel="beta")
    world.publish_releases(release("v0.5.0"), beta, rc2)
    assert {role: world.newest(role).name for role in before} == before
    for role in ("channel-beta", "gaia-worker", "snapshot"):
        assert version_of(world.newest(role)) == world.clock.now.timestamp()


def test_pointers_of_channels(world: World) -> None:
    rc = release("v0.6.0-rc.1", channel="beta")
    world.publish_releases(release("v0.4.0"), rc, release("v0.5.0"))
    for repository in (world.repository, world.open()):
        pointers = repository.pointers()
        assert {name: str(p.current) for name, p in pointers.items()} == {
            "stable": "v0.5.0",
            "beta": "v0.6.0-rc.1",
        }
        assert set(pointers["stable"].tags) == {Tag.parse("v0.4.0"), Tag.parse("v0.5.0")}


def test_an_emptied_channel_stays_in_the_snapshot(world: World) -> None:
    world.publish_releases(release("v0.5.0"), release("v0.6.0", channel="beta"))
    client = world.client()
    world.beat(client)
    world.publish("v0.5.0")
    assert list(world.repository.pointers()) == ["stable"]
    world.beat(client)
    assert client.pointer("beta") is None
    assert "channel-beta.json" in signed(world.newest("snapshot"))["meta"]


@pytest.mark.parametrize("channel", ["../x", "Stable", "a/b", "*", "", "x" * 40])
def test_odd_channels_are_refused(world: World, channel: str) -> None:
    before = sorted(world.folder.rglob("*"))
    with pytest.raises(InvalidInput):
        world.publish_releases(release("v0.5.0", channel=channel))
    assert sorted(world.folder.rglob("*")) == before


def test_versions_grow_when_the_clock_does_not(world: World, clock: Clock) -> None:
    versions = []
    for minor in range(5):
        world.publish(f"v0.{minor}.0")
        versions.append(signed(world.tuf / "timestamp.json")["version"])
        clock.forward(hours=-1)
    assert versions == sorted(set(versions))


@pytest.mark.parametrize(
    ("passed", "renewed"),
    [
        (timedelta(minutes=59), set()),
        (timedelta(hours=1), {"timestamp"}),
        (timedelta(days=15), {"timestamp", "snapshot"}),
        (timedelta(days=90), {"timestamp", "snapshot", "gaia-worker", "channel-stable"}),
        (timedelta(days=183), BELOW_ROOT),
    ],
)
def test_renewal(world: World, passed: timedelta, renewed: set[str]) -> None:
    world.publish("v0.5.0")
    before = world.repository.expiries()
    world.clock.now += passed
    assert world.repository.renew() is bool(renewed)
    after = world.repository.expiries()
    assert {role for role in after if after[role] != before[role]} == renewed
    assert world.repository.renew() is False


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../keys/online.pem", "/etc/passwd", "timestamp.json/", "snapshot.json"),
        *(
            "1.root.json\n",
            "1.ROOT.json",
            "-1.root.json",
            "1.root.json.tmp",
            "1..json",
            "\u0661.root.json",
        ),
        *("9" * 30 + ".root.json", "1." + "a" * 300 + ".json", "1.root.json\0", "999.root.json"),
    ],
)
def test_odd_names_are_not_read(world: World, name: str) -> None:
    assert world.repository.read(name) is None


def test_read_serves_what_is_on_disk(world: World) -> None:
    root = (world.tuf / "1.root.json").read_bytes()
    assert world.repository.read("1.root.json") == world.repository.read("root.json") == root
    text = world.repository.timestamp.encode()
    assert world.repository.read("timestamp.json") == text
    world.newest("snapshot").write_bytes(b"not JSON")
    assert world.repository.read(world.newest("snapshot").name) == b"not JSON"


def test_old_versions_are_removed_but_no_root(world: World) -> None:
    for minor in range(KEPT_VERSIONS + 8):
        world.publish(f"v0.{minor}.0")
        world.renew_root()
    roles = [path.name.split(".")[1] for path in world.tuf.iterdir()]
    assert roles.count("root") == KEPT_VERSIONS + 9
    assert roles.count("snapshot") == roles.count("gaia-worker") == KEPT_VERSIONS + 1
    assert world.newest("targets").exists()
    world.reopen()
    client = world.client()
    world.beat(client)
    assert current(client) == f"v0.{KEPT_VERSIONS + 7}.0"


class PowerCut(BaseException):
    """The machine stops here."""


def cut_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    real, done = files.write, 0

    def write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
        nonlocal done
        if done == writes:
            path.with_suffix(files.TEMPORARY).write_bytes(data[: len(data) // 2])
            raise PowerCut
        done += 1
        real(path, data, mode=mode)

    monkeypatch.setattr(files, "write", write)


def cuts(monkeypatch: pytest.MonkeyPatch, act: Any, at: int) -> bool:
    """Do `act` with the power cut at write number `at`; whether it came so far."""
    with monkeypatch.context() as patch:
        cut_after(patch, at)
        try:
            act()
        except PowerCut:
            return True
    return False


def test_a_power_cut_at_any_write_of_the_first_start(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = 0
    while True:
        folder = tmp_path / str(at)
        open_it = lambda: Repository.open(folder / "tuf", folder / "keys", clock)  # noqa: B023, E731
        cut = cuts(monkeypatch, open_it, at)
        world = World(folder, clock)
        world.publish("v0.5.0")
        client = world.client()
        world.beat(client)
        assert current(client) == "v0.5.0"
        assert not list(world.tuf.glob("*.tmp"))
        if not cut:
            break
        at += 1
    assert at > 10


def test_a_power_cut_at_any_write_of_a_publish(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients find the edition before, and the server goes on from it."""
    at = 0
    releases: Sequence[Any] = [release("v0.5.0"), release("v0.6.0-rc.1", channel="beta")]
    while True:
        world = World(tmp_path / str(at), clock)
        world.publish("v0.5.0")
        kept = world.repository.timestamp
        client = world.client()
        cut = cuts(monkeypatch, lambda: world.publish_releases(*releases), at)  # noqa: B023
        if not cut:
            break
        world.beat(client)
        assert "beta" not in world.repository.pointers()
        world.reopen()
        assert world.repository.timestamp == kept
        world.beat(world.client(name="new"))
        world.publish_releases(*releases)
        world.beat(client)
        assert current(client, "beta") == "v0.6.0-rc.1"
        at += 1
    assert at >= 5


def test_a_full_disk_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish("v0.5.0")

    def write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "write", write)
        with pytest.raises(OSError, match="No space"):
            world.publish("v0.6.0")
    assert str(world.repository.pointers()["stable"].current) == "v0.5.0"
    client = world.client()
    world.beat(client)
    assert current(client) == "v0.5.0"


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1, 2", b"\xff\xfe", b"null"])
@pytest.mark.parametrize(
    "role", ["root", "timestamp", "snapshot", "targets", "gaia-worker", "channel-stable"]
)
def test_files_that_cannot_be_parsed(world: World, role: str, damage: bytes) -> None:
    world.publish("v0.5.0")
    path = world.tuf / "timestamp.json" if role == "timestamp" else world.newest(role)
    path.write_bytes(damage)
    with pytest.raises(TrustError) as refusal:
        world.open()
    assert refusal.value.code == "repository-damaged"
    assert str(path) in refusal.value.message
    assert "backup" in refusal.value.hint


@pytest.mark.parametrize("role", ["root", "snapshot", "targets", "gaia-worker"])
def test_files_that_are_gone(world: World, role: str) -> None:
    world.newest(role).unlink()
    with pytest.raises(TrustError) as refusal:
        world.open()
    assert refusal.value.code == "repository-damaged"


def test_a_key_that_is_gone(world: World) -> None:
    world.publish("v0.5.0")
    (world.keys / "gaia-worker.pem").unlink()
    with pytest.raises(TrustError) as refusal:
        world.publish("v0.5.0", "v0.6.0")
    assert refusal.value.code == "key-missing"
    assert str(world.repository.pointers()["stable"].current) == "v0.5.0"


@pytest.mark.parametrize("content", [b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\n"])
def test_a_key_that_is_none(world: World, content: bytes) -> None:
    (world.keys / "online.pem").write_bytes(content)
    with pytest.raises(TrustError) as refusal:
        world.publish("v0.5.0")
    assert refusal.value.code == "key-unreadable"


def test_a_key_of_another_server(world: World, tmp_path: Path, clock: Clock) -> None:
    other = World(tmp_path / "other", clock)
    (world.keys / "online.pem").write_bytes((other.keys / "online.pem").read_bytes())
    with pytest.raises(TrustError) as refusal:
        world.publish("v0.5.0")
    assert refusal.value.code == "online-key-missing"


def test_a_damaged_key_does_not_keep_the_server_from_starting(world: World) -> None:
    world.publish("v0.5.0")
    (world.keys / "gaia-worker.pem").write_bytes(b"not a key")
    world.reopen()
    assert world.repository.mode == "convenience"
    world.clock.forward(hours=2)
    assert world.repository.renew()
    with pytest.raises(TrustError) as refusal:
        world.publish("v0.5.0", "v0.6.0")
    assert refusal.value.code == "key-unreadable"


def test_the_timestamp_is_renewed_though_another_key_is_lost(world: World) -> None:
    (world.keys / "gaia-worker.pem").unlink()
    world.clock.forward(days=91)
    with pytest.raises(TrustError) as refusal:
        world.repository.renew()
    assert refusal.value.code == "key-missing"
    for role in ("timestamp", "snapshot"):
        assert world.repository.expiries()[role] > world.clock.now


def test_a_clock_that_was_ahead_leaves_nothing_behind(world: World) -> None:
    """Workers refuse what was signed for too long, so it does not stand until then."""
    client = world.client()
    world.clock.forward(days=5)
    world.publish("v0.5.0")
    world.clock.forward(days=-5)
    with pytest.raises(TrustError, match="clock"):
        world.beat(client)
    assert world.repository.renew()
    world.beat(client)
    assert current(client) == "v0.5.0"
    assert not world.repository.renew()
