"""Strict mode: nothing is published before its keys' holders have signed it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from support.desk import Desk
from support.server import ServerProcess

LINUX = "gaia-worker-linux"
Strict = tuple[Desk, ServerProcess]


def test_an_upload_waits_and_says_for_what(strict: Strict, program: Path) -> None:
    desk, server = strict
    answer = server.upload("v0.5.0", LINUX, program.read_bytes())
    assert answer.status in (200, 202)
    uploaded = answer.json()
    assert uploaded["status"] == "pending"
    for role, missing in zip(("gaia-worker", "channel-stable"), uploaded["missing"], strict=True):
        assert missing.startswith(f"{role}: signatures of 1 of 1 keys")
    assert uploaded["next"] == f"gaia release sign v0.5.0 {LINUX} --channel stable"
    assert server.get("/releases/latest").status == 404
    assert server.get(f"/releases/v0.5.0/{LINUX}").status == 404
    shown = desk("trust", "status")
    assert "strict" in shown
    assert f"v0.5.0/{LINUX}" in shown
    assert "gaia release sign v0.5.0" in shown


def test_what_is_signed_is_published_and_no_more(strict: Strict, program: Path) -> None:
    desk, server = strict
    server.upload("v0.5.0", LINUX, program.read_bytes())
    server.upload("v0.5.0", "gaia-worker-windows.exe", b"MZ")
    outcome = desk.ask("release", "sign", "v0.5.0", program, "--yes")
    assert outcome["state"] == "accepted"
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    assert any(digest in change for change in outcome["changes"])
    latest = server.get("/releases/latest").json()
    assert [(f["filename"], f["sha256"]) for f in latest["files"]] == [(LINUX, digest)]
    assert server.get(f"/releases/v0.5.0/{LINUX}").body == program.read_bytes()
    pending = desk.status()["pending"]
    assert [entry["filename"] for entry in pending] == ["gaia-worker-windows.exe"]


def test_nothing_is_signed_without_a_yes(strict: Strict, program: Path) -> None:
    desk, server = strict
    server.upload("v0.5.0", LINUX, program.read_bytes())
    assert desk.refused("release", "sign", "v0.5.0", program)["code"] == "no-assent"
    assert server.get("/releases/latest").status == 404


def test_the_operators_own_file_is_what_is_signed(strict: Strict, program: Path) -> None:
    """The server was given, or shows, other bytes: they never get the signature."""
    desk, server = strict
    server.upload("v0.5.0", LINUX, b"\x7fELF something else")
    refusal = desk.refused("release", "sign", "v0.5.0", program, "--yes")
    assert refusal["code"] == "blob-missing"
    assert hashlib.sha256(program.read_bytes()).hexdigest() in refusal["message"]
    assert server.get("/releases/latest").status == 404
    desk("release", "publish", "--tag", "v0.5.0", program)
    desk("release", "sign", "v0.5.0", program, "--yes")
    assert server.get(f"/releases/v0.5.0/{LINUX}").body == program.read_bytes()


def test_a_channel_is_not_moved_by_mistake(found: Callable[..., Strict], program: Path) -> None:
    desk, server = found("--channel", "stable", "--channel", "beta=1/ci")
    server.upload("v0.5.0", LINUX, program.read_bytes(), query="&channel=beta")
    assert desk.refused("release", "sign", "v0.5.0", program, "--yes")["code"] == "channel-conflict"
    desk("release", "sign", "v0.5.0", program, "--channel", "beta", "--yes")
    assert [entry["name"] for entry in desk.ask("channel", "list")["channels"]] == ["beta"]


def test_signing_and_sending_workers_there_can_be_two_steps(strict: Strict, program: Path) -> None:
    desk, server = strict
    server.upload("v0.5.0", LINUX, program.read_bytes())
    desk("release", "sign", "v0.5.0", program, "--files-only", "--yes")
    assert desk.ask("channel", "list")["channels"] == []
    assert server.get(f"/releases/v0.5.0/{LINUX}").body == program.read_bytes()
    desk("release", "promote", "v0.5.0", "--yes")
    assert server.get("/releases/latest").json()["tag"] == "v0.5.0"


def test_back_to_an_older_release_but_not_below_the_floor(strict: Strict, program: Path) -> None:
    desk, server = strict
    for tag in ("v0.4.0", "v0.5.0", "v0.6.0"):
        program.write_bytes(f"\x7fELF {tag}".encode())
        server.upload(tag, LINUX, program.read_bytes())
        desk("release", "sign", tag, program, "--yes")
    desk("channel", "floor", "stable", "v0.5.0", "--yes")
    assert desk.refused("release", "promote", "v0.4.0", "--yes")["code"] == "below-floor"
    desk("release", "promote", "v0.5.0", "--yes")
    shown = desk.ask("channel", "show", "stable")
    assert (shown["current"], shown["floor"]) == ("v0.5.0", "v0.5.0")
    desk("release", "promote", "v0.6.0", "--yes")
    desk("release", "withdraw", "v0.6.0", "--yes")
    shown = desk.ask("channel", "show", "stable")
    assert (shown["current"], shown["withdrawn"]) == ("v0.5.0", ["v0.6.0"])
    assert desk.refused("release", "withdraw", "v0.5.0", "--yes")["code"] == "nothing-left"
    assert desk.refused("release", "promote", "v0.6.0", "--yes")["code"] == "no-such-release"
    assert server.upload("v0.6.0", LINUX, b"\x7fELF again").problem() == "release-withdrawn"


def test_a_convenient_server_leaves_nothing_to_sign(
    server: ServerProcess, tmp_path: Path, program: Path
) -> None:
    desk = Desk(tmp_path / "gaia-trust", server)
    desk("release", "publish", "--tag", "v0.5.0", program)
    assert desk.refused("release", "sign", "v0.5.0", program, "--yes")["code"] == "not-strict-mode"
    desk("channel", "floor", "stable", "v0.5.0")
    assert desk.ask("channel", "show", "stable")["floor"] == "v0.5.0"


@pytest.mark.parametrize("verb", ["promote", "withdraw"])
def test_steering_a_convenient_server_needs_no_keys(
    server: ServerProcess, tmp_path: Path, program: Path, verb: str
) -> None:
    desk = Desk(tmp_path / "gaia-trust", server)
    for tag in ("v0.4.0", "v0.5.0"):
        program.write_bytes(f"\x7fELF {tag}".encode())
        desk("release", "publish", "--tag", tag, program)
    desk("release", verb, {"promote": "v0.4.0", "withdraw": "v0.5.0"}[verb])
    assert desk.ask("channel", "show", "stable")["current"] == "v0.4.0"
    assert not desk.folder.exists()
