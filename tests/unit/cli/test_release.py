"""`gaia release` and `gaia channel`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gaia.cli.command import ExitCode
from support.web import Reply, Request, Web

ENTRY = {
    "tag": "v0.5.0",
    "created_at": "2026-11-24T00:00:00Z",
    "notes": "Faster [bold]\x1b[2J",
    "files": [
        {"filename": "gaia-worker-linux", "size": 20_000_000, "sha256": "ab" * 32},
        {"filename": "experiments.tar.gz", "size": 1000, "sha256": "cd" * 32},
    ],
    "channel": "stable",
    "platforms": ["linux"],
}
LATEST = {**ENTRY, "latest": {"linux": "v0.5.0", "windows": "v0.4.9"}}
UPLOAD = "POST /api/releases/upload"


def accept(request: Request) -> Reply:
    query = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
    answer = {
        "status": "ok",
        "tag": query["tag"],
        "filename": query["filename"],
        "size": len(request.body),
        "sha256": hashlib.sha256(request.body).hexdigest(),
        "channel": query.get("channel", "stable"),
        "published": True,
    }
    return Reply(body=json.dumps(answer).encode())


@pytest.fixture
def uploads(web: Web) -> Web:
    web.respond = accept
    return web


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    file = tmp_path / "gaia-worker-linux"
    file.write_bytes(b"\x7fELF" + bytes(100_000))
    return file


def test_releases_are_listed(gaia: Any, routes: dict[str, Any]) -> None:
    routes["GET /api/releases"] = {"releases": [ENTRY]}
    shown = gaia("release", "list").stdout
    assert "v0.5.0" in shown
    assert "20.0 MB" in shown
    assert "Faster [bold]" in shown
    assert "\x1b" not in shown
    assert json.loads(gaia("release", "list", "--json").stdout) == {"releases": [ENTRY]}


def test_no_releases_are_said_to_be_none(gaia: Any, routes: dict[str, Any]) -> None:
    routes["GET /api/releases"] = {"releases": []}
    assert "no releases yet" in gaia("release", "list").stdout


def test_a_release_is_shown_with_whole_digests(gaia: Any, routes: dict[str, Any]) -> None:
    routes["GET /releases/v0.5.0"] = ENTRY
    assert "ab" * 32 in gaia("release", "show", "0.5.0").stdout
    assert json.loads(gaia("release", "show", "v0.5.0", "--json").stdout) == ENTRY


def test_build_metadata_in_a_tag_reaches_the_server(gaia: Any, routes: dict[str, Any]) -> None:
    routes["GET /releases/v0.5.0%2Bbuild.7"] = ENTRY
    assert gaia("release", "show", "v0.5.0+build.7").exit_code == 0


def test_files_are_published_with_their_facts(
    gaia: Any, uploads: Web, worker: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "experiments.tar.gz"
    bundle.write_bytes(b"bundle")
    result = gaia(
        *("release", "publish", str(worker), str(bundle), "--tag", "0.5.0"),
        *("--notes", "new & better", "--channel", "beta", "--json"),
    )
    assert result.exit_code == 0
    done = json.loads(result.stdout)["uploaded"]
    assert [entry["filename"] for entry in done] == ["experiments.tar.gz", "gaia-worker-linux"]
    sent = uploads.requests[1]
    assert sent.body == worker.read_bytes()
    assert sent.headers["content-type"] == "application/octet-stream"
    assert sent.headers["content-length"] == str(worker.stat().st_size)
    query = parse_qs(urlsplit(sent.path).query)
    assert query == {
        "tag": ["v0.5.0"],
        "filename": ["gaia-worker-linux"],
        "notes": ["new & better"],
        "channel": ["beta"],
    }


def test_a_file_may_get_another_name(gaia: Any, uploads: Web, tmp_path: Path) -> None:
    file = tmp_path / "a.out"
    file.write_bytes(b"")
    result = gaia("release", "publish", str(file), "--tag", "v1.0.0", "--as", "gaia-worker-linux")
    assert "published" in result.stdout
    assert "filename=gaia-worker-linux" in uploads.requests[0].path


def test_nothing_is_sent_when_one_of_the_names_is_wrong(
    gaia: Any, uploads: Web, worker: Path, tmp_path: Path
) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("")
    result = gaia("release", "publish", str(worker), str(other), "--tag", "v0.5.0")
    assert result.exit_code == ExitCode.USAGE
    assert "notes.txt" in result.stderr
    assert uploads.requests == []


def test_two_files_cannot_have_one_name(gaia: Any, uploads: Web, worker: Path) -> None:
    twice = (str(worker), str(worker))
    assert gaia("release", "publish", *twice, "--tag", "v0.5.0").exit_code == ExitCode.USAGE
    named = gaia("release", "publish", *twice, "--tag", "v0.5.0", "--as", "gaia-worker-linux")
    assert named.exit_code == ExitCode.USAGE
    assert uploads.requests == []


def test_a_bad_tag_is_refused_before_anything_is_sent(
    gaia: Any, uploads: Web, worker: Path
) -> None:
    assert gaia("release", "publish", str(worker), "--tag", "soon").exit_code == ExitCode.USAGE
    assert uploads.requests == []


def test_a_file_that_was_changed_on_its_way_is_noticed(gaia: Any, web: Web, worker: Path) -> None:
    web.respond = lambda request: accept(
        Request(request.method, request.path, request.headers, request.body + b"!")
    )
    result = gaia("release", "publish", str(worker), "--tag", "v0.5.0", "--json")
    assert result.exit_code == ExitCode.TRANSPORT
    assert json.loads(result.stderr)["code"] == "upload-corrupted"


CHANNEL = {
    "name": "stable",
    "current": "v0.5.0",
    "floor": "v0.4.0",
    "tags": ["v0.5.0", "v0.4.9"],
    "withdrawn": ["v0.4.8"],
    "latest": {"linux": "v0.5.0", "windows": "v0.4.9"},
}


def test_channels_are_listed_with_floor_and_what_was_withdrawn(
    gaia: Any, routes: dict[str, Any]
) -> None:
    routes["GET /api/channels"] = {"channels": [CHANNEL]}
    shown = gaia("channel", "list").stdout
    assert "windows=v0.4.9" in shown
    assert "v0.4.0" in shown
    assert "v0.4.8" in shown
    assert json.loads(gaia("channel", "list", "--json").stdout)["channels"] == [CHANNEL]


def test_a_channel_is_shown(gaia: Any, routes: dict[str, Any]) -> None:
    routes["GET /api/channels"] = {"channels": [CHANNEL]}
    assert "v0.4.9" in gaia("channel", "show", "stable").stdout
    assert gaia("channel", "show", "beta").exit_code == ExitCode.NOT_FOUND
    assert gaia("channel", "show", "No Such").exit_code == ExitCode.USAGE
