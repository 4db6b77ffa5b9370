"""`python -m benchmarks [heartbeats|downloads|uploads|metadata|worker]…`: by default, all."""

from __future__ import annotations

import sys

from benchmarks import downloads, heartbeats, metadata, uploads, worker

ALL = {
    "heartbeats": heartbeats.run,
    "downloads": downloads.run,
    "uploads": uploads.run,
    "metadata": metadata.run,
    "worker": worker.run,
}


def main() -> None:
    """Run the benchmarks that are named."""
    names = sys.argv[1:] or list(ALL)
    if unknown := set(names) - set(ALL):
        raise SystemExit(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(ALL)}")
    for name in names:
        ALL[name]()


if __name__ == "__main__":
    main()
