"""Starting the installed executable again, as it was started."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from gaia.errors import InstallError
from gaia.model.worker import FailureReason

SHORTAGES = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY})
"""Why a host starts no program at all for now: nothing that a release could be blamed for."""

_DESCRIPTORS = Path("/proc/self/fd")
_BUSY_TRIES = 100
_BUSY_PAUSE = 0.01


@dataclass(frozen=True)
class Launch:
    """How this worker was started, recorded before any rename.

    Attributes:
        path: the installed executable, absolute and free of symlinks.
        environment: without what the present version put there for itself.
    """

    path: Path
    arguments: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]

    @classmethod
    def here(
        cls, path: Path, environment: Mapping[str, str], arguments: Sequence[str] = ()
    ) -> Launch:
        """The launch of this process. `arguments` includes the program's name."""
        try:
            folder = str(Path.cwd())
        except FileNotFoundError:
            folder = ""
        return cls(path, tuple(arguments or sys.argv), folder, dict(environment))

    def execute(self, extra: Mapping[str, str]) -> NoReturn:
        """Become what is installed at the path now: same arguments, folder and process ID.

        Args:
            extra: variables for the next version only.

        Raises:
            InstallError: `exec`, or `busy` when the host is short of something; this process goes
                on.
        """
        environment = {**self.environment, **extra}
        with _inside(self.folder):
            for _ in range(_BUSY_TRIES):
                try:
                    _become(self.path, self.arguments, environment)
                except OSError as error:
                    refused = error
                    # a child that some thread has just forked may still have it open for writing
                    if error.errno != errno.ETXTBSY:
                        break
                    time.sleep(_BUSY_PAUSE)
        told = f"The system does not execute {self.path}: {refused}."
        if refused.errno in SHORTAGES:
            raise InstallError(FailureReason.BUSY, told)
        raise InstallError(FailureReason.EXEC, told)


def open_descriptors() -> list[int]:
    """All but the standard three, and perhaps one that is closed by now."""
    return [int(entry.name) for entry in _DESCRIPTORS.iterdir() if int(entry.name) > 2]


if sys.platform == "win32":
    STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGBREAK})

    FRONT = "_GAIA_FRONT"
    """Variable that says: this process was started by a front, which starts the next one too."""

    RELAUNCH = 79
    """Exit code that asks the front to start what is at the path now."""

    def _become(*_launch: object) -> NoReturn:
        """The front has its own record of all that."""
        if FRONT not in os.environ:
            raise OSError(errno.ENOSYS, "there is no front that would start it")
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(RELAUNCH)

    def _inside(_folder: str) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def close_on_exec() -> contextlib.AbstractContextManager[None]:
        """Nothing: no descriptor is inherited here."""
        return contextlib.nullcontext()

    def signals_held() -> contextlib.AbstractContextManager[None]:
        """Nothing: the front keeps a request to end until there is somebody to hear it."""
        return contextlib.nullcontext()

    def release_signals() -> None:
        """Nothing was held."""

else:
    STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})

    def _become(path: Path, arguments: tuple[str, ...], environment: Mapping[str, str]) -> NoReturn:
        os.execve(path, arguments, environment)  # noqa: S606 - signed, and no shell

    @contextlib.contextmanager
    def _inside(folder: str) -> Iterator[None]:
        """Work in `folder` if it is still there, and come back.

        The program may be elsewhere by now.
        """
        with contextlib.ExitStack() as way_back:
            with contextlib.suppress(OSError):
                before = os.open(".", os.O_PATH | os.O_CLOEXEC)
                way_back.callback(os.close, before)
                way_back.callback(os.fchdir, before)
            with contextlib.suppress(OSError):
                if folder:
                    os.chdir(folder)
            yield

    @contextlib.contextmanager
    def close_on_exec() -> Iterator[None]:
        """Let no descriptor but the standard three, and those opened up inside, outlive `exec`."""
        inherited = []
        for descriptor in open_descriptors():
            with contextlib.suppress(OSError):  # the listing's own
                if os.get_inheritable(descriptor):
                    inherited.append(descriptor)
                    os.set_inheritable(descriptor, False)
        try:
            yield
        finally:
            for descriptor in inherited:
                os.set_inheritable(descriptor, True)

    @contextlib.contextmanager
    def signals_held() -> Iterator[None]:
        """Keep stop signals pending, through an `exec` too: none falls between two versions."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def release_signals() -> None:
        """Receive what `signals_held` kept for this version. Call it once there are handlers."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
