"""39: truncated, slow, stalled, reset or corrupted transfer."""

from __future__ import annotations

import hashlib
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaia.errors import TransportError, TrustError
from gaia.model.artifact import Artifact
from gaia.worker.download import Patience, download
from gaia.worker.transport import Transport
from support.web import Reply, Request, Web, serving

CONTENT = random.Random(39).randbytes(2_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ARTIFACT = Artifact("gaia-worker-linux", len(CONTENT), SHA256)
ETAG = f'"{SHA256}"'
EAGER = Patience(base=0.001, cap=0.002)


def fetch(web: Web, file: Path, patience: Patience = EAGER) -> None:
    transport = Transport(web.url, "token", "test")
    try:
        download(transport, "/releases/v0.5.0/gaia-worker-linux", file, ARTIFACT, patience=patience)
    finally:
        transport.close()


@pytest.mark.parametrize("reset", [False, True], ids=["truncated", "reset"])
def test_each_break_is_resumed_where_it_happened(tmp_path: Path, reset: bool) -> None:
    with Web(serving(CONTENT, ETAG, cut=450_000, reset=reset)) as web:
        # A reset may discard all that was on its way: such a try brings nothing.
        fetch(web, tmp_path / "f", Patience(base=0.001, cap=0.002, tries=100))
    assert (tmp_path / "f").read_bytes() == CONTENT
    starts = [
        int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        for request in web.requests
    ]
    assert starts == sorted(starts), "what has come is not fetched again"
    assert len(set(starts)) >= len(CONTENT) // 450_000
    assert all(request.headers["if-range"] == ETAG for request in web.requests[1:])


def test_a_stalled_transfer_is_ended_by_our_own_deadline_and_resumed(tmp_path: Path) -> None:
    def stall_once(request: Request) -> Reply:
        first = len(web.requests) == 1
        return serving(CONTENT, ETAG, cut=450_000 if first else None, stall=first)(request)

    with Web(stall_once) as web:
        fetch(web, tmp_path / "f", Patience(credit=0.3, base=0.001, cap=0.002))
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert web.requests[1].headers["range"] == "bytes=450000-"


def test_a_transfer_that_always_stalls_is_given_up_and_kept(tmp_path: Path) -> None:
    hasty = Patience(credit=0.2, tries=2, base=0.001, cap=0.002)
    with (
        Web(serving(CONTENT, ETAG, cut=1000, stall=True)) as web,
        pytest.raises(TransportError) as caught,
    ):
        fetch(web, tmp_path / "f", hasty)
    assert caught.value.code == "stalled"
    assert (tmp_path / "f").read_bytes() == CONTENT[:2000]


def test_a_corrupted_transfer_is_thrown_away(tmp_path: Path) -> None:
    spoiled = CONTENT[:1_000_000] + b"\x00" + CONTENT[1_000_001:]
    with Web(serving(spoiled, ETAG)) as web, pytest.raises(TrustError) as caught:
        fetch(web, tmp_path / "f")
    assert caught.value.code == "digest-mismatch"
    assert not (tmp_path / "f").exists()


def test_a_file_that_changes_between_two_parts_is_not_mixed(tmp_path: Path) -> None:
    """If-Range: the server sends the whole of the other file, which is then refused."""
    other = bytes(len(CONTENT))

    def change(request: Request) -> Reply:
        if len(web.requests) == 1:
            return serving(CONTENT, ETAG, cut=450_000)(request)
        return serving(other, '"other"')(request)

    with Web(change) as web, pytest.raises(TrustError):
        fetch(web, tmp_path / "f")
    assert not (tmp_path / "f").exists()


@settings(max_examples=20, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 2_000_000), max_size=8),
    resets=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_wherever_it_breaks_the_file_is_whole(cuts: list[int], resets: list[bool]) -> None:
    def respond(request: Request) -> Reply:
        number = len(web.requests) - 1
        if number < len(cuts):
            return serving(CONTENT, ETAG, cut=cuts[number], reset=resets[number])(request)
        return serving(CONTENT, ETAG)(request)

    with tempfile.TemporaryDirectory() as folder, Web(respond) as web:
        fetch(web, Path(folder, "f"), Patience(base=0.001, cap=0.002, tries=100))
        assert Path(folder, "f").read_bytes() == CONTENT
