"""Row 24: the state file of a newer version, read by the old one after a revert."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gaia.planning.update import Event
from gaia.worker.journal import Journal, Target

NEWER = {
    "format": 7,
    "state": "probation",
    "target": {"tag": "v2.0.0", "sha256": "b" * 64, "size": 9, "delta": "new field"},
    "from": {"tag": "v1.0.0", "sha256": "a" * 64, "size": 0},
    "failed": [
        {
            "tag": "v1.5.0",
            "sha256": "c" * 64,
            "reason": "reason-of-the-future",
            "detail": "",
            "log_tail": "",
            "at": 1.0,
            "severity": "new field",
        }
    ],
    "new_field": {"kept": [1, 2]},
}


def test_unknown_fields_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "worker.journal"
    path.write_text(json.dumps(NEWER))
    journal = Journal(path)
    journal.load()
    assert journal.state == "probation"
    assert journal.target == Target("v2.0.0", "b" * 64, 9)
    assert journal.failed_digests == {"c" * 64}
    journal.settle(Event.COMMITTED)
    after = json.loads(path.read_text())
    assert after == {**NEWER, "state": "idle"}


def test_unknown_state_is_no_reason_to_stop(tmp_path: Path) -> None:
    path = tmp_path / "worker.journal"
    path.write_text(json.dumps({**NEWER, "state": "state-of-the-future"}))
    journal = Journal(path)
    journal.load()
    assert journal.state == "idle"
    assert journal.failed_digests == {"c" * 64}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": "x", "state": 3}'])
def test_what_cannot_be_read_is_set_aside(tmp_path: Path, text: str) -> None:
    path = tmp_path / "worker.journal"
    path.write_text(text)
    journal = Journal(path)
    journal.load()
    assert journal.state == "idle"
    assert not path.exists()
    assert path.with_name("worker.journal.corrupt").read_text() == text
    journal.advance(Event.OFFERED, target=Target("v1.0.0", "a" * 64, 1))
    again = Journal(path)
    again.load()
    assert again.state == "fetching"
