"""`gaia-server`, whose clock is `TEST_HOURS` ahead: what it has signed is older by so much."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from gaia.server import serving
from gaia.server.assembly import Assembly, assemble
from gaia.server.main import main
from gaia.server.settings import Settings


def assemble_elsewhen(settings: Settings) -> Assembly:
    ahead = timedelta(hours=float(os.environ["TEST_HOURS"]))
    return assemble(settings, lambda: datetime.now(UTC) + ahead)


if __name__ == "__main__":
    with patch.object(serving, "assemble", assemble_elsewhen):
        main()
