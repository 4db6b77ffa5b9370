"""`gaia trust`."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner

from gaia.cli.command import ExitCode
from gaia.trust.drafting import Holders, first_root


def first() -> bytes:
    """A root, signed by nobody: nothing here verifies it."""
    key = CryptoSigner.generate_ed25519().public_key
    held = dict.fromkeys(("root", "targets", "snapshot", "timestamp"), Holders((key,)))
    return first_root(held, datetime(2026, 1, 1, tzinfo=UTC)).data


ROOT = first()
FINGERPRINT = hashlib.sha256(ROOT).hexdigest()


def role(name: str, version: int, expires: str, days_left: float) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "expires": expires,
        "days_left": days_left,
        "threshold": 1,
        "keyids": ["ab" * 32],
    }


@pytest.fixture
def repository(routes: dict[str, Any]) -> None:
    routes["GET /tuf/1.root.json"] = ROOT
    routes["GET /api/trust"] = {
        "mode": "strict",
        "fingerprint": FINGERPRINT,
        "roles": [
            role("root", 2, "2099-02-01T00:00:00Z", 999.0),
            role("gaia-worker", 3, "2001-01-01T00:00:00Z", -9.0),
            role("channel-beta", 3, "2099-02-01T00:00:00Z", 6.0) | {"warning": "7-days"},
            role("timestamp", 77, "2001-01-01T00:00:00Z", -9.0),
        ],
        "online_keys": [{"keyid": "cd" * 32, "public": "ef" * 32, "trusted": False}],
        "pending": [
            {
                "tag": "v0.5.0",
                "filename": "gaia-worker-linux",
                "size": 7,
                "sha256": "12" * 32,
                "channel": "beta",
            }
        ],
    }


@pytest.mark.usefixtures("repository")
def test_the_status_names_the_command_for_whatever_is_to_be_done(gaia: Any, tmp_path: Path) -> None:
    shown = gaia("trust", "status", "--trust-dir", str(tmp_path)).stdout
    assert f"sha256:{FINGERPRINT}" in shown
    assert "release HAS EXPIRED" in shown
    assert "gaia trust renew release" in shown
    assert "gaia trust renew online" in shown
    assert "channel-beta expires in" in shown
    assert "gaia trust renew channel-beta" in shown
    assert "gaia trust rotate online" in shown
    assert "gaia release sign v0.5.0 FILE --channel beta" in shown
    assert "root HAS EXPIRED" not in shown
    status = json.loads(gaia("trust", "status", "--json").stdout)
    assert {entry["name"]: entry["version"] for entry in status["roles"]} == {
        "root": 2,
        "gaia-worker": 3,
        "channel-beta": 3,
        "timestamp": 77,
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
