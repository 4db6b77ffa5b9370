"""The rules bite: with a fault of ours in the production code, the simulation finds a violation."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import SSlibKey

from gaia.model.directive import Directive
from gaia.model.worker import FailureReason
from gaia.protocol.worker import Failure
from gaia.worker import agent, durable, staging
from gaia.worker.download import _Transfer
from gaia.worker.installation import Installation
from gaia.worker.journal import Journal, Target
from gaia.worker.lock import FileLock
from gaia.worker.trial import Trial
from proofs.simulation.faults import draw
from proofs.simulation.template import Template
from proofs.simulation.world import run

Patch = pytest.MonkeyPatch


def nothing_is_signed(patch: Patch) -> None:
    patch.setattr(SSlibKey, "verify_signature", lambda *_: None)


def the_server_is_believed(patch: Patch) -> None:
    def admit(told: Directive, **_: Any) -> Directive:
        return told

    patch.setattr(agent, "admit", admit)


def bytes_are_not_compared(patch: Patch) -> None:
    def holds(self: Installation, target: Target) -> bool:
        return self.staged.stat().st_size == target.size

    patch.setattr(Installation, "holds", holds)
    patch.setattr(_Transfer, "_matches", lambda *_: True)


def the_swap_leaves_a_gap(patch: Patch) -> None:
    def back_up(self: Installation, sha256: str) -> None:
        self.path.rename(self.backup)

    patch.setattr(Installation, "back_up", back_up)


def the_new_file_is_not_synced(patch: Patch) -> None:
    def seal(self: Installation, target: Target) -> None:
        self.staged.chmod(0o755)

    patch.setattr(Installation, "seal", seal)
    patch.setattr(_Transfer, "complete", _complete_without_sync(_Transfer.complete))


def _complete_without_sync(complete: Callable[..., None]) -> Callable[..., None]:
    def wrapped(self: _Transfer, file: Any) -> None:
        complete(self, file)

    return wrapped


def failures_are_forgotten(patch: Patch) -> None:
    patch.setattr(FailureReason, "blames_release", property(lambda _: False))


def the_network_is_charged(patch: Patch) -> None:
    def failure_of(target: Target, error: Exception) -> Failure:
        return Failure(target.tag, target.sha256, "preflight", str(error), "", 0.0)

    patch.setattr("gaia.worker.update.failure_of", failure_of)


def a_commit_is_not_looked_for(patch: Patch) -> None:
    patch.setattr(Trial, "judge", lambda *_: None)


def a_hang_is_not_noticed(patch: Patch) -> None:
    patch.setattr("gaia.worker.guard.judge_watched", lambda **_: None)


def the_journal_is_not_written(patch: Patch) -> None:
    def write(self: Journal, changes: dict[str, Any]) -> None:
        self._document = self._document | changes

    patch.setattr(Journal, "_write", write)


MUTANTS: list[tuple[Callable[[Patch], None], str, int]] = [
    (nothing_is_signed, "nothing-unsigned-runs", 0),
    (the_server_is_believed, "no-downgrade", 0),
    (bytes_are_not_compared, "nothing-unsigned-runs", 0),
    (the_swap_leaves_a_gap, "runnable-file", 0),
    (the_new_file_is_not_synced, "runnable-file", 0),
    (failures_are_forgotten, "never-again", 0),
    (the_network_is_charged, "no-false-charge", 0),
    (a_commit_is_not_looked_for, "converges", 0),
    (a_hang_is_not_noticed, "converges", 0),
    (the_journal_is_not_written, "never-again", 0),
]
