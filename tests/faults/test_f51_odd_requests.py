"""Fault 51: path traversal, odd names, huge headers, wrong lengths, bad JSON, bad UTF-8."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.server import Answer, ServerProcess

LINUX = "gaia-worker-linux"
UPLOAD = "/api/releases/upload"


@pytest.fixture
def quiet(server: ServerProcess) -> Iterator[ServerProcess]:
    """A server that must come through without a fault of its own, nor a file where none belongs."""
    before = outside(server)
    assert server.upload("v0.5.0", LINUX, b"published").status == 200
    yield server
    assert "Traceback" not in server.log()
    assert outside(server) == before
    assert server.get("/releases/v0.5.0").json()["files"][0]["size"] == 9
    assert server.get(f"/releases/v0.5.0/{LINUX}").body == b"published"
    known = re.compile(r"(blobs/.+|tuf/.+|keys/.+|gaia\.db(-wal|-shm)?|lock|server\.json)")
    for path in files(server.data_dir):
        assert known.fullmatch(str(path.relative_to(server.data_dir)))


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def outside(server: ServerProcess) -> set[Path]:
    """One listing: what comes and goes in the data folder meanwhile is not outside."""
    return {path for path in files(server.data_dir.parent) if server.data_dir not in path.parents}


def check_problem(answer: Answer, *statuses: int) -> None:
    assert answer.status in (statuses or range(400, 500))
    assert answer.problem()


def head(server: ServerProcess, *headers: str) -> bytes:
    return "\r\n".join(
        ["Host: gaia", f"Authorization: Bearer {server.token}", *headers, "", ""]
    ).encode("latin-1")


@pytest.mark.parametrize(
    "path",
    [
        b"/releases/../../../etc/passwd",
        b"/releases/v0.5.0/../../../../etc/passwd",
        b"/releases/v0.5.0/..%2f..%2f..%2fetc%2fpasswd",
        b"/releases/v0.5.0/%2e%2e/%2e%2e/etc/passwd",
        b"/releases/v0.5.0/..",
        b"/releases/../gaia-worker-linux",
        b"/releases/v0.5.0/....//gaia-worker-linux",
        b"/releases/v0.5.0//etc/passwd",
        b"/releases/v0.5.0/gaia-worker-linux%00",
        b"/releases/v0.5.0/gaia-worker-linux%00.txt",
        b"/releases/v0.5.0/\\..\\..\\etc",
        b"/releases/latest/..%5c..%5cgaia.db",
        b"/releases/latest/%ff%fe",
        b"/releases/v0.5.0/" + b"a" * 5000,
        b"/releases/" + b"9" * 5000,
        b"/releases/v99999999999999999999.0.0",
        b"/releases/v0.5.0;x",
        b"/releases/",
        b"/tuf/..%2fgaia.db",
        b"/tuf/../keys/online",
        b"/tuf/%2e%2e%2fkeys%2fonline.json",
        b"/tuf/.json",
        b"/tuf/timestamp.json%00",
        b"/static/../main.py",
        b"/static/..%2fmain.py",
        b"/static/%2e%2e/main.py",
        b"/static//etc/passwd",
        b"/api/fleet/" + b"%00" * 20,
        b"/api/fleet/../../x",
        b"/api/jobs/next/",
        b"/api/workers/heartbeat/",
        b"/api/workers/heartbeat/%ff%00" + b"x" * 3000,
        b"/api/tokens/..%2f",
        b"//etc/passwd",
        b"/\xff\xfe",
        b"/%",
        b"/%zz/%u0041",
        b"*",
        b"http://evil/etc/passwd",
    ],
)
def test_paths(quiet: ServerProcess, path: bytes) -> None:
    answer = quiet.raw(b"GET " + path + b" HTTP/1.1\r\n" + head(quiet, "Connection: close"))
    assert 400 <= answer.status < 500
    if not path.startswith(b"/static"):
        check_problem(answer)
    assert b"root:" not in answer.body


@pytest.mark.parametrize(
    "query",
    [
        "",
        "tag=v0.5.0",
        f"filename={LINUX}",
        "tag=&filename=",
        f"tag=&filename={LINUX}",
        f"tag=latest&filename={LINUX}",
        f"tag=0.5&filename={LINUX}",
        f"tag=v0.5.0.1&filename={LINUX}",
        f"tag=v00.5.0&filename={LINUX}",
        f"tag=v0.6.0+build.1&filename={LINUX}",
        f"tag=../v0.5.0&filename={LINUX}",
        f"tag=v0.6.0%00&filename={LINUX}",
        f"tag=v0.6.0%0a&filename={LINUX}",
        f"tag=v0.6.%EF%BC%91&filename={LINUX}",
        f"tag=v0.6.0-{'a' * 100}&filename={LINUX}",
        "tag=v0.6.0&filename=../../../etc/passwd",
        "tag=v0.6.0&filename=gaia-worker-linux/../../x",
        "tag=v0.6.0&filename=gaia-worker-",
        "tag=v0.6.0&filename=gaia-worker-Linux",
        "tag=v0.6.0&filename=gaia-worker-linux.exe",
        "tag=v0.6.0&filename=gaia-worker-windows",
        "tag=v0.6.0&filename=gaia-worker-linux%00",
        "tag=v0.6.0&filename=gaia-worker-linux%0a",
        "tag=v0.6.0&filename=gaia-worker-l%C3%AFnux",
        "tag=v0.6.0&filename=experiments.zip",
        f"tag=v0.6.0&filename=gaia-worker-{'x' * 100}",
        f"tag=v0.6.0&filename={LINUX}&channel=",
        f"tag=v0.6.0&filename={LINUX}&channel=../x",
        f"tag=v0.6.0&filename={LINUX}&channel=STABLE",
        f"tag=v0.6.0&tag=v0.7.0&filename={LINUX}",
        f"tag=v0.6.0&filename={LINUX}&nonsense=1",
        f"tag=v0.6.0&filename={LINUX}&notes=%ff%fe",
        f"tag=v0.6.0&filename={LINUX}&notes={'x' * 20000}",
        f"tag=v0.6.0&filename={LINUX}&sha256=abc",
        f"tag=v0.6.0&filename={LINUX}&sha256={'0' * 64}",
        "&".join(["tag=v0.6.0"] * 100),
    ],
)
def test_upload_parameters(quiet: ServerProcess, query: str) -> None:
    answer = quiet.ask("POST", f"{UPLOAD}?{query}", b"some bytes")
    check_problem(answer, 400)
    assert answer.json()["hint"]


def test_a_plus_in_a_tag_is_explained(quiet: ServerProcess) -> None:
    answer = quiet.upload("v0.6.0+build.1", LINUX, b"x")
    assert "%2B" in answer.json()["hint"]
    assert quiet.upload("v0.6.0%2Bbuild.1", LINUX, b"x").json()["tag"] == "v0.6.0+build.1"
    assert quiet.get(f"/releases/v0.6.0+build.1/{LINUX}").body == b"x"
    assert quiet.get(f"/releases/v0.6.0%2Bbuild.1/{LINUX}").body == b"x"


def test_bodies_that_are_no_upload(quiet: ServerProcess) -> None:
    assert quiet.upload("v0.6.0", LINUX, b"").problem() == "empty-body"
    assert quiet.upload("v0.6.0", LINUX, iter([])).problem() == "empty-body"
    for header in (
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Encoding": "gzip"},
    ):
        answer = quiet.upload("v0.6.0", LINUX, b"--x", headers=header)
        assert (answer.status, answer.problem()) == (415, "unsupported-body")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Length: -1"], b"x"),
        (["Content-Length: abc"], b"x"),
        (["Content-Length: 1e3"], b"x"),
        (["Content-Length: 99999999999999999999999999"], b"x"),
        (["Content-Length: 1", "Content-Length: 2"], b"xx"),
        (["Content-Length: 1", "Transfer-Encoding: chunked"], b"1\r\nx\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"zz\r\nx\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"-1\r\nx\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"ffffffffffffffffff\r\nx\r\n"),
        (["Transfer-Encoding: gibberish"], b"x"),
        (["Bad Header: x", "Content-Length: 1"], b"x"),
        (["No-colon", "Content-Length: 1"], b"x"),
    ],
)
def test_wrong_lengths(quiet: ServerProcess, headers: list[str], body: bytes) -> None:
    start = f"POST {UPLOAD}?tag=v0.6.0&filename={LINUX} HTTP/1.1\r\n".encode()
    check_problem(quiet.raw(start + head(quiet, *headers) + body))
    assert quiet.get("/releases/v0.6.0").status == 404


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GE\xffT / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: a\nb\r\n\x00: x\r\n\r\n",
    ],
)
def test_what_is_not_http(quiet: ServerProcess, request_bytes: bytes) -> None:
    check_problem(quiet.raw(request_bytes), 400)


def test_huge_heads(quiet: ServerProcess) -> None:
    for request in (
        b"GET / HTTP/1.1\r\n" + head(quiet, f"X-Long: {'x' * 100_000}"),
        b"GET / HTTP/1.1\r\n" + head(quiet, *(f"X-{n}: {'x' * 50}" for n in range(2000))),
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n" + head(quiet),
        # Without an end: it must not wait for more.
        b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 100_000,
        b"POST /api/workers/heartbeat/x HTTP/1.1\r\n" + head(quiet, f"X-Long: {'x' * 100_000}"),
    ):
        answer = quiet.raw(request)
        assert (answer.status, answer.problem()) == (431, "headers-too-large")


def test_endless_trailers(quiet: ServerProcess) -> None:
    start = f"POST {UPLOAD}?tag=v0.6.0&filename={LINUX} HTTP/1.1\r\n".encode()
    trailers = b"".join(b"X-%d: %b\r\n" % (n, b"x" * 50) for n in range(20000))
    body = b"1\r\nx\r\n0\r\n" + trailers
    answer = quiet.raw(start + head(quiet, "Transfer-Encoding: chunked") + body)
    assert (answer.status, answer.problem()) == (431, "headers-too-large")
    assert quiet.get("/releases/v0.6.0").status == 404


def test_heartbeats_on_one_connection_are_no_huge_head(quiet: ServerProcess) -> None:
    answer = quiet.ask("POST", "/api/workers/register", b'{"name": "w"}')
    path = f"/api/workers/heartbeat/{answer.json()['worker_id']}"
    beat = f"GET {path} HTTP/1.1\r\n".encode() + head(quiet, f"X-Padding: {'x' * 2000}")
    with quiet.connect() as connection:
        for _ in range(100):
            connection.sendall(beat)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


BAD_JSON = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"{}",
    b'{"name": 5}',
    b'{"name": null}',
    b'{"name": ""}',
    b'{"name": "\xff\xfe"}',
    b'{"name": "\\ud800"}',
    b'{"name": "a\\u0000b"}',
    b'{"name": "' + b"x" * 1000 + b'"}',
    b'{"name": "x", "labels": {"a": 1}}',
    b'{"name": "x", "labels": []}',
    b'{"name": "x", "channel": "../.."}',
    b'{"name": NaN}',
    b"[" * 100_000,
    b'{"name": "x", "gpu": {"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
    b"\xff" * 100,
    b'{"name": "x"} trailing',
]


@pytest.mark.parametrize("body", BAD_JSON, ids=range(len(BAD_JSON)))
def test_bad_json(quiet: ServerProcess, body: bytes) -> None:
    check_problem(quiet.ask("POST", "/api/workers/register", body), 400)
    check_problem(quiet.ask("POST", "/api/tokens", body), 400, 413)
    assert quiet.get("/api/fleet").json() == {"workers": []}


def test_bad_heartbeats(quiet: ServerProcess) -> None:
    worker_id = quiet.ask("POST", "/api/workers/register", b'{"name": "w"}').json()["worker_id"]
    for body in BAD_JSON:
        check_problem(quiet.ask("POST", f"/api/workers/heartbeat/{worker_id}", body), 400)
    assert quiet.ask("POST", "/api/workers/heartbeat/nobody", b"{}").status in (400, 404)
    check_problem(quiet.get("/api/workers/heartbeat/nobody"), 404)
    assert quiet.get(f"/api/fleet/{worker_id}").json()["heartbeats"] == 0


def test_oversize_bodies(make_server: Callable[..., ServerProcess]) -> None:
    server = make_server("--max-upload-size", "1MiB")
    server.start()
    for path in ("/api/workers/register", "/api/tokens", "/api/workers/heartbeat/x"):
        answer = server.ask("POST", path, b'{"name": "' + b"x" * 300_000 + b'"}')
        assert (answer.status, answer.problem()) == (413, "body-too-large")
    exact, over = b"x" * 2**20, b"x" * (2**20 + 1)
    answer = server.upload("v0.6.0", LINUX, over)
    assert (answer.status, answer.problem()) == (413, "body-too-large")
    # Without a length, it shows only while the bytes come.
    chunks = (over[start : start + 65536] for start in range(0, len(over), 65536))
    answer = server.upload("v0.6.0", LINUX, chunks)
    assert (answer.status, answer.problem()) == (413, "body-too-large")
    assert list((server.data_dir / "blobs").rglob("*")) == [server.data_dir / "blobs" / "incoming"]
    assert server.upload("v0.6.0", LINUX, exact).status == 200


def test_curl_sees_why_a_large_upload_is_refused(
    make_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = make_server("--max-upload-size", "1MiB")
    server.start()
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(300 * 2**20)
    for options in ([], ["-H", "Expect:"], ["-H", "Transfer-Encoding: chunked", "-H", "Expect:"]):
        done = subprocess.run(
            [
                *("curl", "-sS", "-X", "POST"),
                f"{server.url}{UPLOAD}?tag=v0.6.0&filename={LINUX}",
                *("-H", f"Authorization: Bearer {server.token}"),
                *("-H", "Content-Type: application/octet-stream"),
                *options,
                *("--data-binary", f"@{large}"),
            ],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["code"] == "body-too-large"


def test_methods(quiet: ServerProcess) -> None:
    for method, path, allowed in (
        ("DELETE", "/api/releases", "GET"),
        ("PUT", f"/releases/v0.5.0/{LINUX}", "GET"),
        ("GET", UPLOAD, "POST"),
        ("PATCH", "/api/tokens", "POST"),
        ("DELETE", "/api/workers/heartbeat/x", "POST"),
    ):
        answer = quiet.ask(method, path)
        assert (answer.status, answer.problem()) == (405, "method-not-allowed")
        assert allowed in answer.headers["allow"]


@pytest.mark.parametrize(
    "query", ["channel=x&channel=y", "nonsense=1", "channel=%ff", "channel=.."]
)
def test_query_of_latest(quiet: ServerProcess, query: str) -> None:
    check_problem(quiet.get(f"/releases/latest?{query}"), 400)
    check_problem(quiet.get(f"/releases/latest/{LINUX}?{query}"), 400)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "DELETE", "OPTIONS"]),
    path=st.lists(
        st.one_of(
            st.sampled_from(
                ["releases", "latest", "v0.5.0", LINUX, "tuf", "api", "fleet", "..", "."]
            ),
            st.binary(max_size=8).map(lambda raw: "".join(f"%{byte:02x}" for byte in raw)),
        ),
        max_size=5,
    ),
    body=st.binary(max_size=64),
)
def test_whatever_comes(quiet: ServerProcess, method: str, path: list[str], body: bytes) -> None:
    answer = quiet.ask(method, "/" + "/".join(path), body)
    assert answer.status < 500
