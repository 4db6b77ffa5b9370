"""Fault 48: SIGKILL at any point of an upload or publish."""

from __future__ import annotations

import hashlib
import http.client
import signal
import sqlite3
import sys
from collections.abc import Callable

import pytest

from support.fleet import eventually
from support.server import Answer, ServerProcess

LINUX = "gaia-worker-linux"
DATA = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(DATA).hexdigest()

# A server that kills itself before or after one call, once it has started.
SUICIDAL = """
import os, signal
from gaia.server.main import main
from {module} import {kind}

original = {kind}.{method}

def method(self, *arguments, **options):
    if not os.path.exists({address!r}):
        return original(self, *arguments, **options)
    if {when!r} == "after":
        original(self, *arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)

{kind}.{method} = method
main()
"""

POINTS = [
    (when, module, kind, method)
    for module, kind, method in (
        ("gaia.server.blobs", "BlobWriter", "seal"),
        ("gaia.server.blobs", "BlobWriter", "place"),
        ("gaia.server.publishing", "Publisher", "_add"),
        ("gaia.trust.repository", "Repository", "change"),
        ("gaia.server.deeds", "Deed", "entry"),
    )
    for when in ("before", "after")
]


def check_whole_or_not_there(server: ServerProcess) -> Answer:
    """Every part of the server says the same of v0.5.0, and no half-written file is left."""
    release = server.get("/releases/v0.5.0")
    latest = server.get("/releases/latest")
    file = server.get(f"/releases/v0.5.0/{LINUX}")
    if release.status == 404:
        assert (latest.status, file.status) == (404, 404)
    else:
        entry = {"filename": LINUX, "size": len(DATA), "sha256": SHA256}
        assert release.json()["files"] == [entry]
        assert latest.json()["latest"] == {"linux": "v0.5.0"}
        assert file.body == DATA
    assert list((server.data_dir / "blobs" / "incoming").iterdir()) == []
    return release


def upload_again(server: ServerProcess) -> None:
    answer = server.upload("v0.5.0", LINUX, DATA)
    assert answer.status == 200
    assert answer.json()["sha256"] == SHA256
    assert check_whole_or_not_there(server).status == 200


def half_an_upload(server: ServerProcess) -> bytes:
    """A request whose body ends in the middle."""
    head = (
        f"POST /api/releases/upload?tag=v0.5.0&filename={LINUX} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {server.token}",
        f"Content-Length: {2 * len(DATA)}",
    )
    return "\r\n".join((*head, "", "")).encode() + DATA


@pytest.mark.parametrize(("when", "module", "kind", "method"), POINTS)
def test_killed_at_a_step(
    when: str,
    module: str,
    kind: str,
    method: str,
    make_server: Callable[..., ServerProcess],
) -> None:
    server = make_server()
    address = str(server.data_dir / "server.json")
    script = SUICIDAL.format(when=when, module=module, kind=kind, method=method, address=address)
    server.program = (sys.executable, "-c", script)
    server.start()
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        server.upload("v0.5.0", LINUX, DATA)
    assert server.process is not None
    assert server.process.wait(30) == -signal.SIGKILL

    whole = make_server(data_dir=server.data_dir)
    whole.start()
    check_whole_or_not_there(whole)
    upload_again(whole)


def test_killed_while_the_bytes_come(server: ServerProcess) -> None:
    incoming = server.data_dir / "blobs" / "incoming"
    with server.connect() as connection:
        connection.sendall(half_an_upload(server))
        eventually("some bytes on disk", lambda: any(p.stat().st_size for p in incoming.iterdir()))
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    server.start()
    assert check_whole_or_not_there(server).status == 404
    upload_again(server)


def test_a_client_that_leaves_in_the_middle_leaves_nothing(server: ServerProcess) -> None:
    incoming = server.data_dir / "blobs" / "incoming"
    with server.connect() as connection:
        connection.sendall(half_an_upload(server))
        eventually("some bytes on disk", lambda: any(p.stat().st_size for p in incoming.iterdir()))
    eventually("the half file's end", lambda: not list(incoming.iterdir()))
    assert check_whole_or_not_there(server).status == 404
    upload_again(server)


def test_a_row_whose_file_is_lost_is_not_published(server: ServerProcess) -> None:
    upload_again(server)
    assert server.stop() == 0
    with sqlite3.connect(server.data_dir / "gaia.db") as database:
        database.execute(
            "INSERT INTO artifacts VALUES ('v0.5.0', ?, 3, ?, 'stored', '')",
            ("gaia-worker-windows.exe", "f" * 64),
        )
    database.close()
    server.start()
    check_whole_or_not_there(server)
