from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

from support.server import Answer, ServerProcess

EVIL = "<script>alert('x')</script>\"&amp;"


def sign_in(server: ServerProcess, token: str, **headers: str) -> Answer:
    form = urlencode({"token": token}).encode()
    sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return server.ask("POST", "/login", form, token=None, headers=sent)


def cookie_of(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def page(server: ServerProcess, path: str, cookie: str) -> Answer:
    return server.ask("GET", path, token=None, headers={"Cookie": cookie})


@pytest.fixture
def cookie(server: ServerProcess) -> str:
    return cookie_of(sign_in(server, server.token))


def test_strangers_see_the_form_only(server: ServerProcess) -> None:
    answer = server.get("/", token=None)
    assert answer.status == 200
    assert b'name="token"' in answer.body
    assert b"fingerprint" not in answer.body
    assert server.get("/dashboard/content", token=None).status == 401
    assert page(server, "/dashboard/content", "gaia_session=made-up").status == 401


def test_the_cookie_is_for_this_page_alone(server: ServerProcess) -> None:
    answer = sign_in(server, server.token)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(
        answer.headers["set-cookie"].split("; ")
    )
    assert server.token not in answer.headers["set-cookie"]


def test_only_watchers_may_look(server: ServerProcess) -> None:
    assert sign_in(server, "wrong").status == 401
    refused = sign_in(server, server.new_token("worker"))
    assert refused.status == 403
    assert "set-cookie" not in refused.headers
    assert sign_in(server, server.new_token("viewer")).status == 303
    assert sign_in(server, server.token, **{"Sec-Fetch-Site": "cross-site"}).status == 403
    assert sign_in(server, "x" * 10_000).status == 413


def test_a_session_reads_and_never_writes(server: ServerProcess, cookie: str) -> None:
    assert page(server, "/api/fleet", cookie).status == 200
    for method, path in (
        ("POST", "/api/tokens"),
        ("DELETE", "/api/tokens/x"),
        ("POST", "/api/releases/upload?tag=v0.5.0&filename=gaia-worker-linux"),
    ):
        answer = server.ask(method, path, b"{}", token=None, headers={"Cookie": cookie})
        assert answer.problem() == "unauthorized"


def test_signing_out_and_revoking_end_it(server: ServerProcess, cookie: str) -> None:
    server.ask("POST", "/logout", token=None, headers={"Cookie": cookie})
    assert page(server, "/api/fleet", cookie).status == 401
    made = server.ask("POST", "/api/tokens", b'{"name": "v", "role": "viewer"}').json()
    other = cookie_of(sign_in(server, made["token"]))
    assert page(server, "/dashboard/content", other).status == 200
    server.ask("DELETE", f"/api/tokens/{made['id']}")
    assert page(server, "/dashboard/content", other).status == 401
    assert b'name="token"' in page(server, "/", other).body


def test_it_shows_fleet_releases_and_trust(server: ServerProcess, cookie: str) -> None:
    empty = page(server, "/", cookie).body.decode()
    assert "No worker has registered yet" in empty
    assert "Nothing is published yet" in empty
    server.upload("v0.5.0", "gaia-worker-linux", b"x", query=f"&notes={'%3Cb%3E'}")
    register = json.dumps({"name": EVIL, "version": EVIL}).encode()
    worker_id = server.ask("POST", "/api/workers/register", register).json()["worker_id"]
    beat = {
        "version": EVIL,
        "platform": EVIL,
        "state": EVIL,
        "reason": EVIL,
        "alarm": EVIL,
        "target": EVIL,
        "externally_managed": EVIL,
        "progress": 0.25,
        "clock": 1.0,
        "failure": {
            "tag": EVIL,
            "sha256": "",
            "reason": EVIL,
            "detail": EVIL,
            "log_tail": EVIL,
            "at": 5.0,
        },
        "workload": {
            "state": EVIL,
            "outcomes": [{"exit_code": 3, "started_at": 1.0, "seconds": 2.0, "ended_by": EVIL}],
        },
    }
    answer = server.ask("POST", f"/api/workers/heartbeat/{worker_id}", json.dumps(beat).encode())
    assert answer.status == 200
    html = page(server, "/", cookie).body.decode()
    fingerprint = json.loads((server.data_dir / "server.json").read_text())["fingerprint"]
    for text in (
        "v0.5.0",
        "gaia-worker-linux",
        "stable",
        f"sha256:{fingerprint}",
        "Convenience mode",
        "&lt;b&gt;",
        "&lt;script&gt;alert",
        " d behind.",
    ):
        assert text in html
    assert "<script>alert" not in html
    assert html.count("<script") == 1


def test_the_page_needs_nothing_from_elsewhere(server: ServerProcess, cookie: str) -> None:
    answer = page(server, "/", cookie)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    html = answer.body.decode()
    assert "style=" not in html
    assert not re.search(r"\son\w+=", html)
    found = _Links()
    found.feed(html)
    assert found.links
    for link in found.links:
        assert link.startswith("/static/")
        assert server.get(link, token=None).status == 200


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("src", "href") and value]
