"""Fault 49: re-upload of other bytes under a published name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from support.server import ServerProcess

LINUX, WINDOWS = "gaia-worker-linux", "gaia-worker-windows.exe"


def test_other_bytes_are_refused_and_nothing_changes(server: ServerProcess) -> None:
    first = server.upload("v0.5.0", LINUX, b"the release", query="&notes=good")
    assert first.status == 200
    before = server.get("/api/releases").body, server.get("/tuf/timestamp.json").body
    for other in (b"something else", b"the releas", b"the release "):
        answer = server.upload("v0.5.0", LINUX, other, query="&notes=bad")
        assert answer.status == 409
        assert answer.problem() == "file-conflict"
        assert first.json()["sha256"] in answer.json()["detail"]
    assert (server.get("/api/releases").body, server.get("/tuf/timestamp.json").body) == before
    assert server.get(f"/releases/v0.5.0/{LINUX}").body == b"the release"


def test_the_same_bytes_get_the_same_answer(server: ServerProcess) -> None:
    answers = [
        server.upload(tag, LINUX, b"the release").json() for tag in ("v0.5.0", "0.5.0", "v0.5.0")
    ]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["status"] == "ok"
    assert answers[0]["tag"] == "v0.5.0"


def test_the_same_bytes_heal_a_damaged_blob(server: ServerProcess) -> None:
    sha256 = server.upload("v0.5.0", LINUX, b"the release").json()["sha256"]
    blob = server.data_dir / "blobs" / sha256[:2] / sha256
    blob.write_bytes(b"the RELEASE")
    assert server.upload("v0.5.0", LINUX, b"the release").status == 200
    assert server.get(f"/releases/v0.5.0/{LINUX}").body == b"the release"


def test_of_many_at_once_one_wins(server: ServerProcess) -> None:
    bodies = [f"release of builder {number}".encode() for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: server.upload("v0.5.0", LINUX, body), bodies))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7
    winner = next(
        body for body, answer in zip(bodies, answers, strict=True) if answer.status == 200
    )
    assert server.get(f"/releases/v0.5.0/{LINUX}").body == winner


def test_a_release_stays_on_its_channel(server: ServerProcess) -> None:
    assert server.upload("v0.6.0-rc.1", LINUX, b"rc", query="&channel=beta").status == 200
    answer = server.upload("v0.6.0-rc.1", WINDOWS, b"rc", query="&channel=stable")
    assert (answer.status, answer.problem()) == (409, "channel-conflict")
    assert "beta" in answer.json()["detail"]
    answer = server.upload("v0.6.0-rc.1", WINDOWS, b"rc")
    assert (answer.status, answer.json()["channel"]) == (200, "beta")
    assert server.get("/releases/latest").status == 404
    latest = server.get("/releases/latest?channel=beta").json()
    assert latest["latest"] == {"linux": "v0.6.0-rc.1", "windows": "v0.6.0-rc.1"}
