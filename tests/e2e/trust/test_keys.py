"""`gaia key` and `gaia trust init`: keys in files, in ssh-agent, in the environment."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.desk import PASSPHRASE, Desk
from support.server import ServerProcess


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "gaia-trust")


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real ssh-agent."""
    socket = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    yield
    process.terminate()
    process.wait()


def ssh_key(path: Path) -> Path:
    """An Ed25519 key, not encrypted, as `ssh-keygen` makes it."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ci", "-f", str(path)], check=True
    )
    return path


def test_the_ceremony_asks_no_server_and_leaves_no_secret_in_the_clear(desk: Desk) -> None:
    made = desk.ask(
        "trust", "init", "--release", "1/ci", "--channel", "stable", "--channel", "beta"
    )
    assert {key["name"]: key["signs"] for key in made["keys"]}["ci"] == [
        "release",
        "channel-stable",
        "channel-beta",
    ]
    for key in made["keys"]:
        path = desk.folder / "keys" / key["name"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        opened = ["ssh-keygen", "-y", "-f", str(path), "-P"]
        assert subprocess.run([*opened, ""], capture_output=True, check=False).returncode != 0
        assert subprocess.run([*opened, PASSPHRASE], capture_output=True, check=True).stdout
    assert stat.S_IMODE((desk.folder / "keys").stat().st_mode) == 0o700
    server = desk.folder / "server"
    assert [path.name for path in (server / "keys").iterdir()] == ["online.pem"]
    root = json.loads((server / "tuf" / "1.root.json").read_text())["signed"]
    assert root["roles"]["root"]["threshold"] == root["roles"]["targets"]["threshold"] == 2


def test_a_second_ceremony_in_the_folder_is_refused(desk: Desk) -> None:
    first = desk.ask("trust", "init")["fingerprint"]
    assert desk.refused("trust", "init")["code"] == "trust-folder-in-use"
    assert first
    assert len(list((desk.folder / "metadata").glob("*.root.json"))) == 1


def test_a_ceremony_with_other_peoples_keys(desk: Desk, tmp_path: Path) -> None:
    """Two of the root's three keys are enough to begin; of the third only the public part."""
    desk("key", "import", "carol", f"{ssh_key(tmp_path / 'carol')}.pub")
    desk("trust", "init", "--root", "2/alice,bob,carol", "--targets", "1/alice")
    listed = {key["name"]: key["uri"] for key in desk.ask("key", "list")["keys"]}
    assert listed["carol"] == ""
    other = Desk(tmp_path / "too-few")
    other("key", "import", "carol", tmp_path / "carol.pub")
    refusal = other.refused("trust", "init", "--root", "2/alice,carol")
    assert refusal["code"] == "too-few-keys"
    assert not (other.folder / "metadata").exists()


@pytest.mark.parametrize(
    "quorum", ["3/2", "0/2", "x/2", "2", "2/", "2/alice,alice", "1/99", "1/a b"]
)
def test_an_odd_quorum_is_told(desk: Desk, quorum: str) -> None:
    refusal = desk.refused("trust", "init", "--root", quorum)
    assert refusal["code"] in ("invalid-quorum", "invalid-key-name")
    assert not desk.folder.exists()


def test_keys_are_made_listed_and_never_overwritten(desk: Desk) -> None:
    made = desk.ask("key", "new", "alice")
    assert desk.refused("key", "new", "alice")["code"] == "key-name-taken"
    assert desk.ask("key", "list")["keys"] == [made]
    assert made["fingerprint"] in desk("key", "list")


@pytest.mark.usefixtures("agent")
def test_a_key_in_ssh_agent_signs_a_release(
    found: Callable[..., tuple[Desk, ServerProcess]], tmp_path: Path, program: Path
) -> None:
    path = ssh_key(tmp_path / "ci")
    subprocess.run(["ssh-add", "-q", str(path)], check=True)
    listed = subprocess.run(["ssh-add", "-l"], capture_output=True, text=True, check=True).stdout
    desk = Desk(tmp_path / "gaia-trust")
    imported = desk.ask("key", "import", "ci", f"ssh-agent:{listed.split()[1]}")
    path.unlink()
    desk, server = found("--release", "1/ci")
    assert imported["keyid"] in {k for role in desk.status()["roles"] for k in role["keyids"]}
    server.upload("v0.5.0", program.name, program.read_bytes())
    desk("release", "sign", "v0.5.0", program, "--yes")
    assert server.get("/releases/latest").json()["tag"] == "v0.5.0"
    subprocess.run(["ssh-add", "-q", "-D"], check=True)
    assert desk.refused("trust", "renew", "release", "--yes")["code"] == "nothing-signed"
    named = desk.refused("trust", "renew", "release", "--key", "ci", "--yes")
    assert named["code"] == "key-not-in-agent"


def test_a_key_in_the_environment_signs_for_ci(
    found: Callable[..., tuple[Desk, ServerProcess]],
    tmp_path: Path,
    program: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RELEASE_KEY", ssh_key(tmp_path / "ci").read_text())
    desk = Desk(tmp_path / "gaia-trust")
    desk("key", "import", "ci", "env:RELEASE_KEY")
    desk, server = found("--release", "1/ci")
    server.upload("v0.5.0", program.name, program.read_bytes())
    result = desk.run("release", "sign", "v0.5.0", program, "--yes")
    assert result.exit_code == 0
    assert os.environ["RELEASE_KEY"].splitlines()[1] not in result.output
    assert server.get("/releases/latest").json()["tag"] == "v0.5.0"
