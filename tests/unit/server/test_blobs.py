from __future__ import annotations

import hashlib
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaia.errors import GaiaError, InvalidInput
from gaia.server.blobs import Blobs

DATA = b"one worker" * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_a_placed_blob_has_its_digest_for_a_name(blobs: Blobs, tmp_path: Path) -> None:
    writer = blobs.writer()
    for start in range(0, len(DATA), 999):
        writer.write(DATA[start : start + 999])
    writer.seal()
    writer.place()
    writer.discard()
    assert (writer.sha256, writer.size) == (SHA256, len(DATA))
    assert blobs.path(SHA256).read_bytes() == DATA
    assert blobs.holds(SHA256, len(DATA))
    assert not blobs.holds(SHA256, len(DATA) - 1)
    assert files(tmp_path) == {tmp_path / "blobs" / SHA256[:2] / SHA256}


def test_an_abandoned_blob_leaves_nothing(blobs: Blobs, tmp_path: Path) -> None:
    writer = blobs.writer()
    writer.write(DATA)
    writer.seal()
    writer.discard()
    writer.discard()
    assert files(tmp_path) == set()
    assert not blobs.holds(SHA256, len(DATA))


def test_what_a_crash_left_is_removed_at_the_next_start(blobs: Blobs, tmp_path: Path) -> None:
    crashed = blobs.writer()
    crashed.write(DATA)
    assert len(files(tmp_path)) == 1
    Blobs(tmp_path / "blobs")
    assert files(tmp_path) == set()
    crashed.discard()


def test_placing_again_heals_a_damaged_blob(blobs: Blobs) -> None:
    for _ in range(2):
        writer = blobs.writer()
        writer.write(DATA)
        writer.seal()
        writer.place()
        writer.discard()
        assert blobs.path(SHA256).read_bytes() == DATA
        blobs.path(SHA256).write_bytes(b"damaged")


def test_only_sealed_blobs_are_placed(blobs: Blobs) -> None:
    writer = blobs.writer()
    with pytest.raises(InvalidInput):
        writer.place()
    writer.discard()


@pytest.fixture
def file_limit() -> Iterator[int]:
    """No file may grow beyond some kilobytes: writes fail as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield 4096
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_no_space_is_said_and_leaves_nothing(blobs: Blobs, tmp_path: Path, file_limit: int) -> None:
    writer = blobs.writer()
    with pytest.raises(GaiaError) as refused:
        writer.write(b"x" * (file_limit + 1))
    writer.discard()
    assert refused.value.code == "no-space"
    assert files(tmp_path) == set()


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GaiaError) as refused:
        Blobs(tmp_path / "file" / "blobs")
    assert refused.value.code == "storage-unavailable"
