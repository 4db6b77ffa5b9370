"""The experiments bundle on this machine: staged while the workload runs, swapped when it does not.

Everything of ours is in a private folder beside the experiments folder, so that moving a file into
place is a rename. `state.json` there says which bundle is in place and which one is on its way.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import structlog

from gaia.errors import InstallError, TrustError
from gaia.planning.bundle import Manifest, unsafe
from gaia.worker.archive import Limits, check, extract
from gaia.worker.bundle_state import BundleState, StateFile
from gaia.worker.bundle_swap import EXPERIMENTS_FOLDER, BundleSwap, Places
from gaia.worker.durable import write_atomic
from gaia.worker.files import fsync_folder
from gaia.worker.lock import FileLock

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})

_STAGE_PATIENCE = 600.0
_SWAP_PATIENCE = 10.0
"""Seconds to wait for another worker on the same folder."""

log = structlog.get_logger(__name__)


class Experiments:
    """The bundle below one experiments folder. Several workers may share it.

    Args:
        folder: `--experiments-dir`; `experiments/` of a bundle goes there, all else beside it.
        cache: a folder of this worker's own.
        protected: files and folders that no bundle may replace or write into, such as the
            worker's own executable and its state.
        limits: how large a bundle may grow.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cache: Path,
        protected: Iterable[Path] = (),
        limits: Limits | None = None,
    ) -> None:
        # Not resolved: the owner may have linked the folder to another disk.
        self._folder = Path(os.path.abspath(folder))  # noqa: PTH100
        self._protected = [path.resolve() for path in protected]
        self._limits = limits or Limits()
        self._archive = cache / "experiments.tar.gz"
        self._private = self.parent / f".gaia-{self._folder.name}"
        self._places = Places(self._folder)
        self._state = StateFile(self._private / "state.json")
        self._staged: str | None = None

    @property
    def archive(self) -> Path:
        """Where a bundle may be downloaded to: never shared with another worker."""
        return self._archive

    @property
    def parent(self) -> Path:
        """The parent of the experiments folder: the workload's working directory."""
        return self._folder.parent

    @property
    def digest(self) -> str | None:
        """SHA-256 of the bundle in place; None when there is none, or a swap is unfinished."""
        state = self._state.load()
        return state.installed.sha256 if state.installed and not state.pending else None

    @property
    def tag(self) -> str:
        """The release whose bundle is in place; empty when there is none, or nobody knows."""
        installed = self._state.load().installed
        return "" if installed is None else installed.tag

    @property
    def consistent(self) -> bool:
        """Whether all files in place are of one bundle, so that the workload may be started."""
        return self._state.load().pending is None

    def stage(self, archive: Path, sha256: str, tag: str = "") -> None:
        """Verify and extract a bundle, leaving the one in place alone. May run in a thread.

        Args:
            tag: the release that it is fetched for.

        Raises:
            TrustError: `bundle-digest-mismatch`.
            InstallError: `unsafe-bundle`, `damaged-bundle`, `no-space`, `not-writable`,
                `experiments-busy`, `experiments-failed`. Nothing is left of it.
        """
        with _as_install_error(self.parent):
            self._private.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(self._private / "stage.lock", _STAGE_PATIENCE):
                if self.digest != sha256 and not (self._private / sha256).is_dir():
                    self._stage(archive, sha256, tag)
        self._staged = sha256

    def swap(self) -> None:
        """Put the bundle that was staged last in place. The workload must not be running.

        Raises:
            InstallError: as `recover`, and `not-staged`: the former bundle is in place.
        """
        with self._exclusive():
            self._finish()
            self._clean()
            state = self._state.load()
            if state.installed and state.installed.sha256 == self._staged:
                return
            manifest = self._read_staged()
            for obstacle in self._swap_of(state.installed, manifest).obstacles():
                raise _not_writable(obstacle)
            self._state.save(BundleState(installed=state.installed, pending=manifest))
            self._finish()
            self._tidy()

    def recover(self) -> None:
        """Finish a swap that was cut short. Call it before the workload is started.

        Raises:
            InstallError: `no-space`, `not-writable`, `experiments-busy`, `experiments-failed`: it
                was undone, the former bundle is in place. `experiments-inconsistent`: it could
                not be undone either; do not start the workload, call again later.
        """
        if self._private.is_dir():
            with self._exclusive():
                self._finish()
                self._tidy()

    def _finish(self) -> None:
        state = self._state.load()
        if state.pending is not None:
            self._forward(state, state.pending)

    def _clean(self) -> None:
        state = self._state.load()
        if state.retired is not None and state.installed is not None:
            self._swap_of(state.retired, state.installed).clean()
            self._state.save(BundleState(installed=state.installed))

    def _tidy(self) -> None:
        """Remove what is not needed any more; what resists can stay until the next swap."""
        try:
            self._clean()
        except OSError as error:
            log.warning("files of the former bundle are left over", reason=str(error))
        for entry in self._private.iterdir():
            if entry.is_dir() and entry.name != "partial":
                shutil.rmtree(entry, ignore_errors=True)

    def _forward(self, state: BundleState, pending: Manifest) -> None:
        if not self._generation(pending.sha256).is_dir():
            log.warning("staged bundle has vanished", sha256=pending.sha256)
            self._state.save(BundleState(installed=state.installed))
            return
        swap = self._swap_of(state.installed, pending)
        retired = state.installed or Manifest("", {}, [])
        try:
            swap.forward()
            self._state.save(BundleState(installed=pending, retired=retired))
        except OSError:
            self._back(state, swap)
            raise
        log.info("experiments are in place", sha256=pending.sha256, files=len(pending.files))

    def _back(self, state: BundleState, swap: BundleSwap) -> None:
        try:
            swap.back()
            self._state.save(BundleState(installed=state.installed))
        except OSError as error:
            raise InstallError(
                "experiments-inconsistent",
                f"The experiments are half way between two bundles: {error}.",
                hint="The workload is not started; it is tried again as soon as this is mended.",
            ) from error

    def _stage(self, archive: Path, sha256: str, tag: str) -> None:
        partial = self._private / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            self._extract(archive, sha256, tag, partial)
            partial.rename(self._private / sha256)
            fsync_folder(self._private)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _extract(self, archive: Path, sha256: str, tag: str, partial: Path) -> None:
        with archive.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                raise TrustError(
                    "bundle-digest-mismatch",
                    f"The experiments bundle has SHA-256 {found}, but {sha256} is signed.",
                )
            contents = check(file, self._limits)
            for path in (*contents.files, *contents.folders):
                self._check_place(path)
            if EXPERIMENTS_FOLDER in contents.files:
                raise unsafe(EXPERIMENTS_FOLDER, "must be a folder")
            partial.mkdir(mode=0o700)
            files = extract(file, contents, partial / "tree", self._limits)
        manifest = Manifest(sha256, files, contents.folders, tag)
        write_atomic(partial / "manifest.json", msgspec.json.encode(manifest))

    def _check_place(self, path: str) -> None:
        top = path.partition("/")[0]
        clash = {EXPERIMENTS_FOLDER, self._folder.name.casefold()}
        if top != EXPERIMENTS_FOLDER and top.casefold() in clash:
            raise unsafe(path, "would land in the experiments folder under another name")
        place = self._places.of(path).resolve()
        for protected in self._protected:
            if place == protected or protected in place.parents:
                raise unsafe(path, "would replace the worker's own files")

    def _swap_of(self, old: Manifest | None, new: Manifest) -> BundleSwap:
        return BundleSwap(self._places, self._generation(new.sha256), old, new)

    def _generation(self, sha256: str) -> Path:
        return self._private / sha256 / "tree"

    def _read_staged(self) -> Manifest:
        folder = self._private / (self._staged or "partial")
        try:
            return msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
        except (FileNotFoundError, msgspec.MsgspecError):
            shutil.rmtree(folder, ignore_errors=True)
            raise InstallError(
                "not-staged",
                "The experiments bundle is not, or no longer, staged on this machine.",
                hint="It is fetched again with one of the next heartbeats.",
            ) from None

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with _as_install_error(self.parent):
            self._private.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(self._private / "swap.lock", _SWAP_PATIENCE):
                yield


@contextmanager
def _locked(path: Path, patience: float) -> Iterator[None]:
    lock = FileLock(path)
    if not lock.acquire(patience):
        raise InstallError(
            "experiments-busy",
            f"Another worker is changing the experiments in {path.parent.parent}.",
            hint="It is tried again later.",
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _as_install_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise InstallError(
                "no-space",
                f"There is no space for the experiments in {folder}.",
                hint="Make room; it is tried again later.",
            ) from error
        if error.errno in _NOT_WRITABLE:
            raise _not_writable(Path(error.filename or folder)) from error
        raise InstallError(
            "experiments-failed",
            f"The experiments could not be put in place: {error}.",
            hint="What was there before has been left; it is tried again later.",
        ) from error


def _not_writable(path: Path) -> InstallError:
    return InstallError(
        "not-writable",
        f"The worker may not change {path}, where the experiments go.",
        hint="Give its user the right to write there, or choose another --experiments-dir.",
    )
