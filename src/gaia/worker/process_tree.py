"""The processes of a workload, or of a self-check: started, found and ended as a whole."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from gaia.worker.process_tree_windows import (
        Leader,
        ask_to_end,
        end,
        ended,
        identify,
        kill,
        members,
        start,
        still_alive,
    )
else:
    from gaia.worker.process_tree_posix import (
        Leader,
        ask_to_end,
        end,
        ended,
        identify,
        kill,
        members,
        start,
        still_alive,
    )

__all__ = [
    "Leader",
    "ask_to_end",
    "end",
    "ended",
    "identify",
    "kill",
    "members",
    "start",
    "still_alive",
]
