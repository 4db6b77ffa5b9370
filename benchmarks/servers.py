"""The servers under test, as real processes on loopback, and what the kernel says of them."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOKEN = "benchmark-token-of-some-length-00"

_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
    open_file_cache max=16; default_type application/json;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{ listen 127.0.0.1:{port} backlog=2048; root {folder}/www; }}
}}
"""


@dataclass(frozen=True)
class Running:
    """A server process."""

    name: str
    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, field: str) -> float:
        """MB: `VmRSS` now, `VmHWM` at its highest since `forget_peak`."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise LookupError(field)

    def forget_peak(self) -> None:
        """Let the peak of memory begin anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401
        """One JSON call to `gaia-server`."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())


def program(name: str, package: str) -> str:
    """Where a program is; ends the run with a hint when it is missing."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise SystemExit(f"{name} is missing: apt-get install {package}")
    return found


def upload(server: Running, tag: str, filename: str, path: Path) -> None:
    """Publish a file on `gaia-server`, streamed from disk."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    with path.open("rb") as file:
        connection.request(
            "POST",
            f"/api/releases/upload?tag={tag}&filename={filename}",
            body=file,
            headers={
                "Authorization": f"Bearer {TOKEN}",
                "Content-Type": "application/octet-stream",
                "Content-Length": str(path.stat().st_size),
            },
        )
        response = connection.getresponse()
        answer = response.read()
    connection.close()
    if response.status not in (200, 201):
        raise SystemExit(answer.decode())


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def gaia(folder: Path, *options: str) -> Iterator[Running]:
    """A real `gaia-server`."""
    data = folder / "gaia"
    with (folder / "gaia.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("gaia-server")),
                *("--port", "0", "--data-dir", str(data), *options),
            ],
            env={**os.environ, "GAIA_TOKEN": TOKEN},
            stdout=log,
            stderr=log,
        )
    with _ended(process):
        facts = data / "server.json"
        while not facts.exists():
            if process.poll() is not None:
                raise SystemExit((folder / "gaia.log").read_text())
            time.sleep(0.05)
        port = int(json.loads(facts.read_text())["url"].rpartition(":")[2])
        yield Running("gaia-server", port, process.pid)


@contextmanager
def nginx(folder: Path, port: int) -> Iterator[Running]:
    """nginx with one worker, serving `folder/www`."""
    path = program("nginx", "nginx-light")
    (folder / "www").mkdir(exist_ok=True)
    folder.chmod(0o755)
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=folder, port=port))
    process = subprocess.Popen([path, "-c", str(configuration), "-e", str(folder / "error.log")])
    with _ended(process):
        while not (folder / "nginx.pid").exists():
            if process.poll() is not None:
                raise SystemExit((folder / "error.log").read_text())
            time.sleep(0.05)
        yield Running("nginx", port, process.pid)


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
