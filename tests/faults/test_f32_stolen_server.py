"""Fault 32: the online key stolen, the server compromised: in strict mode, it signs no binary.

What else a thief of keys can and cannot do: tests/attacks/test_stolen_keys.py.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gaia.errors import TrustError
from gaia.trust.repository import Repository
from support.attack import EVIL, UNSIGNED, StrictWorld, Thief, published, victim
from support.trust import Clock


@pytest.fixture
def strict(tmp_path: Path) -> StrictWorld:
    return StrictWorld(tmp_path, Clock())


def test_all_that_is_on_the_server_s_disk_signs_no_release(strict: StrictWorld) -> None:
    loot = strict.folder / "loot"
    for folder in ("tuf", "keys"):
        shutil.copytree(strict.folder / folder, loot / folder)
    stolen = Repository.open(loot / "tuf", loot / "keys", strict.clock)
    with pytest.raises(TrustError) as refusal:
        stolen.change(lambda before: published(before, EVIL, UNSIGNED))
    assert refusal.value.code == "key-missing"


@pytest.mark.parametrize("kind", ["known", "fresh"])
def test_what_it_shows_all_the_same_is_refused_and_the_worker_stays(
    strict: StrictWorld, kind: str
) -> None:
    worker = victim(strict, kind)
    Thief(strict).publish(lambda before: published(before, EVIL, UNSIGNED))
    assert worker.would_run() == set()
    assert worker.refused == ["metadata-signature"]
