from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gaia.errors import InstallError, NotFound, TransportError, TrustError
from gaia.model.worker import FailureReason
from gaia.worker.installation import Installation
from gaia.worker.journal import Target
from gaia.worker.relaunch import Launch
from gaia.worker.staging import FIRST_RETRY, Retries, Staging, failure_of

CONTENT = b"#!/bin/sh\nexit 0\n"
TARGET = Target("v2.0.0", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
LAUNCH = Launch(Path("worker"), ("worker", "--name", "w"), "", {})


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    (tmp_path / "worker").write_text("#!/bin/sh\n")
    (tmp_path / "worker").chmod(0o755)
    installation = Installation(tmp_path / "worker")
    assert installation.obstacle() == ""
    return Staging(installation, Target("v1.0.0", "a" * 64), TARGET)


def append_rest(path: Path, progress: Callable[[int], None], _: threading.Event) -> None:
    there = path.stat().st_size
    with path.open("ab") as file:
        file.write(CONTENT[there:])
    progress(len(CONTENT))


def broken(path: Path, progress: Callable[[int], None], _: threading.Event) -> None:
    path.write_bytes(CONTENT[:5])
    progress(5)
    raise TransportError("connection-lost", "The line broke.")


def unwanted(*_: object) -> None:
    raise AssertionError("was fetched")


def test_goes_on_where_it_broke(staging: Staging, tmp_path: Path) -> None:
    with pytest.raises(TransportError):
        staging.fetch(broken, resume=False)
    assert 0 < staging.progress < 1
    assert (tmp_path / "worker.new").stat().st_size == 5
    staging.fetch(append_rest, resume=True)
    assert staging.progress == 1
    assert (tmp_path / "worker.new").read_bytes() == CONTENT
    staging.preflight(LAUNCH, 10)


def test_what_is_whole_is_not_fetched(staging: Staging) -> None:
    staging.fetch(append_rest, resume=False)
    staging.fetch(unwanted, resume=True)


def test_the_backup_is_not_fetched(staging: Staging, tmp_path: Path) -> None:
    backup = tmp_path / "worker.bak"
    backup.write_bytes(CONTENT)
    staging.fetch(unwanted, resume=False)
    assert (tmp_path / "worker.new").read_bytes() == CONTENT
    assert backup.read_bytes() == CONTENT
    assert backup.stat().st_ino != (tmp_path / "worker.new").stat().st_ino


def test_a_damaged_backup_is_no_help(staging: Staging, tmp_path: Path) -> None:
    (tmp_path / "worker.bak").write_bytes(CONTENT[::-1])
    staging.fetch(append_rest, resume=False)
    assert (tmp_path / "worker.new").read_bytes() == CONTENT


def test_another_release_starts_anew(staging: Staging, tmp_path: Path) -> None:
    (tmp_path / "worker.new").write_bytes(b"of another release")
    staging.fetch(append_rest, resume=False)
    assert (tmp_path / "worker.new").read_bytes() == CONTENT


def test_planted_link_is_not_followed(staging: Staging, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "worker.new").symlink_to(victim)
    staging.fetch(append_rest, resume=True)
    assert victim.read_text() == "mine"
    assert not (tmp_path / "worker.new").is_symlink()


def test_cancelled_preflight(staging: Staging, tmp_path: Path) -> None:
    staging.fetch(append_rest, resume=False)
    sleeper = b"#!/bin/sh\nsleep 1000\n"
    (tmp_path / "worker.new").write_bytes(sleeper)
    staging.target = Target("v2.0.0", hashlib.sha256(sleeper).hexdigest(), len(sleeper))
    staging.cancelled.set()
    with pytest.raises(InstallError) as caught:
        staging.preflight(LAUNCH, 1000)
    assert caught.value.code == "busy"


def test_what_was_changed_since_is_not_run(staging: Staging, tmp_path: Path) -> None:
    staging.fetch(append_rest, resume=False)
    (tmp_path / "worker.new").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    with pytest.raises(InstallError) as caught:
        staging.preflight(LAUNCH, 10)
    assert caught.value.code == "swap"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TransportError("timeout", "slow"), "transport"),
        (NotFound("no-such-file", "gone"), "transport"),
        (TrustError("bad", "bad"), "trust"),
        (InstallError("no-space", "full"), "no-space"),
        (InstallError("of-the-future", "odd"), "swap"),
        (OSError(28, "full"), "no-space"),
        (ZeroDivisionError("a bug"), "swap"),
    ],
)
def test_reasons(error: Exception, reason: str) -> None:
    failure = failure_of(TARGET, error)
    assert failure.reason == reason
    assert not FailureReason(failure.reason).blames_release
    assert (failure.tag, failure.sha256) == (TARGET.tag, TARGET.sha256)


def test_retries_back_off() -> None:
    now = 100.0
    retries = Retries(lambda: now, lambda: 0.999)
    assert retries.due("a")
    waits = []
    for _ in range(12):
        retries.failed("a")
        began = now
        assert not retries.due("a")
        assert retries.due("b")
        while not retries.due("a"):
            now += FIRST_RETRY / 5
        waits.append(now - began)
    assert waits == sorted(waits)
    assert waits[0] <= FIRST_RETRY
    assert 1000 < waits[-1] <= 3601
