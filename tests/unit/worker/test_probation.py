from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from gaia.model.worker import FailureReason
from gaia.worker.durable import digest_of
from gaia.worker.installation import Installation
from gaia.worker.probation import Marker, Probation

LINES = "boots=0\nmax-boots=2\nbackup=/x/worker.bak\ntag=v2.0.0\nsha256=ab\nfuture=a=b\n"


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    here = Installation(tmp_path / "worker")
    here.private.mkdir()
    here.path.write_text("new")
    here.backup.write_text("old")
    return here


@pytest.fixture
def probation(installation: Installation) -> Probation:
    here = Probation(installation)
    here.begin(
        Marker.parse(LINES.encode()).plus(backup_sha256=digest_of(installation.backup) or "")
    )
    return here


def test_marker_is_kept_as_it_is() -> None:
    assert Marker.parse(LINES.encode()).encode() == LINES.encode()


def test_path_that_is_not_unicode_survives() -> None:
    line = b"backup=/x/\xff\xfe/worker.bak\n"
    assert Marker.parse(line).encode() == line


def test_values_stay_on_their_line() -> None:
    marker = Marker({}).plus(detail="two\nlines", backup_sha256="ab")
    assert marker.encode() == b"detail=two lines\nbackup-sha256=ab\n"


def test_damaged_marker_has_defaults() -> None:
    marker = Marker.parse(b"boots=many\n\nnonsense")
    assert (marker.boots, marker.max_boots, marker.sha256) == (0, 2, "")
    assert marker.reason is FailureReason.EXITED


def test_counts_boots_and_restores_above_the_limit(
    probation: Probation, installation: Installation
) -> None:
    assert [probation.count_boot() for _ in range(3)] == [False, False, True]
    assert installation.path.read_text() == "old"
    assert probation.marker() is None
    reverted = probation.reverted()
    assert reverted is not None
    assert (reverted.boots, reverted.tag) == (2, "v2.0.0")
    assert reverted.reason is FailureReason.BOOT_LOOP
    assert not probation.count_boot()


def test_counting_never_installs_a_damaged_backup(
    probation: Probation, installation: Installation
) -> None:
    installation.backup.write_text("ol")
    assert [probation.count_boot() for _ in range(4)] == [False] * 4
    assert installation.path.read_text() == "new"
    reverted = probation.reverted()
    assert reverted is not None
    assert "damaged" in reverted.detail


def test_orderly_stop(probation: Probation) -> None:
    assert not probation.stopped_orderly()
    probation.stop_orderly()
    assert probation.stopped_orderly()
    probation.watched()
    assert not probation.stopped_orderly()


def test_every_sign_of_life_changes_the_pulse(probation: Probation) -> None:
    pulses = set()
    for _ in range(3):
        before = probation.pulse()
        while probation.pulse() == before:
            probation.sign_of_life()
        pulses.add(probation.pulse())
    assert len(pulses) == 3


def test_log_tail_is_bounded(probation: Probation) -> None:
    assert probation.log_tail() == ""
    probation.log.write_bytes(b"x" * 100_000 + b"the end \xff")
    assert probation.log_tail().endswith("xthe end \ufffd")
    assert len(probation.log_tail()) == 16 * 1024


def test_an_orderly_stop_is_not_a_failed_start(probation: Probation) -> None:
    """However often a machine is shut down while its release waits for a server that is gone."""
    for _ in range(5):
        assert not probation.count_boot()
        probation.watched()
        probation.stop_orderly()
        probation.uncount_boot()
    assert probation.stopped_orderly()
    assert [probation.count_boot() for _ in range(3)] == [False, False, True]


def test_a_name_that_is_back_already_is_made_durable(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has renamed the backup may have been killed, or refused, before the fsync."""
    synced: list[Path] = []
    monkeypatch.setattr("gaia.worker.installation.fsync_folder", synced.append)
    installation.restore(hashlib.sha256(b"new").hexdigest())
    assert synced == [installation.folder]


@pytest.mark.parametrize(
    "end", [Probation.end, lambda probation: probation.retire(FailureReason.HUNG, "")]
)
def test_what_is_at_the_path_is_durable_before_the_marker_goes(
    installation: Installation,
    probation: Probation,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[Probation], None],
) -> None:
    first: list[tuple[Path, bool]] = []
    monkeypatch.setattr(
        "gaia.worker.probation.fsync_folder",
        lambda folder: first.append((folder, probation.marker() is not None)),
    )
    end(probation)
    assert first[0] == (installation.folder, True)
    assert probation.marker() is None


def test_a_start_after_an_orderly_stop_shows_signs_of_life_on_a_full_disk(
    probation: Probation, monkeypatch: pytest.MonkeyPatch
) -> None:
    probation.stop_orderly()

    def full(path: Path, *_: object, **__: object) -> None:
        if not path.exists():
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "touch", full)
    probation.watched()
    assert not probation.stopped_orderly()
    before = probation.pulse()
    probation.sign_of_life()
    assert probation.pulse() > before > 0
