"""What `gaia worker build` stamped into this worker."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from gaia import __version__
from gaia.model.payload import STAMP_FILENAME, Stamp


class BuildInfo(Stamp):
    """This worker's identity as built."""

    @classmethod
    def load(cls) -> BuildInfo:
        """Read the stamp of a single-file worker; without one, the package's own version."""
        folder = getattr(sys, "_MEIPASS", None)
        if folder is None:
            return cls(f"v{__version__}", None, 0.0)
        return msgspec.json.decode((Path(folder) / STAMP_FILENAME).read_bytes(), type=cls)
