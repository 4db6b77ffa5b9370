"""The installed executable and what stands beside it: staged, backed up, swapped, restored.

There is no moment without a runnable file at the path: the old one is linked aside, never moved,
and the new one takes its name in one rename. Windows cannot do that: see `installation_windows`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Set
from pathlib import Path

from gaia import renames
from gaia.errors import InstallError, TrustError
from gaia.model.worker import FailureReason
from gaia.worker import files
from gaia.worker.durable import (
    as_install_error,
    copy_durably,
    digest_of,
    told_as_install_error,
    unlink_quietly,
)
from gaia.worker.files import fsync_folder, take_owner_and_mode
from gaia.worker.journal import Target

MANAGED = "EXTERNALLY-MANAGED"
"""A file of this name beside the executable says that someone else updates it, such as a container
image or a package manager."""

_OWN_SUFFIXES = (".bak", ".new", ".bak.t")
_NO_HARD_LINKS = frozenset(
    {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}
)


class Installation:
    """One executable at `path`, absolute and free of symlinks.

    Attributes:
        backup: the version before, runnable.
        staged: the version to come; complete only after `seal`.
        private: folder for everything else that belongs to this executable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.parent
        self.backup = path.with_name(path.name + ".bak")
        self.staged = path.with_name(path.name + ".new")
        self.private = self.folder / ".gaia"
        self._spare = path.with_name(path.name + ".bak.t")

    def beside(self, kind: str) -> Path:
        """The private file of that kind, such as `journal` or `lock`."""
        return self.private / f"{self.path.name}.{kind}"

    def obstacle(self) -> str:
        """Why this executable cannot, or must not, be replaced from here; empty when it can."""
        if self.path.name.endswith(_OWN_SUFFIXES):
            return f"{self.path.name} is the name of a backup or of a staged file"
        if not str(self.path).isprintable():
            return f"the path {str(self.path)!r} holds control characters"
        if (self.folder / MANAGED).exists():
            return f"{self.folder / MANAGED} says that something else updates it"
        try:
            status = self.path.lstat()
        except OSError as error:
            return f"{self.path} cannot be looked at: {error.strerror}"
        if not stat.S_ISREG(status.st_mode):
            return f"{self.path} is not a regular file"
        if not os.access(self.path, os.X_OK):
            return f"{self.path} is not executable, so no version of it could start another"
        if files.user() not in (0, status.st_uid):
            return f"{self.path} belongs to user {status.st_uid}, this worker is {files.user()}"
        return self._write_refused(owners={files.user(), status.st_uid})

    def free_space(self) -> int:
        """Bytes that may still be written beside the executable."""
        return files.free_space(self.folder)

    def begin_staging(self, *, resume: bool) -> int:
        """Make sure that there is a staged file, and return how many bytes it holds.

        Args:
            resume: keep what an earlier, broken download of the same file left.

        Raises:
            InstallError: `no-space`, `swap`.
        """
        if resume:
            try:
                status = self.staged.lstat()
            except FileNotFoundError:
                pass
            else:
                if stat.S_ISREG(status.st_mode) and status.st_uid == files.user():
                    return status.st_size
        self.discard_staged()
        with told_as_install_error("the download"):
            os.close(os.open(self.staged, files.CREATE, 0o600))
        return 0

    def stage_backup(self, target: Target) -> None:
        """Stage the backup, if that is the file of `target`: it need not be downloaded then.

        Raises:
            InstallError: `no-space`, `swap`.
        """
        if _is(self.backup, target):
            with told_as_install_error("the copy of the backup"):
                self._copy(self.backup, self.staged)

    def holds(self, target: Target) -> bool:
        """Whether the staged file is already all of `target`."""
        return _is(self.staged, target)

    def seal(self, target: Target) -> None:
        """Check that the staged file is all of `target`, and make it durable and executable.

        Raises:
            TrustError: `digest-mismatch`; the staged file is gone then.
            InstallError: `no-space`, `swap`.
        """
        if not self.holds(target):
            self.discard_staged()
            raise TrustError(
                "digest-mismatch",
                f"The download of {target.tag} is not the file that was signed.",
                hint="It is fetched anew later.",
            )
        with told_as_install_error("the staged executable"):
            descriptor = files.open_to_sync(self.staged)
            try:
                take_owner_and_mode(descriptor, self.path.stat())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            fsync_folder(self.folder)

    def open_live(self) -> int:
        """A descriptor of the executable, which stays that of this version through a swap.

        Raises:
            OSError: it cannot be opened.
        """
        return files.open_to_read(self.path)

    def discard_staged(self) -> None:
        """Remove the staged file."""
        unlink_quietly(self.staged)

    def back_up(self, sha256: str) -> None:
        """Make `backup` a second name of the executable.

        Args:
            sha256: what the executable must be; a backup of anything else would be no way back.

        Raises:
            InstallError: `no-space`, `swap`; the backup before is untouched then.
        """
        with told_as_install_error("the backup"):
            unlink_quietly(self._spare)
            try:
                os.link(self.path, self._spare, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                self._copy(self.path, self._spare)
            if digest_of(self._spare) != sha256:
                unlink_quietly(self._spare)
                raise InstallError(
                    FailureReason.SWAP,
                    f"{self.path} was changed by someone else since this worker started.",
                    hint="Restart the worker to go on from that file.",
                )
            self._spare.rename(self.backup)
            # rename() does nothing when both names already were one file
            unlink_quietly(self._spare)
            fsync_folder(self.folder)

    def install(self, sha256: str) -> None:
        """Give the staged file the executable's name. Call `back_up` before.

        Args:
            sha256: of the very descriptor that is installed, hashed here once more.

        Raises:
            InstallError: `swap`. Call `restore`, as the name may have changed hands.
        """
        with told_as_install_error("the swap"):
            descriptor = files.open_to_read(self.staged)
            try:
                verified = os.fstat(descriptor)
                if digest_of(descriptor) != sha256:
                    raise InstallError(
                        FailureReason.SWAP,
                        f"{self.staged} was changed between its verification and the swap.",
                    )
                self._give_name()
                fsync_folder(self.folder)
                if not os.path.samestat(verified, self.path.lstat()):
                    raise InstallError(
                        FailureReason.SWAP, f"{self.path} was replaced by someone during the swap."
                    )
            finally:
                os.close(descriptor)

    def check(self, *, live: str, backup: str) -> None:
        """Compare both files with what they must be; a virus scanner may have taken one.

        Raises:
            InstallError: `swap`.
        """
        for path, sha256 in ((self.path, live), (self.backup, backup)):
            if digest_of(path) != sha256:
                raise InstallError(
                    FailureReason.SWAP, f"{path} vanished or changed right after the swap."
                )

    def restore(self, sha256: str) -> None:
        """Put the backup back, if the executable is not already what it was.

        Args:
            sha256: of the version to go back to.

        Raises:
            InstallError: `backup-lost`: there is no sound backup, and nothing was changed.
            OSError: the system refused. Call it again: the name may be back, and not durable yet.
        """
        if digest_of(self.path) != sha256:
            if digest_of(self.backup) != sha256:
                raise InstallError(
                    FailureReason.BACKUP_LOST,
                    f"{self.backup} is missing or damaged, so there is nothing to go back to.",
                    hint="The previous signed release is fetched again.",
                )
            self._bring_back()
        # Also when the name was back already: whoever gave it may have got no further.
        fsync_folder(self.folder)

    def rebuild_backup(self, running: int, sha256: str) -> None:
        """Write the backup anew from an open descriptor of the version that runs.

        Raises:
            InstallError: `no-space`, `swap`.
        """
        if digest_of(self.backup) == sha256 or digest_of(running) != sha256:
            return
        with told_as_install_error("the backup"):
            copy_durably(running, self._spare)
            renames.replace(self._spare, self.backup)
            fsync_folder(self.folder)

    def tidy(self) -> None:
        """Remove leftovers of earlier updates; neither the executable nor its backup is one."""
        if self.path.is_file():
            unlink_quietly(self._spare)
            self.discard_staged()
            for leftover in self.private.glob(f"{self.path.name}.*.tmp"):
                unlink_quietly(leftover)

    def _write_refused(self, owners: Set[int]) -> str:
        probe, renamed = self.beside("probe"), self.path.with_name(f".{self.path.name}.probe")
        try:
            self.private.mkdir(mode=0o700, exist_ok=True)
            status = self.private.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid not in owners:
                return f"{self.private} is not a folder of the executable's owner"
            if status.st_mode & 0o022:
                self.private.chmod(stat.S_IMODE(status.st_mode) & ~0o022)
            unlink_quietly(probe)
            os.close(os.open(probe, files.CREATE, 0o600))
            probe.rename(renamed)
        except OSError as error:
            # A full disk passes, and must not look like a decision of the owner's.
            if as_install_error(error, "").code == FailureReason.NO_SPACE:
                return ""
            return f"{self.folder} cannot be written to: {error.strerror}"
        finally:
            unlink_quietly(probe)
            unlink_quietly(renamed)
        return ""

    def _give_name(self) -> None:
        self.staged.rename(self.path)

    def _bring_back(self) -> None:
        self.backup.rename(self.path)

    def _copy(self, source: Path, target: Path) -> None:
        descriptor = files.open_to_read(source)
        try:
            copy_durably(descriptor, target)
        finally:
            os.close(descriptor)


def _is(path: Path, target: Target) -> bool:
    """Whether the file is all of `target`; read only when its size fits."""
    try:
        whole = path.lstat().st_size == target.size
    except OSError:
        return False
    return whole and digest_of(path) == target.sha256
