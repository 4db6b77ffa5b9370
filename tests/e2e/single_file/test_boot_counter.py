"""Fault 20: starts on probation are counted before Python runs, and bounded."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.single_file import Program

pytestmark = pytest.mark.needs_worker_build


class Trial:
    """1.1.0 installed over 1.0.0, on probation."""

    def __init__(self, installed: Program, new: Path) -> None:
        self.installed = installed
        folder = installed.path.parent / ".gaia"
        self.backup = installed.path.with_name("gaia-worker.bak")
        self.marker = folder / "gaia-worker.probation"
        self.reverted = folder / "gaia-worker.reverted"
        folder.mkdir()
        installed.path.rename(self.backup)
        shutil.copy2(new, installed.path)
        self.backup_sha256 = hashlib.sha256(self.backup.read_bytes()).hexdigest()
        self.mark(boots=0)

    def mark(self, boots: int) -> None:
        self.marker.write_text(
            f"boots={boots}\nmax-boots=2\nbackup={self.backup}\n"
            f"backup-sha256={self.backup_sha256}\nstate-dir=/s\ntag=v1.1.0\n"
        )

    def start(self) -> str:
        version = self.installed.report()["version"]
        assert isinstance(version, str)
        return version


@pytest.fixture
def trial(installed: Program, release: Callable[[str], Path]) -> Trial:
    return Trial(installed, release("v1.1.0"))


def test_starts_are_counted_and_the_rest_is_kept(trial: Trial) -> None:
    before = trial.marker.read_text()
    for count in (1, 2):
        assert trial.start() == "v1.1.0"
        assert trial.marker.read_text() == before.replace("boots=0", f"boots={count}")


def test_one_start_too_many_puts_the_backup_back(trial: Trial) -> None:
    versions = [trial.start() for _ in range(5)]
    assert versions == ["v1.1.0", "v1.1.0", "v1.0.0", "v1.0.0", "v1.0.0"]
    assert not trial.marker.exists()
    assert not trial.backup.exists()
    told = trial.reverted.read_text().splitlines()
    assert {"reason=boot-loop", "tag=v1.1.0", "boots=3"} <= set(told)


def test_what_killed_starts_left_is_removed(trial: Trial) -> None:
    """Killed between writing the count and renaming it, and so at every start."""
    for boots, name in ((0, "probation"), (2, "reverted")):
        draft = trial.marker.with_name(f"gaia-worker.{name}.tmp-12345")
        draft.write_text("boots=")
        trial.mark(boots)
        trial.start()
        assert not draft.exists()


def test_the_old_version_gets_the_same_arguments_and_streams(trial: Trial) -> None:
    trial.mark(boots=2)
    done = trial.installed.run("copy", "--flag", stdin=b"through")
    assert done.stdout == b"through"
    assert b"started 3 times without proving itself" in done.stderr


@pytest.mark.parametrize("question", ["--self-check", "--version", "--help"])
def test_questions_do_not_count(trial: Trial, question: str) -> None:
    before = trial.marker.read_text()
    trial.installed.run("exit", "0", question)
    assert trial.marker.read_text() == before


def test_arguments_of_the_workload_are_no_questions(trial: Trial) -> None:
    trial.installed.run("exit", "0", "--", "job", "--version")
    assert "boots=1" in trial.marker.read_text().splitlines()


def test_the_backup_itself_is_not_on_trial(trial: Trial) -> None:
    before = trial.marker.read_text()
    trial.installed.path = trial.backup
    assert trial.start() == "v1.0.0"
    assert trial.marker.read_text() == before


@pytest.mark.parametrize("loss", ["missing", "empty", "not-executable", "damaged"])
def test_a_lost_backup_ends_the_trial(trial: Trial, loss: str) -> None:
    match loss:
        case "missing":
            trial.backup.unlink()
        case "empty":
            trial.backup.write_bytes(b"")
        case "damaged":
            content = trial.backup.read_bytes()
            trial.backup.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case _:
            trial.backup.chmod(0o644)
    trial.mark(boots=2)
    assert trial.start() == "v1.1.0"
    assert not trial.marker.exists()
    assert "detail=no sound backup at this start" in trial.reverted.read_text().splitlines()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "boots=\nmax-boots=2\nbackup=/x\n",
        "boots=-1\nmax-boots=2\nbackup=/x\n",
        "boots=0\nmax-boots=99999999999999999999\nbackup=/x\n",
        "boots=0\nmax-boots=2\nbackup=relative\n",
        "boots=0\nmax-boots=2\n",
        "\0" * 100,
        "boots=0\n" * 10_000,
    ],
)
def test_a_marker_that_cannot_be_understood_is_put_aside(trial: Trial, text: str) -> None:
    trial.marker.write_text(text)
    assert trial.start() == "v1.1.0"
    assert not trial.marker.exists()
    aside = trial.marker.with_name("gaia-worker.probation.unreadable")
    assert aside.read_text() == text


def test_repeated_counts_cannot_overflow_the_marker(trial: Trial) -> None:
    rest = f"max-boots=999999\nbackup={trial.backup}\n"
    trial.marker.write_text("boots=1\n" * 1500 + rest)
    assert trial.start() == "v1.1.0"
    assert trial.marker.read_text() == "boots=2\n" + rest


def test_a_marker_that_is_a_folder_does_no_harm(trial: Trial) -> None:
    trial.marker.unlink()
    trial.marker.mkdir()
    assert trial.start() == "v1.1.0"
