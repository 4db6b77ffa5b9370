"""The installed executable on Windows, where a file that runs can be renamed but not replaced.

So the running version is renamed aside, and that is its backup. Between this and the next rename
there is no file at the path: the front puts the backup back when the worker is killed right then.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from gaia import renames
from gaia.errors import InstallError
from gaia.model.worker import FailureReason
from gaia.worker import files
from gaia.worker.durable import digest_of, told_as_install_error, unlink_quietly
from gaia.worker.installation import Installation

assert sys.platform == "win32"  # noqa: S101 - for the type checker


class WindowsInstallation(Installation):
    """One executable at `path`, absolute and free of symlinks."""

    def back_up(self, sha256: str) -> None:
        """Make the name of the backup free, as the executable gets it in `install`.

        Args:
            sha256: what the executable must be; a backup of anything else would be no way back.

        Raises:
            InstallError: `swap`; the backup before is still there then.
        """
        with told_as_install_error("the backup"):
            if digest_of(self.path) != sha256:
                raise InstallError(
                    FailureReason.SWAP,
                    f"{self.path} was changed by someone else since this worker started.",
                    hint="Restart the worker to go on from that file.",
                )
            files.await_free(self.staged)
            self._put_aside(self.backup)

    def tidy(self) -> None:
        """Remove leftovers of earlier updates; one that still runs stays until the next time."""
        super().tidy()
        if self.path.is_file():
            for leftover in self.private.glob(f"{self.path.name}.aside-*"):
                unlink_quietly(leftover)

    def _give_name(self) -> None:
        renames.replace(self.path, self.backup)
        try:
            self.staged.rename(self.path)
        except OSError:
            renames.replace(self.backup, self.path)
            raise

    def _bring_back(self) -> None:
        """Also while the version to be taken back runs."""
        files.await_free(self.backup)
        aside = self._put_aside(self.path)
        try:
            self.backup.rename(self.path)
        except OSError:
            if aside is not None:
                renames.replace(aside, self.path)
            raise

    def _put_aside(self, path: Path) -> Path | None:
        """Rename what may be running; None when there is nothing."""
        aside = self.beside(f"aside-{time.time_ns():x}")
        try:
            renames.replace(path, aside)
        except FileNotFoundError:
            return None
        unlink_quietly(aside)
        return aside
