"""The calls of the HTTP interface, asked over a real socket."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from datetime import datetime

from support.server import ServerProcess

LINUX, WINDOWS, BUNDLE = "gaia-worker-linux", "gaia-worker-windows.exe", "experiments.tar.gz"


def test_an_upload_is_there_at_once(server: ServerProcess) -> None:
    data = b"the release"
    sha256 = hashlib.sha256(data).hexdigest()
    answer = server.upload("0.5.0", LINUX, data, query="&notes=fast%20%26%20good")
    assert answer.json() == {
        "status": "ok",
        "tag": "v0.5.0",
        "filename": LINUX,
        "size": len(data),
        "sha256": sha256,
        "channel": "stable",
        "published": True,
    }
    release = server.get("/releases/v0.5.0").json()
    assert release["notes"] == "fast & good"
    assert release["files"] == [{"filename": LINUX, "size": len(data), "sha256": sha256}]
    assert release["created_at"].endswith("Z")
    assert datetime.fromisoformat(release["created_at"]).tzinfo is not None
    for path in (
        f"/releases/v0.5.0/{LINUX}",
        f"/releases/0.5.0/{LINUX}",
        f"/releases/latest/{LINUX}",
        f"/releases/v0.5.0/{sha256}.{LINUX}",
    ):
        file = server.get(path)
        assert (file.status, file.body) == (200, data)
        assert file.headers["etag"] == f'"{sha256}"'
    digest = base64.b64encode(bytes.fromhex(sha256)).decode()
    assert file.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert server.get(f"/releases/v0.5.0/{'0' * 64}.{LINUX}").status == 404


def test_a_digest_given_along_is_checked(server: ServerProcess) -> None:
    sha256 = hashlib.sha256(b"x").hexdigest()
    answer = server.upload("v0.5.0", LINUX, b"y", query=f"&sha256={sha256}")
    assert (answer.status, answer.problem()) == (400, "digest-mismatch")
    assert server.upload("v0.5.0", LINUX, b"x", query=f"&sha256={sha256}").status == 200


def test_notes_change_only_when_given(server: ServerProcess) -> None:
    server.upload("v0.5.0", LINUX, b"x", query="&notes=first")
    server.upload("v0.5.0", WINDOWS, b"x")
    assert server.get("/releases/v0.5.0").json()["notes"] == "first"
    server.upload("v0.5.0", WINDOWS, b"x", query="&notes=second")
    assert server.get("/releases/v0.5.0").json()["notes"] == "second"


def test_latest_is_the_highest_never_the_last(server: ServerProcess) -> None:
    assert server.get("/releases/latest").problem() == "no-release"
    for tag in ("v0.10.0", "v0.9.0", "v0.10.0-rc.1"):
        server.upload(tag, LINUX, tag.encode())
    server.upload("v0.11.0", WINDOWS, b"windows")
    server.upload("v0.2.0", BUNDLE, b"bundle")
    latest = server.get("/releases/latest").json()
    assert (latest["tag"], latest["platforms"]) == ("v0.11.0", ["windows"])
    assert latest["latest"] == {"linux": "v0.10.0", "windows": "v0.11.0"}
    assert server.get("/releases/latest?platform=linux").json()["tag"] == "v0.10.0"
    assert server.get("/releases/latest?platform=plan9").problem() == "no-file-for-platform"
    assert server.get("/releases/latest?channel=beta").problem() == "no-release"
    assert server.get(f"/releases/latest/{LINUX}").body == b"v0.10.0"
    assert server.get(f"/releases/latest/{BUNDLE}").body == b"bundle"
    tags = [release["tag"] for release in server.get("/api/releases").json()["releases"]]
    assert tags == ["v0.11.0", "v0.10.0", "v0.10.0-rc.1", "v0.9.0", "v0.2.0"]


def test_everything_survives_a_restart(server: ServerProcess) -> None:
    server.upload("v0.5.0", LINUX, b"x", query="&notes=good")
    body = json.dumps({"name": "w", "version": "0.4.9", "labels": {"gpu": "a100"}}).encode()
    worker_id = server.ask("POST", "/api/workers/register", body).json()["worker_id"]
    server.get(f"/api/workers/heartbeat/{worker_id}")
    token = server.new_token("viewer")
    paths = ["/api/releases", "/releases/latest", "/tuf/timestamp.json"]
    before = [server.get(path).body for path in paths]
    row = server.get(f"/api/fleet/{worker_id}").json()
    server.restart()
    assert [server.get(path, token=token).body for path in paths] == before
    again = server.get(f"/api/fleet/{worker_id}", token=token).json()
    assert {**again, "online": True} == {**row, "online": True}


def test_signed_metadata_is_cached_by_its_kind(server: ServerProcess) -> None:
    server.upload("v0.5.0", LINUX, b"x")
    timestamp = server.get("/tuf/timestamp.json")
    assert timestamp.headers["cache-control"] == "no-cache"
    version = timestamp.json()["signed"]["meta"]["snapshot.json"]["version"]
    snapshot = server.get(f"/tuf/{version}.snapshot.json")
    assert "immutable" in snapshot.headers["cache-control"]
    headers = {"If-None-Match": f'"x", {timestamp.headers["etag"]}'}
    unchanged = server.ask("GET", "/tuf/timestamp.json", headers=headers)
    assert (unchanged.status, unchanged.body) == (304, b"")
    server.upload("v0.6.0", LINUX, b"x")
    assert server.ask("GET", "/tuf/timestamp.json", headers=headers).status == 200
    root = server.get("/tuf/1.root.json")
    address = json.loads((server.data_dir / "server.json").read_text())
    assert address["fingerprint"] == hashlib.sha256(root.body).hexdigest()
    assert server.get("/tuf/99.root.json").problem() == "no-such-metadata"


def test_the_fleet_shows_what_workers_report(server: ServerProcess) -> None:
    register = {"name": "w", "machine": "m", "version": "v0.4.9", "platform": "linux"}
    answer = server.ask("POST", "/api/workers/register", json.dumps(register).encode()).json()
    assert answer["latest_version"] is None
    worker_id = answer["worker_id"]
    row = server.get(f"/api/fleet/{worker_id}").json()
    assert (row["state"], row["heartbeats"], row["pid"]) == ("unknown", 0, None)
    failure = {
        "tag": "v0.5.0",
        "sha256": "a" * 64,
        "reason": "exited",
        "detail": "It ended with 1.",
        "log_tail": "no GPU\n",
        "at": 1.5,
    }
    beat = {
        "version": "v0.4.9",
        "platform": "linux",
        "state": "fetching",
        "reason": "newer-release",
        "progress": 0.5,
        "pid": 42,
        "alarm": "The root has expired.",
        "failure": failure,
        "workload": {
            "state": "running",
            "outcomes": [{"exit_code": 1, "started_at": 1.0, "seconds": 2.0, "ended_by": "itself"}],
        },
    }
    path = f"/api/workers/heartbeat/{worker_id}"
    assert server.ask("POST", path, json.dumps(beat).encode()).status == 200
    row = server.get(f"/api/fleet/{worker_id}").json()
    assert server.get("/api/fleet").json() == {"workers": [row]}
    assert row["failure"] == failure
    assert row["failed"] == ["a" * 64]
    assert row["outcomes"][0]["exit_code"] == 1
    for name in ("version", "platform", "state", "reason", "progress", "pid", "alarm"):
        assert row[name] == beat[name]
    assert row["online"]
    assert server.get("/api/fleet/nobody").problem() == "unknown-worker"


def test_the_fleet_shows_who_runs_what_was_withdrawn(server: ServerProcess) -> None:
    for tag in ("v0.5.0", "v0.6.0"):
        server.upload(tag, LINUX, tag.encode())
    for version in ("0.5.0", "v0.6.0", "0.6.0", "", "dev"):
        body = json.dumps({"name": f"w{version}", "version": version}).encode()
        assert server.ask("POST", "/api/workers/register", body).status == 200
    assert server.ask("POST", "/api/releases/v0.6.0/withdraw", b"").status == 200
    rows = server.get("/api/fleet").json()["workers"]
    assert {row["name"] for row in rows if row["withdrawn"]} == {"wv0.6.0", "w0.6.0"}


def test_the_fleet_shows_whose_clock_is_wrong(server: ServerProcess) -> None:
    for name, ahead in (("right", 0.0), ("late", -7200.0), ("silent", None)):
        body = json.dumps({"name": name}).encode()
        worker_id = server.ask("POST", "/api/workers/register", body).json()["worker_id"]
        beat = {"version": "v1.0.0", "platform": "linux"}
        clock = {} if ahead is None else {"clock": time.time() + ahead}
        path = f"/api/workers/heartbeat/{worker_id}"
        assert server.ask("POST", path, json.dumps(beat | clock).encode()).status == 200
    skews = {row["name"]: row["clock_skew"] for row in server.get("/api/fleet").json()["workers"]}
    assert skews["silent"] is None
    assert abs(skews["right"]) < 60
    assert -7260 < skews["late"] <= -7200
    assert "gaia_workers_clock_skewed 1.0" in server.get("/metrics").body.decode()


def test_health_and_metrics(server: ServerProcess) -> None:
    server.upload("v0.5.0", LINUX, b"12345")
    server.get(f"/releases/v0.5.0/{LINUX}")
    body = b'{"name": "w", "version": "v1.0.0"}'
    worker_id = server.ask("POST", "/api/workers/register", body).json()["worker_id"]
    server.get(f"/api/workers/heartbeat/{worker_id}")
    assert server.get("/healthz", token=None).json()["status"] == "ok"
    assert server.get("/readyz", token=None).json()["status"] == "ok"
    text = server.get("/metrics").body.decode()
    for line in (
        "gaia_uploads_total 1.0",
        "gaia_uploaded_bytes_total 5.0",
        f'gaia_downloads_total{{filename="{LINUX}"}} 1.0',
        "gaia_heartbeats_total 1.0",
        'gaia_workers{platform="linux",state="unknown",version="v1.0.0"} 1.0',
        'gaia_http_requests_total{endpoint="/api/releases/upload",status="200"} 1.0',
    ):
        assert line in text
    days = {
        line.split('"')[1]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("gaia_trust_days_to_expiry{")
    }
    assert days["root"] > days["snapshot"] > days["timestamp"] > 0


def test_the_description_refers_to_nothing_missing(server: ServerProcess) -> None:
    document = server.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    references = [
        part.partition('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]
    ]
    assert references
    assert set(references) <= set(schemas)


def test_answers_do_not_name_the_software(server: ServerProcess) -> None:
    assert "server" not in server.get("/healthz").headers


def test_head_has_no_body(server: ServerProcess) -> None:
    server.upload("v0.5.0", LINUX, b"12345")
    for path in ("/api/releases", f"/releases/v0.5.0/{LINUX}"):
        answer = server.ask("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")
        assert int(answer.headers["content-length"]) == len(server.get(path).body)
