"""The floor of time: the time that it is at the least, whatever this machine's clock says.

A clock that is set back must not bring expired metadata to life again, or a server could freeze a
worker with it for ever (TUF's freeze attack). It is never earlier than the build of this worker and
than its last good refresh.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Timestamp

from gaia.trust import files
from gaia.trust.roles import TIMESTAMP, lifetime

FILENAME = "last-refresh"
"""In the trust folder: Unix seconds of the last good refresh, as text."""

TOLERANCE = lifetime(TIMESTAMP)
"""A clock may be this far below the floor. A refresh succeeds only with a clock that is less than
this ahead of the server's, as the timestamp has expired otherwise: a machine whose clock was wrong
and is put right must not be shut out for it."""

BEGINNING = datetime.fromtimestamp(0, UTC)
"""The floor of a worker that knows of nothing."""


class TimeFloor:
    """Keeps the floor of one trust folder. A file that is damaged, or cannot be written, is no
    reason to refuse anything: the floor is then lower than it might be.

    Args:
        folder: the trust folder.
        built_at: when this worker was built; `BEGINNING` when nobody knows.
    """

    def __init__(self, folder: Path, built_at: datetime = BEGINNING) -> None:
        self._folder = folder
        self._built_at = built_at
        self._refreshed_at: datetime | None = None

    @property
    def value(self) -> datetime:
        """The floor."""
        if self._refreshed_at is None:
            self._refreshed_at = self._load()
        return max(self._built_at, self._refreshed_at)

    def raise_to(self, at: datetime) -> None:
        """Note a good refresh, durably. A floor is never lowered."""
        if at > self.value:
            self._refreshed_at = at
            with contextlib.suppress(OSError):
                files.write(self._folder / FILENAME, f"{at.timestamp():.0f}\n".encode())

    def _load(self) -> datetime:
        """No refresh is good after its timestamp's expiry: a time above that is damage."""
        try:
            stored = datetime.fromtimestamp(int((self._folder / FILENAME).read_text()), UTC)
            metadata: Metadata[Timestamp] = Metadata.from_file(
                str(self._folder / f"{TIMESTAMP}.json")
            )
        except (OSError, ValueError, OverflowError, RepositoryError):
            return BEGINNING
        return stored if stored <= metadata.signed.expires else BEGINNING
