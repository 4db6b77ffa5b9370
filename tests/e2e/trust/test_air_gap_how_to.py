"""Who follows the how-to by its commands, and by nothing else, gets there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gaia.trust.pin import RootPin
from support.desk import PASSPHRASE, Desk
from support.follower import follow, follower
from support.server import ServerProcess

LINUX = "gaia-worker-linux"
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "behind-an-air-gap.md"
Strict = tuple[Desk, ServerProcess]


@dataclass
class Reader:
    """Types what the page says, each side's commands on that side."""

    folder: Path
    desk: Desk
    connected: ServerProcess
    isolated: ServerProcess

    def __post_init__(self) -> None:
        for name in ("stick", "isolated", "connected"):
            (self.folder / name).mkdir()

    def follow(self, heading: str) -> None:
        """All commands below a heading."""
        section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        blocks = re.findall(r"```sh\n# (isolated|connected)\n(.*?)```", section, re.DOTALL)
        assert blocks
        for side, commands in blocks:
            for command in commands.splitlines():
                self.type(side, command)

    def type(self, side: str, command: str) -> None:
        if command.startswith("gaia-server"):
            assert command == "gaia-server --data-dir gaia-data"
            return self.isolated.start()
        server = self.connected if side == "connected" else self.isolated
        command = command.replace("/media/stick", str(self.folder / "stick"))
        command = command.replace("sha256:HEX", f"sha256:{self.desk.status()['fingerprint']}")
        if re.search(" (rotate|renew) ", command):
            command += " --yes"  # there is no terminal to ask on
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=self.folder / side,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "GAIA_SERVER": server.url,
                "GAIA_TOKEN": server.token,
                "GAIA_KEY_PASSPHRASE": PASSPHRASE,
                "GAIA_TRUST_DIR": str(self.desk.folder if side == "connected" else "gaia-trust"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
        return None


@pytest.fixture
def reader(strict: Strict, tmp_path: Path, make_server: Callable[..., ServerProcess]) -> Reader:
    desk, connected = strict
    folder = tmp_path / "both"
    folder.mkdir()
    isolated = make_server(data_dir=folder / "isolated" / "gaia-data")
    return Reader(folder, desk, connected, isolated)


def release(reader: Reader, program: Path, tag: str) -> None:
    program.write_bytes(f"\x7fELF {tag}".encode())
    reader.connected.upload(tag, LINUX, program.read_bytes())
    reader.desk("release", "sign", tag, program, "--yes")


def test_the_how_to(reader: Reader, program: Path, tmp_path: Path) -> None:
    release(reader, program, "v0.5.0")
    reader.follow("Begin")
    isolated = reader.isolated
    assert isolated.get(f"/releases/v0.5.0/{LINUX}").body == program.read_bytes()
    keys = {path.name for path in (isolated.data_dir / "keys").iterdir()}
    assert keys == {"online.pem"}
    pin = RootPin.of_fingerprint(reader.desk.status()["fingerprint"])
    worker = follower(isolated, tmp_path / "worker", pin)
    follow(worker, isolated)

    release(reader, program, "v0.6.0")
    reader.follow("Bring releases")
    follow(worker, isolated)
    assert str(worker.pointer("stable").current) == "v0.6.0"  # type: ignore[union-attr]
    assert isolated.get(f"/releases/v0.6.0/{LINUX}").body == program.read_bytes()

    reader.follow("How often")
    follow(worker, isolated)

    before = (isolated.data_dir / "keys" / "online.pem").read_bytes()
    reader.follow("When the isolated server's key was lost or stolen")
    follow(worker, isolated)
    release(reader, program, "v0.7.0")
    reader.follow("Bring releases")
    follow(worker, isolated)
    assert str(worker.pointer("stable").current) == "v0.7.0"  # type: ignore[union-attr]
    assert (isolated.data_dir / "keys" / "online.pem").read_bytes() != before
    isolated.restart()
    follow(worker, isolated)
    # The connected side was never disturbed.
    other = follower(reader.connected, tmp_path / "other", pin)
    follow(other, reader.connected)
    assert str(other.pointer("stable").current) == "v0.7.0"  # type: ignore[union-attr]
