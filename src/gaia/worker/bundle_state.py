"""Which experiments bundle is in place, and which one is on its way: one small durable file."""

from __future__ import annotations

from pathlib import Path

import msgspec
import structlog

from gaia.planning.bundle import Manifest
from gaia.worker.durable import write_atomic

log = structlog.get_logger(__name__)


class BundleState(msgspec.Struct):
    """Contents of the file.

    Attributes:
        installed: the bundle in place.
        pending: the bundle that is being put there; finished or undone before anything else.
        retired: the bundle before `installed`, while its files are being removed.
    """

    installed: Manifest | None = None
    pending: Manifest | None = None
    retired: Manifest | None = None


class StateFile:
    """Read anew only when somebody has written it: every heartbeat asks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at: tuple[int, int, int] | None = None
        self._state = BundleState()

    def load(self) -> BundleState:
        """The state; empty when there is none, or none that can be read."""
        try:
            found = self._path.stat()
            read_at = (found.st_ino, found.st_mtime_ns, found.st_size)
            if read_at != self._read_at:
                self._state = msgspec.json.decode(self._path.read_bytes(), type=BundleState)
                self._read_at = read_at
        except (FileNotFoundError, NotADirectoryError):
            self._state, self._read_at = BundleState(), None
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("state of the experiments cannot be read", reason=str(error))
            self._state, self._read_at = BundleState(), None
        return self._state

    def save(self, state: BundleState) -> None:
        """Replace the state.

        Raises:
            OSError: nothing has changed.
        """
        self._read_at = None
        write_atomic(self._path, msgspec.json.encode(state))
