"""Nothing of ours is needed to use the repository, and nothing of the server's to follow it."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tuf.ngclient import Updater

from support.trust import LINUX, Clock, World

FOLLOW = """
import json, sys
sys.modules["cryptography"] = None  # an import of it fails
from datetime import datetime
from pathlib import Path
from gaia.model.tag import Tag
from gaia.trust.client import RootPin, TrustClient

class Folder:
    def read(self, path, *, limit):
        found = Path(sys.argv[1], path)
        return found.read_bytes() if found.exists() else None

now = datetime.fromisoformat(sys.argv[4])
client = TrustClient(Path(sys.argv[2]), Folder(), RootPin.parse(sys.argv[3]), lambda: now)
client.refresh(1, Path(sys.argv[1], "timestamp.json").read_text())
print(client.target(client.pointer("stable").current, "gaia-worker-linux").sha256)
print(json.dumps(sorted(sys.modules)))
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def today(tmp_path: Path) -> World:
    """A repository by the real clock, which python-tuf's own client goes by."""
    from datetime import UTC, datetime

    world = World(tmp_path, Clock(datetime.now(UTC)))
    world.publish("v0.5.0")
    return world


@pytest.fixture
def url(today: World) -> Iterator[str]:
    handler = partial(Quiet, directory=str(today.tuf))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_python_tuf_s_own_client_can_follow_it(today: World, url: str) -> None:
    state = today.folder / "stock"
    state.mkdir()
    root = (today.tuf / "1.root.json").read_bytes()
    updater = Updater(str(state), url, bootstrap=root)
    target = updater.get_targetinfo(f"v0.5.0/{LINUX}")
    assert target is not None
    assert (target.length, target.hashes) == (5, {"sha256": "a" * 64})
    pointer = updater.get_targetinfo("channels/stable/pointer.json")
    assert pointer is not None
    assert pointer.custom["current"] == "v0.5.0"
    assert updater.get_targetinfo("v0.5.0/other") is None


def test_the_worker_s_side_needs_no_cryptography(world: World) -> None:
    world.publish("v0.5.0")
    pin = "sha256:" + world.repository.fingerprint
    arguments = [str(world.tuf), str(world.state()), pin, world.clock.now.isoformat()]
    done = subprocess.run(
        [sys.executable, "-c", FOLLOW, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    digest, modules = done.stdout.splitlines()
    assert digest == "a" * 64
    assert not {"gaia.trust.keys", "gaia.trust.repository"} & set(json.loads(modules))
