"""What simulated fleets stand on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from proofs.simulation.search import template
from proofs.simulation.template import Template


@pytest.fixture(scope="session")
def ground() -> Iterator[Template]:
    """A server's folder with one release, copied for each world."""
    with template() as made:
        yield made


@pytest.fixture(autouse=True)
def _logs_again() -> Iterator[None]:
    """The simulation is silent; the tests after it are not to be."""
    yield
    structlog.reset_defaults()
