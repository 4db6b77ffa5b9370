"""Ranges and conditions of downloads, against a plain slice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gaia.model.artifact import Artifact
from gaia.server.downloads import parse_range, plan

DIGEST = "ab" * 32
ETAG = f'"{DIGEST}"'

sizes = st.integers(0, 40)
positions = st.integers(0, 50)


def artifact(size: int) -> Artifact:
    return Artifact("gaia-worker-linux", size, DIGEST)


def content(size: int) -> bytes:
    return bytes(range(size))


@given(size=sizes, first=positions, last=st.none() | positions)
def test_a_range_is_a_slice(size: int, first: int, last: int | None) -> None:
    text = f"bytes={first}-{'' if last is None else last}"
    answer = plan("GET", {"range": text}, artifact(size), cache="no-cache")
    if last is not None and last < first:
        assert (answer.status, answer.offset, answer.count) == (200, 0, size)
        return
    expected = content(size)[first : None if last is None else last + 1]
    if not expected:
        assert answer.status == 416
        assert answer.headers["content-range"] == f"bytes */{size}"
        assert answer.count == 0
        return
    assert answer.status == 206
    assert content(size)[answer.offset :][: answer.count] == expected
    assert answer.headers["content-length"] == str(len(expected))
    assert answer.headers["content-range"] == (
        f"bytes {expected[0]}-{expected[-1]}/{size}"  # each byte is its own position
    )


@given(size=sizes, suffix=positions)
def test_a_suffix_is_the_end(size: int, suffix: int) -> None:
    answer = plan("GET", {"range": f"bytes=-{suffix}"}, artifact(size), cache="no-cache")
    expected = content(size)[-suffix:] if suffix else b""
    if size == 0:
        assert answer.status == 200
    elif not expected:
        assert answer.status == 416
    else:
        assert answer.status == 206
        assert content(size)[answer.offset :][: answer.count] == expected


@given(text=st.text(max_size=30) | st.from_regex(r"bytes=[0-9,\- ]{0,80}", fullmatch=True))
def test_no_header_makes_it_leave_the_file(text: str) -> None:
    found = parse_range(text, 40)
    assert found is None or (0 <= found.start <= found.stop <= 40)


@given(digits=st.integers(1, 6_000))
def test_positions_of_any_length(digits: int) -> None:
    assert parse_range(f"bytes=5-{'9' * digits}", 40) in (range(5, 10), range(5, 40))
    assert not parse_range(f"bytes={'9' * (digits + 1)}-", 40)


@given(text=st.sampled_from(["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-2,4-5"]))
def test_what_is_not_one_range_gets_the_whole(text: str) -> None:
    answer = plan("GET", {"range": text}, artifact(40), cache="no-cache")
    assert (answer.status, answer.offset, answer.count) == (200, 0, 40)
    assert "content-range" not in answer.headers


@given(
    size=sizes,
    first=positions,
    condition=st.sampled_from([ETAG, f"W/{ETAG}", '"other"', "Mon, 23 Nov 2026 00:00:00 GMT"]),
)
def test_if_range_holds_for_the_same_bytes_only(size: int, first: int, condition: str) -> None:
    headers = {"range": f"bytes={first}-", "if-range": condition}
    answer = plan("GET", headers, artifact(size), cache="no-cache")
    if condition == ETAG:
        assert answer == plan("GET", {"range": headers["range"]}, artifact(size), cache="no-cache")
    else:
        assert (answer.status, answer.offset, answer.count) == (200, 0, size)


tags = st.lists(st.sampled_from([ETAG, f"W/{ETAG}", '"other"', 'W/"x,y"', '""']), min_size=1)


@given(tags=tags, method=st.sampled_from(["GET", "HEAD"]), range_header=st.booleans())
def test_if_none_match(tags: list[str], method: str, range_header: bool) -> None:
    headers = {"if-none-match": ", ".join(tags), **({"range": "bytes=1-"} if range_header else {})}
    answer = plan(method, headers, artifact(9), cache="no-cache")
    known = any(tag.removeprefix("W/") == ETAG for tag in tags)
    assert (answer.status == 304) == known
    if known:
        assert answer.headers["etag"] == ETAG
        assert "content-length" not in answer.headers
        assert (answer.count, answer.body) == (0, b"")


@given(tags=tags)
def test_if_match_is_strong(tags: list[str]) -> None:
    answer = plan("GET", {"if-match": ", ".join(tags)}, artifact(9), cache="no-cache")
    assert answer.status == (200 if ETAG in tags else 412)


def test_a_star_matches_everything() -> None:
    assert plan("GET", {"if-match": "*"}, artifact(9), cache="no-cache").status == 200
    assert plan("GET", {"if-none-match": " * "}, artifact(9), cache="no-cache").status == 304


@given(size=sizes, first=positions)
def test_head_says_what_get_would_and_sends_nothing(size: int, first: int) -> None:
    head = plan("HEAD", {"range": f"bytes={first}-"}, artifact(size), cache="no-cache")
    get = plan("GET", {}, artifact(size), cache="no-cache")
    assert (head.status, head.headers) == (200, get.headers)
    assert (head.count, head.body) == (0, b"")
    assert head.headers["content-length"] == str(size)


def test_headers_of_a_download() -> None:
    answer = plan("GET", {}, Artifact("experiments.tar.gz", 3, "00" * 32), cache="no-cache")
    assert answer.headers == {
        "etag": f'"{"00" * 32}"',
        "cache-control": "no-cache",
        "accept-ranges": "bytes",
        "content-type": "application/gzip",
        "content-length": "3",
        "repr-digest": "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:",
        "x-content-type-options": "nosniff",
    }
