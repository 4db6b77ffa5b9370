from __future__ import annotations

from pathlib import Path

import pytest

from gaia.errors import InstallError
from gaia.model.worker import WorkerState
from gaia.planning.update import Event, IllegalTransition
from gaia.protocol.worker import Failure
from gaia.worker.journal import MAX_FAILURES, Journal, Target

OLD, NEW = Target("v1.0.0", "a" * 64), Target("v2.0.0", "b" * 64, 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "worker.journal"


def loaded(path: Path) -> Journal:
    journal = Journal(path)
    journal.load()
    return journal


def failure(number: int, reason: str = "exited") -> Failure:
    return Failure(f"v1.0.{number}", f"{number:064x}", reason, "why", "the log", 1.0)


def test_a_step_is_on_the_disk_before_it_is_taken(path: Path) -> None:
    loaded(path).advance(Event.OFFERED, target=NEW, source=OLD)
    again = loaded(path)
    assert (again.state, again.target, again.source) == (WorkerState.FETCHING, NEW, OLD)


def test_move_that_is_not_in_the_table(path: Path) -> None:
    journal = loaded(path)
    with pytest.raises(IllegalTransition):
        journal.advance(Event.OFFERED, Event.SWAPPED)
    assert journal.state is WorkerState.IDLE
    assert not path.exists()


def test_what_cannot_be_written_does_not_advance_but_settles(path: Path) -> None:
    journal = loaded(path)
    journal.advance(Event.OFFERED, target=NEW, source=OLD)
    path.with_name(path.name + ".tmp").mkdir()
    with pytest.raises(InstallError):
        journal.advance(Event.FETCHED)
    assert journal.state == "fetching"
    journal.settle(Event.FAILED, failure=failure(1))
    assert journal.state == "idle"
    assert journal.failed_digests == {failure(1).sha256}


def test_failure_stays_until_confirmed(path: Path) -> None:
    journal = loaded(path)
    journal.advance(Event.OFFERED, target=NEW, source=OLD)
    journal.settle(Event.FAILED, failure=failure(1))
    assert loaded(path).failure == failure(1)
    journal.confirm_failure()
    again = loaded(path)
    assert again.failure is None
    assert again.failed_digests == {failure(1).sha256}


def test_reasons_that_pass_do_not_bar_the_release(path: Path) -> None:
    journal = loaded(path)
    journal.settle(Event.RESTARTED, failure=failure(1, "transport"))
    assert journal.failure == failure(1, "transport")
    assert journal.failed_digests == frozenset()
    journal.settle(Event.RESTARTED, failure=failure(1, "hung"))
    assert journal.failed_digests == {failure(1).sha256}


def test_failures_are_bounded(path: Path) -> None:
    journal = loaded(path)
    for number in range(MAX_FAILURES + 5):
        journal.settle(Event.RESTARTED, failure=failure(number))
    assert len(journal.failed_digests) == MAX_FAILURES
    assert failure(4).sha256 not in journal.failed_digests
    assert path.read_text().count("the log") == 1


def test_rescue_is_what_ran_before(path: Path) -> None:
    journal = loaded(path)
    journal.advance(Event.OFFERED, target=NEW, source=OLD)
    journal.advance(Event.FETCHED, Event.PASSED_PREFLIGHT, Event.DRAINED, Event.SWAPPED)
    journal.settle(Event.CONDEMNED, Event.FAILED)
    assert loaded(path).rescue == OLD
    journal.forget_rescue()
    assert loaded(path).rescue is None
