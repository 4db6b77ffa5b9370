"""Downloads, against a real server that can break off at any byte."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaia.errors import InstallError, NotFound, Refused, TransportError, TrustError
from gaia.model.artifact import Artifact
from gaia.worker.download import Patience, download
from gaia.worker.transport import Transport
from support.web import Reply, Request, Web, serving

CONTENT = random.Random(7).randbytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ARTIFACT = Artifact("gaia-worker-linux", len(CONTENT), SHA256)
ETAG = f'"{SHA256}"'
PATH = "/releases/v0.5.0/gaia-worker-linux"
EAGER = Patience(base=0.001, cap=0.002, tries=3)


@pytest.fixture
def web() -> Iterator[Web]:
    with Web(serving(CONTENT, ETAG)) as running:
        yield running


@pytest.fixture
def transport(web: Web) -> Iterator[Transport]:
    opened = Transport(web.url, "token", "test")
    yield opened
    opened.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gaia-worker.new"


def ranges(web: Web) -> list[str | None]:
    return [request.headers.get("range") for request in web.requests]


def test_a_download_is_the_file_and_private(web: Web, transport: Transport, file: Path) -> None:
    shares: list[float] = []
    download(transport, PATH, file, ARTIFACT, shares.append)
    assert file.read_bytes() == CONTENT
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert web.requests[0].path == PATH
    assert web.requests[0].headers["accept-encoding"] == "identity"


def test_what_is_there_is_resumed_under_the_signed_digest(
    web: Web, transport: Transport, file: Path
) -> None:
    file.write_bytes(CONTENT[:400_000])
    file.chmod(0o755)
    download(transport, PATH, file, ARTIFACT)
    assert file.read_bytes() == CONTENT
    assert ranges(web) == ["bytes=400000-"]
    assert web.requests[0].headers["if-range"] == ETAG
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_complete_file_is_verified_without_a_request(
    web: Web, transport: Transport, file: Path
) -> None:
    file.write_bytes(CONTENT)
    download(transport, PATH, file, ARTIFACT)
    assert web.requests == []


@pytest.mark.parametrize(
    "found",
    [b"another release" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)],
    ids=["shorter", "as-long", "longer"],
)
def test_the_remains_of_another_release_are_replaced(
    transport: Transport, file: Path, found: bytes
) -> None:
    file.write_bytes(found)
    download(transport, PATH, file, ARTIFACT)
    assert file.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(
    web: Web, transport: Transport, file: Path
) -> None:
    web.respond = lambda _: Reply(body=CONTENT)
    file.write_bytes(CONTENT[:400_000])
    download(transport, PATH, file, ARTIFACT)
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "odd",
    [
        Reply(416),
        Reply(206, body=CONTENT[400_000:]),
        Reply(206, {"Content-Range": f"bytes 0-999999/{len(CONTENT)}"}, CONTENT),
        Reply(206, {"Content-Range": "bytes 400000-999998/999999"}, CONTENT[400_000:-1]),
    ],
    ids=["416", "no-content-range", "other-range", "other-size"],
)
def test_an_answer_with_another_range_starts_the_download_anew(
    web: Web, transport: Transport, file: Path, odd: Reply
) -> None:
    web.respond = lambda request: odd if "range" in request.headers else Reply(body=CONTENT)
    file.write_bytes(CONTENT[:400_000])
    download(transport, PATH, file, ARTIFACT)
    assert file.read_bytes() == CONTENT
    assert ranges(web) == ["bytes=400000-", None]


def test_a_range_that_nobody_asked_for_is_given_up(
    web: Web, transport: Transport, file: Path
) -> None:
    web.respond = lambda _: Reply(206, {"Content-Range": "bytes 5-9/10"}, b"56789")
    with pytest.raises(TransportError) as caught:
        download(transport, PATH, file, ARTIFACT, patience=EAGER)
    assert caught.value.code == "odd-answer"
    assert len(web.requests) == EAGER.tries


@pytest.mark.parametrize("length", [-1, None], ids=["announced", "unannounced"])
def test_a_file_that_is_too_long_is_refused_and_removed(
    web: Web, transport: Transport, file: Path, length: int | None
) -> None:
    web.respond = lambda _: Reply(body=CONTENT + b"more", length=length)
    with pytest.raises(TrustError) as caught:
        download(transport, PATH, file, ARTIFACT)
    assert caught.value.code == "size-mismatch"
    assert not file.exists()


def test_a_file_that_is_not_the_signed_one_is_refused_and_removed(
    web: Web, transport: Transport, file: Path
) -> None:
    web.respond = lambda _: Reply(body=CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    with pytest.raises(TrustError) as caught:
        download(transport, PATH, file, ARTIFACT)
    assert caught.value.code == "digest-mismatch"
    assert not file.exists()


def test_a_file_that_is_not_there_is_said_to_be_so(
    web: Web, transport: Transport, file: Path
) -> None:
    web.respond = lambda _: Reply(404)
    with pytest.raises(NotFound):
        download(transport, PATH, file, ARTIFACT)
    assert len(web.requests) == 1


def test_a_server_that_never_gets_further_is_left_to_the_caller(
    web: Web, transport: Transport, file: Path
) -> None:
    def nothing_new(request: Request) -> Reply:
        return serving(CONTENT, ETAG, cut=0 if "range" in request.headers else 300_000)(request)

    web.respond = nothing_new
    with pytest.raises(TransportError):
        download(transport, PATH, file, ARTIFACT, patience=EAGER)
    assert file.read_bytes() == CONTENT[:300_000]
    assert len(web.requests) == 1 + EAGER.tries


def test_a_server_that_breaks_off_and_knows_no_ranges_is_not_asked_for_ever(
    web: Web, transport: Transport, file: Path
) -> None:
    web.respond = lambda _: Reply(body=CONTENT, cut=500_000)
    with pytest.raises(TransportError):
        download(transport, PATH, file, ARTIFACT, patience=EAGER)
    assert len(web.requests) == 1 + EAGER.tries


def test_a_cancelled_download_is_resumed_later(web: Web, transport: Transport, file: Path) -> None:
    shares: list[float] = []
    with pytest.raises(Refused) as caught:
        download(transport, PATH, file, ARTIFACT, shares.append, lambda: bool(shares))
    assert caught.value.code == "cancelled"
    begun = file.stat().st_size
    assert 0 < begun < len(CONTENT)
    download(transport, PATH, file, ARTIFACT)
    assert ranges(web) == [None, f"bytes={begun}-"]


def test_without_room_the_rest_is_removed_and_the_reason_told(
    transport: Transport, file: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
    try:
        with pytest.raises(InstallError) as caught:
            download(transport, PATH, file, ARTIFACT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.code == "no-space"
    assert not file.exists()


def test_no_symlink_is_followed(transport: Transport, file: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_bytes(b"precious")
    file.symlink_to(target)
    with pytest.raises(InstallError) as caught:
        download(transport, PATH, file, ARTIFACT)
    assert caught.value.code == "staging-failed"
    assert target.read_bytes() == b"precious"


def test_only_files_are_written_to(transport: Transport, file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(InstallError) as caught:
        download(transport, PATH, file, ARTIFACT)
    assert caught.value.code == "staging-failed"
    assert stat.S_ISFIFO(file.lstat().st_mode)


def test_a_folder_that_is_not_there_is_said_to_be_so(transport: Transport, tmp_path: Path) -> None:
    with pytest.raises(InstallError) as caught:
        download(transport, PATH, tmp_path / "no" / "folder", ARTIFACT)
    assert caught.value.code == "staging-failed"
