"""Standard output and error of a worker, kept apart from those of a release on probation."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from gaia.worker.console_windows import Console
else:
    from gaia.worker.console_posix import Console

__all__ = ["Console"]
