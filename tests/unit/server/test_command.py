from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gaia import __version__
from gaia.errors import InvalidInput
from gaia.server.settings import parse_size
from support.server import PROGRAM, ServerProcess


def run(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GAIA_")}
    return subprocess.run(
        [PROGRAM, *options],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_no_token_no_start(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    data = tmp_path / "data"
    for options in ((), ("--token", ""), ("--token-file", str(empty))):
        done = run("--data-dir", str(data), *options)
        assert done.returncode == 2
        assert "secrets.token_urlsafe" in done.stderr
    assert not data.exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--token", "a b"), "header"),
        (("--token", "t\u00f6ken"), "header"),
        (("--token-file", "/does/not/exist"), "exist"),
        (("--token", "x" * 20, "--port", "99999"), "99999"),
        (("--token", "x" * 20, "--max-upload-size", "huge"), "size"),
        (("--token", "x" * 20, "--min-heartbeat-interval", "0"), "0"),
    ],
)
def test_wrong_options(tmp_path: Path, options: tuple[str, ...], word: str) -> None:
    done = run("--data-dir", str(tmp_path / "data"), *options)
    assert done.returncode == 2
    assert word in done.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--database", "postgresql://x/y"), "as yet"),
        (("--blobs", "s3://bucket"), "as yet"),
        (("--data-dir", "/dev/null/data"), "/dev/null/data"),
        (("--host", "203.0.113.7"), "203.0.113.7"),
        (("--host", "no such host"), "no such host"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, options: tuple[str, ...], word: str) -> None:
    done = run("--data-dir", str(tmp_path / "data"), *options, "--port", "0", GAIA_TOKEN="x" * 20)
    assert done.returncode == 1
    assert done.stderr.startswith("gaia-server: ")
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_version_and_help() -> None:
    assert run("--version").stdout == f"gaia-server {__version__}\n"
    assert "GAIA_TOKEN" in run("--help").stdout


def test_it_says_where_it_is_and_whom_to_trust(server: ServerProcess) -> None:
    facts = json.loads((server.data_dir / "server.json").read_text())
    assert server.process is not None
    assert facts["pid"] == server.process.pid
    log = server.log()
    assert f"{facts['url']}/" in log
    assert f"sha256:{facts['fingerprint']}" in log
    assert "CONVENIENCE MODE" in log
    assert server.data_dir.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_orderly_end(server: ServerProcess, number: signal.Signals) -> None:
    with server.connect() as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(4096).startswith(b"HTTP/1.1 200")
        assert server.stop(number) == 0
    assert not (server.data_dir / "server.json").exists()
    assert "Traceback" not in server.log()


def test_the_root_stays_the_same(server: ServerProcess) -> None:
    before = json.loads((server.data_dir / "server.json").read_text())["fingerprint"]
    server.restart()
    assert json.loads((server.data_dir / "server.json").read_text())["fingerprint"] == before


def test_one_data_folder_one_server(
    server: ServerProcess, make_server: Callable[..., ServerProcess]
) -> None:
    address = (server.data_dir / "server.json").read_text()
    done = run("--data-dir", str(server.data_dir), "--port", "0", GAIA_TOKEN="x" * 20)
    assert done.returncode == 1
    assert "Another gaia-server" in done.stderr
    assert (server.data_dir / "server.json").read_text() == address
    assert server.get("/healthz").status == 200


def test_one_address_one_server(server: ServerProcess, tmp_path: Path) -> None:
    port = str(urlsplit(server.url).port)
    done = run("--data-dir", str(tmp_path / "other"), "--port", port, GAIA_TOKEN="x" * 20)
    assert done.returncode == 1
    assert f"port {port}" in done.stderr


def test_everything_by_environment(
    tmp_path: Path, make_server: Callable[..., ServerProcess]
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("from-a-token-file-xyz\n")
    server = make_server()
    server.environment = {
        "GAIA_TOKEN": "",
        "GAIA_TOKEN_FILE": str(token_file),
        "GAIA_HOST": "localhost",
        "GAIA_MAX_UPLOAD_SIZE": "10",
        "GAIA_LOG_FORMAT": "json",
    }
    server.token = "from-a-token-file-xyz"
    server.start()
    assert server.url.startswith("http://localhost:")
    assert server.upload("v0.5.0", "gaia-worker-linux", b"x" * 11).status == 413
    assert server.upload("v0.5.0", "gaia-worker-linux", b"x" * 10).status == 200


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GiB", 2**32), ("500MB", 5 * 10**8), ("1048576", 2**20), ("1k", 1000), (" 2 KiB ", 2048)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1.5GiB", "GiB", "1 EB", "x"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_size(text)
