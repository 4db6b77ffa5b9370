"""From convenience mode to strict in one command, with a running fleet that notices nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from support.desk import Desk
from support.fleet import LINUX, Api, RunningWorker
from support.server import ServerProcess


def test_a_running_worker_notices_nothing(
    api: Api,
    server: ServerProcess,
    build: Callable[[str], Path],
    start_worker: Callable[..., RunningWorker],
    tmp_path: Path,
) -> None:
    old, new = build("v0.4.9"), build("v0.5.0")
    api.curl_upload("v0.4.9", LINUX, old)
    worker = start_worker("w", old, "--auto-update")
    api.until("w", reason="up-to-date")
    safe = tmp_path / "safe"
    (server.data_dir / "keys" / "root").rename(safe)

    desk = Desk(tmp_path / "gaia-trust", server)
    desk("trust", "strict", "--root-keys", safe, "--yes")
    api.more_heartbeats("w", 5)
    assert api.row("w")["alarm"] == ""
    left = [path.name for path in (server.data_dir / "keys").iterdir()]
    assert left == ["online.pem"]

    assert api.curl_upload("v0.5.0", LINUX, new)["status"] == "pending"
    desk("release", "sign", "v0.5.0", new, "--yes")
    api.until("w", version="v0.5.0", state="idle", failure=None)
    assert worker.runs()


def test_root_keys_that_were_left_on_the_server_go_too(
    server: ServerProcess, tmp_path: Path
) -> None:
    """Old root keys could make a new chain for workers that have slept."""
    desk = Desk(tmp_path / "gaia-trust", server)
    desk("trust", "strict", "--root-keys", server.data_dir / "keys" / "root", "--yes")
    assert not list((server.data_dir / "keys").rglob("root-*.pem"))
    assert desk.status()["mode"] == "strict"
    server.restart()
    assert desk.status()["mode"] == "strict"


def test_too_few_root_keys_change_nothing(server: ServerProcess, tmp_path: Path) -> None:
    safe = tmp_path / "safe"
    shutil.copytree(server.data_dir / "keys" / "root", safe)
    for name in ("root-1.pem", "root-2.pem"):
        (safe / name).unlink()
    before = {path.name for path in (server.data_dir / "tuf").iterdir()}
    desk = Desk(tmp_path / "gaia-trust", server)
    refusal = desk.refused("trust", "strict", "--root-keys", safe, "--yes")
    assert refusal["code"] == "root-keys-missing"
    assert {path.name for path in (server.data_dir / "tuf").iterdir()} == before
    assert desk.status()["mode"] == "convenience"
    assert not desk.folder.exists()


def test_what_fails_on_the_way_is_repeated_with_the_same_keys(
    server: ServerProcess, tmp_path: Path
) -> None:
    desk = Desk(tmp_path / "gaia-trust", server)
    root_keys = server.data_dir / "keys" / "root"
    refusal = desk.refused("trust", "strict", "--root-keys", root_keys)
    assert refusal["code"] == "no-assent"
    assert desk.status()["mode"] == "convenience"
    made = desk.ask("key", "list")["keys"]
    desk("trust", "strict", "--root-keys", root_keys, "--yes")
    assert desk.ask("key", "list")["keys"] == made
    assert desk.status()["mode"] == "strict"


def test_channels_of_the_server_come_along(server: ServerProcess, tmp_path: Path) -> None:
    server.upload("v0.5.0-rc.1", LINUX, b"\x7fELF", query="&channel=beta")
    desk = Desk(tmp_path / "gaia-trust", server)
    root_keys = server.data_dir / "keys" / "root"
    desk("trust", "strict", "--root-keys", root_keys, "--channel", "stable", "--yes")
    roles = {role["name"]: role["keyids"] for role in desk.status()["roles"]}
    assert roles["channel-beta"] == roles["gaia-worker"] == roles["channel-stable"]
    assert desk.ask("channel", "show", "beta")["current"] == "v0.5.0-rc.1"
