"""`gaia trust`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from gaia.cli.command import ExitCode


def role(kind: str, version: int, expires: str, **more: Any) -> dict[str, Any]:
    signed = {"_type": kind, "version": version, "expires": expires, **more}
    return {"signatures": [], "signed": signed}


ROOT = json.dumps(role("root", 1, "2099-01-01T00:00:00Z")).encode()
FINGERPRINT = f"sha256:{hashlib.sha256(ROOT).hexdigest()}"


@pytest.fixture
def repository(routes: dict[str, Any]) -> dict[str, Any]:
    snapshot = {"targets.json": {"version": 3}, "channel-stable.json": {"version": 9}}
    routes["GET /tuf/1.root.json"] = ROOT
    routes["GET /tuf/2.root.json"] = role("root", 2, "2099-02-01T00:00:00Z")
    routes["GET /tuf/timestamp.json"] = role(
        "timestamp", 77, "2001-01-01T00:00:00Z", meta={"snapshot.json": {"version": 5}}
    )
    routes["GET /tuf/5.snapshot.json"] = role("snapshot", 5, "2099-03-01T00:00:00Z", meta=snapshot)
    routes["GET /tuf/3.targets.json"] = role("targets", 3, "2099-04-01T00:00:00Z")
    routes["GET /tuf/9.channel-stable.json"] = role("targets", 9, "2099-05-01T00:00:00Z")
    return routes


@pytest.mark.usefixtures("repository")
def test_the_status_tells_each_roles_version_and_expiry(gaia: Any) -> None:
    shown = gaia("trust", "status").stdout
    assert FINGERPRINT in shown
    assert "EXPIRED" in shown
    status = json.loads(gaia("trust", "status", "--json").stdout)
    assert status["fingerprint"] == FINGERPRINT
    assert {entry["name"]: entry["version"] for entry in status["roles"]} == {
        "root": 2,
        "timestamp": 77,
        "snapshot": 5,
        "targets": 3,
        "channel-stable": 9,
    }


@pytest.mark.usefixtures("repository")
def test_the_root_is_exported_byte_for_byte(gaia: Any, tmp_path: Path) -> None:
    file = tmp_path / "root.json"
    file.write_text("an older one")
    result = gaia("trust", "export", "-o", str(file))
    assert file.read_bytes() == ROOT
    assert FINGERPRINT in result.stdout
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.usefixtures("repository")
def test_a_folder_that_is_not_there_is_said_to_be_so(gaia: Any, tmp_path: Path) -> None:
    result = gaia("trust", "export", "-o", str(tmp_path / "no" / "root.json"))
    assert result.exit_code == ExitCode.FAILURE
    assert "No such file or directory" in result.stderr


def test_no_repository_is_not_found(gaia: Any, tmp_path: Path) -> None:
    assert gaia("trust", "status").exit_code == ExitCode.NOT_FOUND
    exported = gaia("trust", "export", "-o", str(tmp_path / "root.json"))
    assert exported.exit_code == ExitCode.NOT_FOUND
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"signed": 5}', b'{"signed": {}}'])
def test_something_else_than_metadata_is_not_exported(
    gaia: Any, routes: dict[str, Any], tmp_path: Path, content: bytes
) -> None:
    routes["GET /tuf/1.root.json"] = content
    result = gaia("trust", "export", "-o", str(tmp_path / "root.json"))
    assert result.exit_code == ExitCode.TRUST
    assert list(tmp_path.iterdir()) == []
