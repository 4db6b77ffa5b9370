"""What signed metadata costs a worker, by the number of files that are signed, beside python-tuf.

Each client is a process of its own, which refreshes three times: with nothing on disk, after one
more release, and with nothing new. Files come from a plain web server here, which counts.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gaia.model.artifact import EXPERIMENTS, Artifact
from gaia.model.channel import NO_FLOOR, Pointer
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.trust.repository import Repository

TARGETS = (10, 100, 1_000, 10_000)
ROUNDS = 3
FILES = ("gaia-worker-linux", EXPERIMENTS)

_OURS = """
import sys
sys.modules["cryptography"] = None  # as in the single-file worker: Ed25519 in pure Python
from datetime import UTC, datetime
from pathlib import Path
from gaia.model.tag import Tag
from gaia.trust.client import RootPin, TrustClient
from gaia.worker.transport import Transport
from gaia.worker.tuf_source import TufSource
folder, url, fingerprint = sys.argv[1:]
client = TrustClient(
    Path(folder), TufSource(Transport(url, "token", "benchmark")),
    RootPin.of_fingerprint(fingerprint), lambda: datetime.now(UTC),
)
def refresh(beat):
    client.refresh(beat["root"], beat["timestamp"])
    client.target(client.pointer("stable").current, "gaia-worker-linux")
"""

_STOCK = """
import sys
from pathlib import Path
from tuf.ngclient import Updater
folder, url, _ = sys.argv[1:]
def refresh(beat):
    updater = Updater(folder, url + "/tuf/", bootstrap=beat["first_root"].encode())
    pointer = updater.get_targetinfo("channels/stable/pointer.json")
    updater.get_targetinfo(pointer.custom["current"] + "/gaia-worker-linux")
"""

_LOOP = """
import json, time
def peak():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(status["VmHWM"].split()[0]) * 1024 / 1e6
start = peak()
for line in sys.stdin:
    began = time.process_time()
    refresh(json.loads(line))
    print(json.dumps({"cpu": time.process_time() - began, "memory": peak() - start}), flush=True)
"""


@dataclass
class _Web:
    """What was asked for, and how long the answers' bodies were."""

    url: str
    requests: int = 0
    transferred: int = 0


def run() -> None:
    """Print bytes of each role, and for both clients requests, bytes, CPU and memory."""
    print(f"metadata: releases of {len(FILES)} files each, median of {ROUNDS} rounds")
    for count in TARGETS:
        with tempfile.TemporaryDirectory() as name:
            _measure(Path(name), count)
    print("  a longer role than 5,000,000 bytes is refused when it is signed (docs/reference)")


def _measure(folder: Path, count: int) -> None:
    repository = Repository.open(folder / "tuf", folder / "keys", lambda: datetime.now(UTC))
    figures: dict[tuple[str, str], list[tuple[float, float, float, float]]] = {}
    for turn in range(ROUNDS):
        releases = count // len(FILES) - 1 + 2 * turn
        repository.change(lambda _, wanted=releases: _publication(wanted))  # type: ignore[misc]
        with _served(repository) as web:
            clients = {
                label: _client(source, folder / f"{label}-{turn}", web, repository)
                for label, source in (("ours", _OURS), ("python-tuf", _STOCK))
            }
            for step in ("first", "one more release", "nothing new"):
                if step == "one more release":
                    repository.change(
                        lambda _, wanted=releases + 1: _publication(wanted)  # type: ignore[misc]
                    )
                for label, client in clients.items():
                    figures.setdefault((step, label), []).append(_refresh(client, web, repository))
            for client in clients.values():
                client.communicate()
    roles = ("timestamp", "snapshot", "targets", "gaia-worker", "channel-stable")
    sizes = ", ".join(f"{role} {_size(folder / 'tuf', role):,}" for role in roles)
    print(f"  {count:,} targets; bytes: {sizes}")
    for (step, label), rounds in figures.items():
        requests, transferred, cpu, memory = map(statistics.median, zip(*rounds, strict=True))
        print(
            f"    {step:17} {label:10} {requests:2.0f} requests {transferred:11,.0f} bytes "
            f"{cpu * 1e3:7.1f} ms CPU, peak {memory:5.1f} MB above start"
        )


def _refresh(
    client: subprocess.Popen[str], web: _Web, repository: Repository
) -> tuple[float, float, float, float]:
    assert client.stdin is not None
    assert client.stdout is not None
    web.requests = web.transferred = 0
    first_root = repository.read("1.root.json") or b""
    beat = {
        "root": repository.root_version,
        "timestamp": repository.timestamp,
        "first_root": first_root.decode(),
    }
    client.stdin.write(json.dumps(beat) + "\n")
    client.stdin.flush()
    line = client.stdout.readline()
    if not line:
        raise SystemExit("a client has failed")
    found = json.loads(line)
    return web.requests, web.transferred, found["cpu"], found["memory"]


def _client(source: str, folder: Path, web: _Web, repository: Repository) -> subprocess.Popen[str]:
    folder.mkdir()
    return subprocess.Popen(
        [sys.executable, "-c", source + _LOOP, str(folder), web.url, repository.fingerprint],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _publication(releases: int) -> Publication:
    """With all releases on one channel, as convenience mode keeps them."""
    files = {
        Tag.parse(f"v1.{number}.0"): {name: _artifact(f"{number}/{name}", name) for name in FILES}
        for number in range(releases)
    }
    digests = {
        tag: {name: each.sha256 for name, each in named.items()} for tag, named in files.items()
    }
    return Publication(files, {"stable": Pointer(max(files), NO_FLOOR, digests)})


def _artifact(seed: str, name: str) -> Artifact:
    return Artifact(name, 26_400_000, hashlib.sha256(seed.encode()).hexdigest())


def _size(folder: Path, role: str) -> int:
    if role == "timestamp":
        return (folder / "timestamp.json").stat().st_size
    newest = max(folder.glob(f"*.{role}.json"), key=lambda path: int(path.name.partition(".")[0]))
    return newest.stat().st_size


@contextmanager
def _served(repository: Repository) -> Iterator[_Web]:
    web = _Web("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            data = repository.read(self.path.rpartition("/")[2])
            web.requests += 1
            web.transferred += len(data or b"")
            self.send_response(200 if data is not None else 404)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        web.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()
