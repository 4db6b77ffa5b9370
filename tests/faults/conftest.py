"""What the tests of the fault catalogue share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machine import Machine
from support.trust import Clock, World


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine with a miniature worker; whatever still runs there is ended afterwards."""
    here = Machine(tmp_path)
    yield here
    here.kill_all()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A trust repository, a source that workers read it from, and the clock of both."""
    return World(tmp_path, Clock())
