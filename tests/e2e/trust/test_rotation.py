"""Other keys, other servers, lost keys: nobody who follows notices."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gaia.trust.client import TrustClient
from gaia.trust.pin import RootPin
from support.desk import Desk
from support.follower import clock_passes_what_was_seen, follow, follower
from support.server import ServerProcess

LINUX = "gaia-worker-linux"
Strict = tuple[Desk, ServerProcess]


@pytest.fixture
def published(strict: Strict, program: Path) -> Strict:
    desk, server = strict
    server.upload("v0.5.0", LINUX, program.read_bytes())
    desk("release", "sign", "v0.5.0", program, "--yes")
    return desk, server


@pytest.fixture
def worker(published: Strict, tmp_path: Path) -> TrustClient:
    """What a worker trusts, pinned to the fingerprint of the ceremony, up to date."""
    desk, server = published
    fingerprint = desk.status()["fingerprint"]
    client = follower(server, tmp_path / "worker", RootPin.of_fingerprint(fingerprint))
    follow(client, server)
    return client


def roles(desk: Desk) -> dict[str, dict[str, object]]:
    return {role["name"]: role for role in desk.status()["roles"]}


@pytest.mark.parametrize("role", ["root", "targets", "release", "channel-stable"])
def test_a_role_goes_to_other_keys(published: Strict, worker: TrustClient, role: str) -> None:
    desk, server = published
    for name in ("new-1", "new-2"):
        desk("key", "new", name)
    outcome = desk.ask("trust", "rotate", role, "new-1", "new-2", "--threshold", "2", "--yes")
    assert outcome["state"] == "accepted"
    name = "gaia-worker" if role == "release" else role
    keys = {entry["name"]: entry["keyid"] for entry in desk.ask("key", "list")["keys"]}
    assert roles(desk)[name]["keyids"] == sorted((keys["new-1"], keys["new-2"]))
    assert roles(desk)[name]["threshold"] == 2
    follow(worker, server)
    assert str(worker.pointer("stable").current) == "v0.5.0"  # type: ignore[union-attr]
    desk("trust", "renew", role, "--yes", *("--key", "new-1", "--key", "new-2"))
    follow(worker, server)


def test_the_servers_key_is_replaced(published: Strict, worker: TrustClient) -> None:
    desk, server = published
    before = roles(desk)["timestamp"]["keyids"]
    desk("trust", "rotate", "online", "--yes")
    after = roles(desk)
    assert after["timestamp"]["keyids"] == after["snapshot"]["keyids"] != before
    assert [key["trusted"] for key in desk.status()["online_keys"]] == [True]
    follow(worker, server)


def test_a_lost_online_key_is_replaced(published: Strict, worker: TrustClient) -> None:
    desk, server = published
    server.stop()
    for key in (server.data_dir / "keys").glob("online*.pem"):
        key.unlink()
    server.start()
    assert server.get("/releases/latest").json()["tag"] == "v0.5.0"
    desk("trust", "rotate", "online", "--yes")
    follow(worker, server)
    desk("trust", "renew", "release", "--yes")
    follow(worker, server)


def test_twenty_rotations_that_a_worker_slept_through(
    published: Strict, worker: TrustClient
) -> None:
    desk, server = published
    keys = ["root-1", "root-2", "root-3"]
    for number in range(20):
        desk("key", "new", f"next-{number}")
        keys = [*keys[1:], f"next-{number}"]
        desk("trust", "rotate", "root", *keys, "--yes")
    assert roles(desk)["root"]["version"] == 21
    follow(worker, server)
    desk("trust", "renew", "release", "--yes")
    follow(worker, server)


def test_a_server_from_an_old_backup_gets_back_what_was_signed(
    published: Strict, worker: TrustClient, program: Path, tmp_path: Path
) -> None:
    desk, server = published
    server.stop()
    shutil.copytree(server.data_dir, tmp_path / "backup")
    server.start()
    program.write_bytes(b"\x7fELF newer")
    server.upload("v0.6.0", LINUX, program.read_bytes())
    desk("release", "sign", "v0.6.0", program, "--yes")
    desk("trust", "renew", "root", "--yes")
    follow(worker, server)

    server.stop()
    shutil.rmtree(server.data_dir)
    shutil.copytree(tmp_path / "backup", server.data_dir)
    clock_passes_what_was_seen(tmp_path / "worker")
    server.start()
    assert server.get("/releases/latest").json()["tag"] == "v0.5.0"
    refusal = desk.refused("trust", "renew", "release", "--yes")
    assert refusal["code"] == "server-older"
    assert "gaia trust bundle" in refusal["hint"]
    missing = desk.refused("trust", "bundle")
    assert missing["code"] == "blob-missing"
    desk("release", "publish", "--tag", "v0.6.0", program)
    desk("trust", "bundle")
    assert server.get("/releases/latest").json()["tag"] == "v0.6.0"
    follow(worker, server)
    assert str(worker.pointer("stable").current) == "v0.6.0"  # type: ignore[union-attr]
    assert desk.ask("trust", "bundle")["sent"] == []


def test_another_servers_root_is_never_signed_on(
    published: Strict, make_server: Callable[..., ServerProcess]
) -> None:
    desk, _ = published
    other = make_server()
    other.start()
    desk.server = other
    refusal = desk.refused("trust", "rotate", "release", "release-1", "--yes")
    assert refusal["code"] == "other-root"


def test_a_lost_server_is_made_anew_of_the_archive_and_its_key(
    published: Strict,
    worker: TrustClient,
    program: Path,
    make_server: Callable[..., ServerProcess],
    tmp_path: Path,
) -> None:
    desk, server = published
    server.stop()
    clock_passes_what_was_seen(tmp_path / "worker")
    anew = make_server()
    shutil.copytree(desk.folder / "metadata", anew.data_dir / "tuf")
    (anew.data_dir / "keys").mkdir()
    shutil.copy(server.data_dir / "keys" / "online.pem", anew.data_dir / "keys")
    shutil.rmtree(server.data_dir)
    anew.start(urlsplit(server.url).port or 0)
    desk.server = anew
    desk("release", "publish", "--tag", "v0.5.0", program)
    assert anew.get("/releases/latest").json()["tag"] == "v0.5.0"
    assert anew.get(f"/releases/v0.5.0/{LINUX}").body == program.read_bytes()
    follow(worker, server)


def test_two_new_online_keys_in_one_second_are_two(published: Strict, worker: TrustClient) -> None:
    desk, server = published
    desk("trust", "rotate", "online", "--yes")
    first = roles(desk)["timestamp"]["keyids"]
    desk("trust", "rotate", "online", "--yes")
    assert roles(desk)["timestamp"]["keyids"] != first
    follow(worker, server)
