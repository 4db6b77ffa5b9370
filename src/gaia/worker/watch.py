"""What the guard of a release on probation is told."""

from __future__ import annotations

from dataclasses import dataclass

from gaia.worker.installation import Installation
from gaia.worker.relaunch import Launch

SILENCE_ALLOWED = 60.0
"""Seconds without a sign of life."""

RESTART_GRACE = 3.0
"""Seconds that a service manager gets to start the old version before the guard does."""


@dataclass(frozen=True)
class Watch:
    """What the guard is to look after.

    Attributes:
        sha256: of the release on probation.
        backup_sha256: of the version to go back to.
        silence_allowed: seconds.
        restart_grace: seconds.
    """

    installation: Installation
    launch: Launch
    sha256: str
    backup_sha256: str
    silence_allowed: float = SILENCE_ALLOWED
    restart_grace: float = RESTART_GRACE
