from __future__ import annotations

import fcntl
import sys
from pathlib import Path

import pytest

from gaia.errors import InvalidInput
from gaia.model.payload import Footer
from gaia.worker.runtime import (
    clean_environment,
    install_path,
    remove_old_runtimes,
    runtime_id,
)

USERS = {"HOME": "/home/u", "GAIA_TOKEN": "secret", "GAIA_RUNTIME_DIR": "/r"}
FROZEN = {"_PYI_ARCHIVE_FILE": "/x", "_GAIA_EXE": "/opt/gaia-worker"}


def test_a_frozen_workers_variables_are_removed() -> None:
    env = {**USERS, **FROZEN, "_MEIPASS2": "/x", "_GAIA_STDIO": "7,8", "LD_LIBRARY_PATH": "/x"}
    assert clean_environment(env) == USERS


def test_the_users_library_path_comes_back() -> None:
    env = {**USERS, **FROZEN, "LD_LIBRARY_PATH": "/x:/u", "LD_LIBRARY_PATH_ORIG": "/u"}
    assert clean_environment(env) == {**USERS, "LD_LIBRARY_PATH": "/u"}


def test_other_environments_stay_and_cleaning_twice_changes_nothing() -> None:
    env = {**USERS, "LD_LIBRARY_PATH": "/u"}
    assert clean_environment(env) == env
    assert clean_environment({**env, "_GAIA_STDIO": "7,8"}) == env


def test_only_a_frozen_worker_has_an_install_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("_GAIA_EXE", raising=False)
    assert install_path() is None
    monkeypatch.setenv("_GAIA_EXE", "/opt/gaia-worker")
    assert install_path() is None, "an inherited variable is not about this process"
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert install_path() == Path("/opt/gaia-worker")


def _executable(path: Path, digest: str) -> Path:
    path.write_bytes(b"\x7fELF" + Footer(0, 0, bytes.fromhex(digest * 2)).encode())
    return path


def test_runtime_id(tmp_path: Path) -> None:
    assert runtime_id(_executable(tmp_path / "x", "ab" * 16)) == "ab" * 16


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 1000])
def test_other_files_have_no_runtime(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InvalidInput):
        runtime_id(tmp_path / "x")


def test_removal_spares_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, live, backup, old = ("1a" * 16, "2b" * 16, "3c" * 16, "4d" * 16)
    for name in (own, live, backup, old, "state", "gaia-worker.lock"):
        (tmp_path / name / "_internal").mkdir(parents=True)
    keep = [
        _executable(tmp_path / "live", live),
        _executable(tmp_path / "live.bak", backup),
        tmp_path / "missing",
    ]
    remove_old_runtimes(keep)
    assert (tmp_path / old).exists(), "not a single-file worker: nothing of ours"

    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path / own / "_internal"), raising=False)
    monkeypatch.setenv("_GAIA_EXE", str(tmp_path / "live"))
    remove_old_runtimes(keep)
    folders = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert folders == {own, live, backup, "state", "gaia-worker.lock"}


def test_what_was_cut_off_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unpacking, or a removal, that a power cut ended."""
    own, other = "1a" * 16, "4d" * 16
    for name in (own, f"{other}.tmp-12345", f"{other}.tmp-removed-678"):
        (tmp_path / name / "_internal").mkdir(parents=True)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path / own / "_internal"), raising=False)
    monkeypatch.setenv("_GAIA_EXE", str(tmp_path / "live"))
    remove_old_runtimes([])
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {own}


def test_removal_waits_for_another_time_while_a_stub_unpacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, old = ("1a" * 16, "4d" * 16)
    for name in (own, old):
        (tmp_path / name / "_internal").mkdir(parents=True)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path / own / "_internal"), raising=False)
    monkeypatch.setenv("_GAIA_EXE", str(tmp_path / "live"))
    with (tmp_path / "unpack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove_old_runtimes([])
        assert (tmp_path / old).exists()
    remove_old_runtimes([])
    assert not (tmp_path / old).exists()
    assert (tmp_path / own / "_internal").exists()
