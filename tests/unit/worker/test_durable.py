from __future__ import annotations

import os
from pathlib import Path

import pytest

from gaia.errors import InstallError
from gaia.worker.durable import (
    copy_durably,
    digest_of,
    told_as_install_error,
    unlink_quietly,
    write_atomic,
)

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("old")
    (tmp_path / "state.tmp").write_text("of a process that died")
    write_atomic(path, b"new", 0o600)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_failure_leaves_the_old(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomic(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_digest(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert digest_of(path) == EMPTY
    (tmp_path / "link").symlink_to(path)
    assert digest_of(tmp_path / "link") is None
    assert digest_of(tmp_path / "none") is None
    assert digest_of(tmp_path) is None


def test_copy_takes_content_and_mode(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 10_000)
    source.chmod(0o741)
    target.write_text("in the way")
    descriptor = os.open(source, os.O_RDONLY)
    copy_durably(descriptor, target)
    os.close(descriptor)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_mode == source.stat().st_mode


@pytest.mark.parametrize(
    ("number", "code"), [(28, "no-space"), (122, "no-space"), (27, "no-space"), (5, "swap")]
)
def test_codes_of_the_systems_errors(number: int, code: str) -> None:
    with pytest.raises(InstallError) as caught, told_as_install_error("the test"):
        raise OSError(number, os.strerror(number))
    assert caught.value.code == code
    assert "the test" in str(caught.value)


def test_unlink_of_nothing_is_quiet(tmp_path: Path) -> None:
    unlink_quietly(tmp_path / "none")
    unlink_quietly(tmp_path)
    assert tmp_path.is_dir()
