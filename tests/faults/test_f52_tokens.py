"""Fault 52: wrong, missing, revoked token; a worker's token used to publish."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from support.fleet import eventually
from support.server import TOKEN, ServerProcess

LINUX = "gaia-worker-linux"
UPLOAD = f"/api/releases/upload?tag=v0.5.0&filename={LINUX}"
REGISTER = b'{"name": "w"}'

PUBLIC = {("GET", "/healthz"), ("GET", "/readyz")}

# Who may do what, besides the admin: everything else is forbidden.
MAY = {
    ("POST", UPLOAD): {"publisher"},
    ("GET", "/api/releases"): {"worker", "publisher", "operator", "viewer"},
    ("GET", "/releases/latest"): {"worker", "publisher", "operator", "viewer"},
    ("GET", "/releases/v0.5.0"): {"worker", "publisher", "operator", "viewer"},
    ("GET", f"/releases/v0.5.0/{LINUX}"): {"worker", "publisher", "operator", "viewer"},
    ("GET", f"/releases/latest/{LINUX}"): {"worker", "publisher", "operator", "viewer"},
    ("GET", "/tuf/timestamp.json"): {"worker", "publisher", "operator", "viewer"},
    ("GET", "/api/channels"): {"worker", "publisher", "operator", "viewer"},
    ("PUT", "/api/channels/stable"): {"publisher", "operator"},
    ("POST", "/api/releases/v0.5.0/withdraw"): {"publisher", "operator"},
    ("GET", "/api/trust"): {"publisher", "operator", "viewer"},
    ("GET", "/api/tuf/bundle"): {"publisher", "operator", "viewer"},
    ("PUT", "/api/tuf/bundle"): {"publisher"},
    ("POST", "/api/trust/renew"): {"publisher"},
    ("POST", "/api/trust/online-key"): set(),
    ("GET", "/openapi.json"): {"worker", "publisher", "operator", "viewer"},
    ("POST", "/api/workers/register"): {"worker"},
    ("POST", "/api/workers/heartbeat/x"): {"worker"},
    ("GET", "/api/workers/heartbeat/x"): {"worker"},
    ("GET", "/api/jobs/next/x"): {"worker"},
    ("GET", "/api/fleet"): {"operator", "viewer"},
    ("GET", "/api/fleet/x"): {"operator", "viewer"},
    ("GET", "/metrics"): {"operator", "viewer"},
    ("GET", "/api/tokens"): set(),
    ("POST", "/api/tokens"): set(),
    ("DELETE", "/api/tokens/x"): set(),
    ("GET", "/api/audit"): set(),
}


def concrete(path: str) -> str:
    """A path of the OpenAPI document with values in it."""
    filled = path.replace("{tag}", "v0.5.0").replace("{filename}", LINUX)
    filled = filled.replace("{name}", "timestamp.json").replace("{channel}", "stable")
    return filled.replace("{worker_id}", "x").replace("{token_id}", "x")


def test_the_table_is_complete(server: ServerProcess) -> None:
    paths = server.get("/openapi.json").json()["paths"]
    offered = {(method.upper(), concrete(p)) for p, methods in paths.items() for method in methods}
    assert offered == {(method, path.partition("?")[0]) for method, path in MAY} | PUBLIC


@pytest.mark.parametrize("role", ["worker", "publisher", "operator", "viewer"])
def test_a_role_may_do_its_own_and_no_more(server: ServerProcess, role: str) -> None:
    token = server.new_token(role)
    for (method, path), roles in MAY.items():
        answer = server.ask(method, path, REGISTER if method == "POST" else None, token=token)
        if role in roles:
            assert answer.status not in (401, 403), path
        else:
            assert (answer.status, answer.problem()) == (403, "forbidden"), path
            assert "admin" in answer.json()["hint"]
    assert (server.get("/releases/v0.5.0").status == 200) == (role == "publisher")


def test_strangers_are_told_nothing(make_server: Callable[..., ServerProcess]) -> None:
    server = make_server()
    server.start()
    for token in (None, "wrong"):
        for method, path in MAY:
            answer = server.ask(method, path, b"x" if method == "POST" else None, token=token)
            assert answer.status in ({401} if token is None else {401, 429}), path
            assert answer.problem() in ("unauthorized", "too-many-failures")
            if answer.status == 401:
                assert answer.headers["www-authenticate"].startswith("Bearer")
    for _, path in PUBLIC:
        assert server.get(path, token=None).status == 200
    assert server.get("/releases/v0.5.0").status == 404


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        f"Bearer x{TOKEN}",
        "Bearer \xff\xfe",
        f"Bearer {'x' * 10000}",
    ],
)
def test_nearly_the_token(server: ServerProcess, header: str) -> None:
    for path in ("/api/releases", "/api/workers/heartbeat/x"):
        answer = server.raw(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {header}\r\n\r\n".encode("latin-1")
        )
        assert (answer.status, answer.problem()) == (401, "unauthorized")


def test_a_revoked_token_is_refused_at_once_and_for_good(server: ServerProcess) -> None:
    answer = server.ask("POST", "/api/tokens", b'{"name": "ci", "role": "publisher"}')
    made = answer.json()
    assert made["token"].startswith("gaia_")
    assert server.upload("v0.5.0", LINUX, b"x", token=made["token"]).status == 200
    revoked = server.ask("DELETE", f"/api/tokens/{made['id']}")
    assert (revoked.status, revoked.json()["name"]) == (200, "ci")
    for _ in range(2):
        answer = server.upload("v0.6.0", LINUX, b"x", token=made["token"])
        assert (answer.status, answer.problem()) == (401, "unauthorized")
        server.restart()
    (listed,) = server.get("/api/tokens").json()["tokens"]
    assert listed["revoked_at"]
    assert listed["last_used"]
    assert "token" not in listed
    assert server.ask("DELETE", "/api/tokens/nothing").problem() == "no-such-token"


def test_no_secret_is_kept_or_logged(server: ServerProcess) -> None:
    secret = server.new_token("worker")
    assert server.get("/api/releases", token=secret).status == 200
    assert server.get("/api/releases", token="guess-in-the-dark").status == 401
    assert server.stop() == 0
    for path in (p for p in server.data_dir.rglob("*") if p.is_file()):
        content = path.read_bytes()
        for word in (secret, server.token, "guess-in-the-dark"):
            assert word.encode() not in content
    for word in (secret, server.token, "guess-in-the-dark"):
        assert word not in server.log()


def test_guessing_is_limited_and_harms_nobody_else(server: ServerProcess) -> None:
    worker = server.new_token("worker")
    codes = [server.get("/api/releases", token=f"guess {n}").problem() for n in range(60)]
    assert codes[0] == "unauthorized"
    assert codes[-1] == "too-many-failures"
    limited = server.get("/api/workers/heartbeat/x", token="guess")
    assert limited.status == 429
    assert int(limited.headers["retry-after"]) >= 1
    assert server.get("/api/releases", token=worker).status == 200
    assert server.get("/api/releases").status == 200


def test_refusals_are_in_the_audit_log(server: ServerProcess) -> None:
    worker = server.new_token("worker")
    server.upload("v0.5.0", LINUX, b"x", token=worker)
    server.get("/api/releases", token="wrong")
    server.get("/api/workers/heartbeat/x", token="wrong")
    for n in range(100):
        server.get("/api/releases", token=f"guess {n}")
    server.upload("v0.5.0", LINUX, b"x")

    def actions() -> list[tuple[str, str]]:
        entries = server.get("/api/audit?limit=1000").json()["entries"]
        return [(entry["action"], entry["actor"]) for entry in entries]

    eventually("the publish in the log", lambda: ("publish", "start-up token") in actions())
    found = actions()
    assert ("create-token", "start-up token") in found
    assert ("forbidden", "a worker") in found
    assert 2 <= found.count(("unauthorized", "-")) < 60
    assert found.count(("too-many-failures", "-")) >= 1
    assert server.get("/api/audit?limit=0").status == 400
    assert server.get("/api/audit?limit=x").status == 400
    assert len(server.get("/api/audit?limit=1").json()["entries"]) == 1


def test_the_audit_entry_of_a_publish_names_the_bytes(server: ServerProcess) -> None:
    sha256 = server.upload("v0.5.0", LINUX, b"x").json()["sha256"]
    (entry,) = (e for e in server.get("/api/audit").json()["entries"] if e["action"] == "publish")
    assert entry["subject"] == f"v0.5.0/{LINUX}"
    assert entry["detail"] == {"sha256": sha256, "size": 1}
    assert entry["client"] == "127.0.0.1"
    assert json.dumps(entry).count(server.token) == 0
