"""Metadata that python-tuf has verified. The one place that knows python-tuf from the inside.

python-tuf has no public way to be given the time, syncs nothing to disk, and keeps a symbolic link
that not every file system has. Tests fail should a new version of it move these.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from tuf.api.exceptions import DownloadError, ExpiredMetadataError, RepositoryError
from tuf.api.metadata import Root, Signed, TargetFile
from tuf.ngclient import Updater, UpdaterConfig

from gaia.model.artifact import EXPERIMENTS, Artifact
from gaia.model.channel import Pointer
from gaia.model.tag import Tag
from gaia.trust import files, refusal
from gaia.trust.fetcher import Fetcher
from gaia.trust.pointer import from_target
from gaia.trust.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, artifact_path, pointer_path
from gaia.trust.signed_roles import delegated_roles

HISTORY = "root_history"
"""Folder of the verified roots, below the state folder."""

_ROOTS = 100_000
"""The longest chain that is followed: every run starts from the pinned root."""

# What metadata that is not of our making can provoke inside python-tuf.
_PROVOKED = (RepositoryError, DownloadError, ValueError, TypeError, KeyError, AttributeError)


class Workflow:
    """One run of TUF's client workflow (5.3 to 5.6) over any repository.

    Args:
        folder: the state folder, with one writer at a time.
        root: the root to start from: trusted because it is pinned.
        at: the time that expiry is measured against (5.1).

    Raises:
        TrustError: something was refused, or the folder cannot be used.
        TransportError: as `Fetcher`.
    """

    def __init__(self, folder: Path, fetcher: Fetcher, *, root: bytes, at: datetime) -> None:
        self._folder = folder
        self._fetcher = fetcher
        with self._refusals():
            files.make_folder(folder)
            for place in (folder, folder / HISTORY):
                files.remove_unfinished(place)
            self._updater = _Updater(folder, fetcher, root, at)
            self._updater.refresh()

    @property
    def consistent(self) -> bool:
        """Whether the names of the repository's files begin with version or digest (6.2)."""
        return bool(self._updater.root.consistent_snapshot)

    def target(self, path: str) -> TargetFile | None:
        """What is signed of `path`, by the roles that may speak for it; None when nothing is.

        Raises:
            TrustError: something was refused.
            TransportError: as `Fetcher`.
        """
        with self._refusals():
            return self._updater.get_targetinfo(path)

    def expiries(self) -> Iterator[tuple[str, datetime]]:
        """When each role that is established expires, in the order of the workflow."""
        return ((role, signed.expires) for role, signed in self._updater.roles())

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except ExpiredMetadataError as error:
            # python-tuf names the role in prose only. It is the first one that has expired, or
            # else the one that was asked for and, being expired, is not established.
            at = self._updater.at
            roles = (role for role, expires in self.expiries() if expires <= at)
            raise refusal.expired(next(roles, self._fetcher.role), at) from error
        except _PROVOKED as error:
            raise refusal.refused(error, self._fetcher.role) from error
        except OSError as error:
            raise refusal.unusable(self._folder, error) from error


class VerifiedMetadata(Workflow):
    """What a server's repository says of releases and channels.

    Args:
        folder, root, at: as `Workflow`.
        channel: whose pointer is loaded.

    Raises:
        TrustError: something was refused, or the folder cannot be used.
        TransportError: as `Fetcher`.
    """

    def __init__(
        self, folder: Path, fetcher: Fetcher, *, root: bytes, at: datetime, channel: str
    ) -> None:
        super().__init__(folder, fetcher, root=root, at=at)
        self._pointers: dict[str, Pointer | None] = {}
        # Looking a path up loads the roles that may speak for it.
        self.target(f"-/{EXPERIMENTS}")
        self.pointer(channel)

    def pointer(self, channel: str) -> Pointer | None:
        """The pointer of `channel`, fetched if it was not loaded.

        Raises:
            TrustError: something was refused, such as `pointer-malformed`.
            TransportError: as `Fetcher`.
        """
        if channel not in self._pointers:
            target = self.target(pointer_path(channel))
            self._pointers[channel] = None if target is None else from_target(channel, target)
        return self._pointers[channel]

    def artifact(self, tag: Tag, filename: str) -> Artifact:
        """The signed size and digest of a release's file.

        Raises:
            TrustError: `target-not-signed`, or something was refused.
            TransportError: as `Fetcher`.
        """
        path = artifact_path(tag, filename)
        target = self.target(path)
        if target is None or "sha256" not in target.hashes:
            raise refusal.not_signed(path)
        return Artifact(filename, target.length, target.hashes["sha256"])


class _Updater(Updater):
    def __init__(self, folder: Path, fetcher: Fetcher, root: bytes, at: datetime) -> None:
        config = UpdaterConfig(max_root_rotations=_ROOTS)
        super().__init__(str(folder), "/", fetcher=fetcher, config=config, bootstrap=root)
        self._trusted_set.reference_time = self.at = at

    @property
    def root(self) -> Root:
        return self._trusted_set.root

    def roles(self) -> Iterator[tuple[str, Signed]]:
        names = [ROOT, TIMESTAMP, SNAPSHOT, TARGETS]
        if self._established(TARGETS):
            names += delegated_roles(self._trusted_set.targets)
        return ((name, self._trusted_set[name]) for name in names if self._established(name))

    def _established(self, role: str) -> bool:
        return self._trusted_set.get(role) is not None

    def _persist_file(self, filename: str, data: bytes) -> None:
        path = Path(filename)
        if not path.exists() or path.read_bytes() != data:
            files.write(path, data)

    def _update_root_symlink(self) -> None:
        """No link to the newest root: every run starts from the pinned one."""
