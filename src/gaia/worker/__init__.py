"""The worker: `gaia-worker`, and `Updater` for daemons that want to be updated the same way."""

from gaia.worker.embedding import Updater

__all__ = ["Updater"]
