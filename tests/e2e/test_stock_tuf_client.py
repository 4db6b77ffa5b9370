"""python-tuf's own client downloads a release from a real server, as the how-to shows it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.fleet import LINUX, Api
from support.server import ServerProcess

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "use-another-tuf-client.md"
NONE_OF_OURS = (
    "\nimport sys\nassert not [name for name in sys.modules if name.startswith('gaia')]\n"
)


@pytest.fixture
def follow(server: ServerProcess, api: Api, tmp_path: Path) -> Path:
    """A folder with the server's root; a release is published."""
    program = tmp_path / "program"
    program.write_bytes(os.urandom(300_000))
    api.curl_upload("v0.5.0", LINUX, program)
    folder = tmp_path / "stock"
    folder.mkdir()
    shutil.copy(server.data_dir / "tuf" / "1.root.json", folder / "root.json")
    return folder


def run_the_page(folder: Path, server: ServerProcess) -> subprocess.CompletedProcess[str]:
    """The page's program, in a process without any of our code."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return subprocess.run(
        [sys.executable, "-c", found[1] + NONE_OF_OURS],
        cwd=folder,
        env={**os.environ, "GAIA_SERVER": server.url, "GAIA_TOKEN": server.new_token("worker")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_finds_downloads_and_verifies_the_release(
    server: ServerProcess, follow: Path, tmp_path: Path
) -> None:
    done = run_the_page(follow, server)
    assert done.returncode == 0, done.stderr
    got = follow / done.stdout.strip()
    assert got.read_bytes() == (tmp_path / "program").read_bytes()
    assert {path.name for path in (follow / "metadata").iterdir()} >= {
        *("timestamp.json", "snapshot.json", "targets.json"),
        *("gaia-worker.json", "channel-stable.json"),
    }


def test_it_follows_the_next_release(
    server: ServerProcess, api: Api, follow: Path, tmp_path: Path
) -> None:
    assert run_the_page(follow, server).returncode == 0
    program = tmp_path / "program"
    program.write_bytes(os.urandom(200_000))
    api.curl_upload("v0.6.0", LINUX, program)
    done = run_the_page(follow, server)
    assert done.returncode == 0, done.stderr
    assert (follow / done.stdout.strip()).read_bytes() == program.read_bytes()


def test_it_refuses_what_was_tampered_with(server: ServerProcess, follow: Path) -> None:
    blob = max((server.data_dir / "blobs").rglob("*"), key=lambda path: path.stat().st_size)
    blob.chmod(0o644)
    data = bytearray(blob.read_bytes())
    data[1000] ^= 1
    blob.write_bytes(data)
    done = run_the_page(follow, server)
    assert done.returncode != 0
    assert "LengthOrHashMismatchError" in done.stderr
    assert not (follow / "v0.5.0%2Fgaia-worker-linux").exists()


def test_our_conformance_client_downloads_it_too(
    server: ServerProcess, follow: Path, tmp_path: Path
) -> None:
    program = Path(__file__).parents[2] / "tools" / "tuf-conformance-client"
    where = ["--metadata-dir", "trusted", "--metadata-url", f"{server.url}/tuf"]
    wanted = ["--target-name", f"v0.5.0/{LINUX}", "--target-base-url", f"{server.url}/releases/"]
    for arguments in (
        ["--metadata-dir", "trusted", "init", "root.json"],
        [*where, "refresh"],
        [*where, *wanted, "--target-dir", "got", "download"],
    ):
        subprocess.run(
            [str(program), *arguments],
            cwd=follow,
            env={**os.environ, "GAIA_TOKEN": server.token},
            check=True,
        )
    (got,) = (follow / "got").iterdir()
    assert got.read_bytes() == (tmp_path / "program").read_bytes()
