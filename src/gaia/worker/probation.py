"""The files of one probation: what old version, new version, guard and native stub share.

| file       | says                                                                     |
| ---------- | ------------------------------------------------------------------------ |
| `probation`| the marker: a release is on trial. Its removal is the commit             |
| `reverted` | the marker of a release that was taken back, with the reason             |
| `alive`    | by its time: the new version's main loop runs                            |
| `stopped`  | the new version ended because it was told to                             |
| `log`      | what the new version writes while on trial                               |

The marker is text, one `key=value` a line, so that fifty lines of C can count boots in it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from gaia import renames
from gaia.errors import InstallError
from gaia.model.worker import FailureReason
from gaia.planning.probation import MAX_BOOTS
from gaia.protocol.worker import LOG_TAIL
from gaia.worker.durable import told_as_install_error, unlink_quietly, write_atomic
from gaia.worker.files import fsync_folder
from gaia.worker.installation import Installation


@dataclass(frozen=True)
class Marker:
    """Lines of the marker file, in their order; those of other versions are kept."""

    lines: dict[str, str]

    @classmethod
    def parse(cls, data: bytes) -> Marker:
        """Read what `text` wrote, or another version did."""
        lines = data.decode("utf-8", "surrogateescape").splitlines()
        return cls({key: value for line in lines for key, _, value in [line.partition("=")]})

    def encode(self) -> bytes:
        """The file's bytes."""
        text = "".join(f"{key}={value}\n" for key, value in self.lines.items())
        return text.encode("utf-8", "surrogateescape")

    def plus(self, **lines: str) -> Marker:
        """A copy with more, or other, lines."""
        one_line = {key.replace("_", "-"): " ".join(value.split()) for key, value in lines.items()}
        return Marker(self.lines | one_line)

    @property
    def boots(self) -> int:
        """Starts of the new version so far."""
        return self._number("boots", 0)

    @property
    def max_boots(self) -> int:
        """Starts that it gets."""
        return self._number("max-boots", MAX_BOOTS)

    @property
    def tag(self) -> str:
        """The release on trial."""
        return self.lines.get("tag", "")

    @property
    def sha256(self) -> str:
        """Digest of its executable."""
        return self.lines.get("sha256", "")

    @property
    def backup_sha256(self) -> str:
        """Digest of the executable to go back to."""
        return self.lines.get("backup-sha256", "")

    @property
    def workload_ran(self) -> bool:
        """Whether the workload was up when the old version drained it."""
        return self.lines.get("workload-ran") == "yes"

    @property
    def reason(self) -> FailureReason:
        """Why it was taken back. No reason: the guard died before it could write one."""
        try:
            return FailureReason(self.lines.get("reason", ""))
        except ValueError:
            return FailureReason.EXITED

    @property
    def detail(self) -> str:
        """The same in a sentence."""
        return self.lines.get("detail", "It ended before it was committed.")

    def _number(self, key: str, default: int) -> int:
        try:
            return int(self.lines.get(key, ""))
        except ValueError:
            return default


class Probation:
    """The probation of one installation, whether it is under way or not."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.log = installation.beside("log")
        self._marker = installation.beside("probation")
        self._reverted = installation.beside("reverted")
        self._alive = installation.beside("alive")
        self._stopped = installation.beside("stopped")

    def begin(self, marker: Marker) -> None:
        """Put the next version to be installed on trial. Call it before it is.

        Raises:
            InstallError: `no-space`, `swap`.
        """
        with told_as_install_error("the probation marker"):
            unlink_quietly(self._reverted)
            self._take_up_watch()
            write_atomic(self._marker, marker.encode())

    def watched(self) -> None:
        """A start under watch: there is a sign of life, and no word of an orderly stop."""
        with contextlib.suppress(OSError):
            self._take_up_watch()

    def _take_up_watch(self) -> None:
        """The sign of life is the word of the last stop again: on a full disk none could be made,
        and the release would seem to hang.
        """
        with contextlib.suppress(FileNotFoundError):
            renames.replace(self._stopped, self._alive)
        self._alive.touch()

    def marker(self) -> Marker | None:
        """The marker; None when no release is on trial."""
        return _read(self._marker)

    def reverted(self) -> Marker | None:
        """The marker of a release that was taken back, until `forget_reverted`."""
        return _read(self._reverted)

    def forget_reverted(self) -> None:
        """The revert is in the journal now."""
        unlink_quietly(self._reverted)

    def end(self) -> None:
        """End the trial: from here on what is at the path is the good version.

        Raises:
            InstallError: `swap`: the trial goes on.
        """
        with told_as_install_error("the end of the probation"):
            # What is at the path must not change back once nobody watches it any more.
            fsync_folder(self._installation.folder)
            self._marker.unlink(missing_ok=True)
            fsync_folder(self._marker.parent)

    def retire(self, reason: FailureReason, detail: str) -> None:
        """End the trial badly. Call it after the restore.

        The rename needs no space, the reason may: on a full disk it is left out.
        """
        marker = self.marker()
        with contextlib.suppress(OSError):
            fsync_folder(self._installation.folder)
            renames.replace(self._marker, self._reverted)
            fsync_folder(self._marker.parent)
        if marker is not None:
            with contextlib.suppress(OSError):
                write_atomic(self._reverted, marker.plus(reason=reason, detail=detail).encode())

    def sign_of_life(self) -> None:
        """The main loop runs."""
        with contextlib.suppress(OSError):
            os.utime(self._alive)

    def pulse(self) -> int:
        """A number that changes with every sign of life."""
        try:
            return self._alive.stat().st_mtime_ns
        except OSError:
            return 0

    def stop_orderly(self) -> None:
        """This process ends because it was told to.

        The word of it is a rename, as a full disk would refuse more.
        """
        with contextlib.suppress(OSError):
            renames.replace(self._alive, self._stopped)

    def uncount_boot(self) -> None:
        """This process's start was no sign of anything: it worked until it was told to end."""
        marker = self.marker()
        if marker is not None:
            uncounted = marker.plus(boots=str(max(0, marker.boots - 1)))
            with contextlib.suppress(OSError):
                write_atomic(self._marker, uncounted.encode())

    def stopped_orderly(self) -> bool:
        """Whether the new version ended because it was told to."""
        return self._stopped.exists()

    def log_tail(self) -> str:
        """The end of what the release on trial wrote; empty when it cannot be read."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL))
                return file.read(LOG_TAIL).decode("utf-8", "replace")
        except OSError:
            return ""

    def count_boot(self) -> bool:
        """Count a start, where no native stub has done so; above the limit, restore.

        Returns:
            Whether the old version is back at the path, and should be executed now.
        """
        marker = self.marker()
        if marker is None:
            return False
        marker = marker.plus(boots=str(marker.boots + 1))
        if marker.boots <= marker.max_boots:
            with contextlib.suppress(OSError):
                write_atomic(self._marker, marker.encode())
            return False
        try:
            self._installation.restore(marker.backup_sha256)
        except InstallError as error:
            self.retire(FailureReason.BOOT_LOOP, str(error))
            return False
        except OSError:
            return False
        self.retire(
            FailureReason.BOOT_LOOP, f"It was started {marker.max_boots} times without a commit."
        )
        return True


def _read(path: Path) -> Marker | None:
    try:
        return Marker.parse(path.read_bytes())
    except OSError:
        return None
