"""A machine with a worker on it: the real agent, updater and guard, composed as the program does.

Modelled: the native stub (by `Probation.count_boot`, its twin in Python), exec, the process that
runs a self-check, and whoever starts a worker that has ended: a service manager, which ends the
guard along with the worker, or the owner, who takes a while.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gaia.errors import InstallError
from gaia.model.channel import Pointer
from gaia.model.worker import FailureReason
from gaia.trust.pin import RootPin
from gaia.worker.composition import Options, Program, compose
from gaia.worker.console import Console
from gaia.worker.installation import Installation
from gaia.worker.preflight import PreflightFailed
from gaia.worker.probation import Probation
from gaia.worker.relaunch import Launch
from gaia.worker.trial import Policy, Site
from proofs.simulation.bundles import OWNERS_FILE, OWNERS_WORK
from proofs.simulation.disk import Disk
from proofs.simulation.faults import Manager
from proofs.simulation.kernel import Kernel, Process
from proofs.simulation.network import Link
from proofs.simulation.releases import LATE, Behaviour, Build
from proofs.simulation.rules import Watcher
from proofs.simulation.system import wall

HEARTBEAT = 10.0
SILENCE = 60.0
_STEP = 0.001
_BUILT = wall(-86400.0)
_RESTART = {Manager.SERVICE: 3.0, Manager.OWNER: 60.0}
"""Seconds until a worker that has ended is started again."""


class Machine:
    """Attributes:
    folder: the install folder.
    path: the executable.
    work: the working directory of its workload.
    on: whether it has power.
    skew: seconds that its clock is wrong by.
    asleep_until: when it wakes up again.
    fuse: called at every step of the worker; a fault burns in it.
    pointer: the pointer that the worker goes by, as it knows it itself.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        kernel: Kernel,
        *,
        manager: Manager,
        root: bytes,
        link: Link,
        watcher: Watcher,
        first: Build,
        experiments: bool,
    ) -> None:
        self.name = name
        self.folder = folder
        self.path = folder / "gaia-worker"
        self.state = folder / ".gaia" / "state"
        self.work = folder / "work"
        self.on = self.memory = True
        self.skew = 0.0
        self.asleep_until = self._slept = 0.0
        self.fuse: Callable[[Process], None] = lambda _: None
        self.pointer: Callable[[], Pointer | None] = lambda: None
        self.link = link
        self.installation = Installation(self.path)
        self._kernel = kernel
        self._manager = manager
        self._root = root
        self._experiments = experiments
        self._watcher = watcher
        self._main: Process | None = None
        self._stop: _Stop | None = None
        self._starting = False
        folder.mkdir(parents=True)
        self.path.write_bytes(first.content)
        self.path.chmod(0o755)
        self.installation.private.mkdir(mode=0o700)
        (self.work / OWNERS_FILE).parent.mkdir(parents=True)
        (self.work / OWNERS_FILE).write_bytes(OWNERS_WORK)
        self.disk = Disk(folder)

    @property
    def worker(self) -> Process | None:
        """The process that is the worker now."""
        return self._main

    @property
    def guarded(self) -> bool:
        """Whether a guard is at its post."""
        return any(process.name == "guard" for process in self._processes())

    def start(self) -> None:
        """Start the worker, unless one runs."""
        self._starting = False
        if self.on and self._main is None:
            self._watcher.note(f"{self.name}: its {self._manager} starts the worker")
            self._main = self._kernel.start(self, "worker", self._program)

    def kill(self, name: str) -> None:
        """SIGKILL to the worker, or to the guard."""
        for process in self._processes():
            if process.name == name:
                process.end()

    def stop(self) -> None:
        """SIGTERM to the worker."""
        if self._stop is not None:
            self._stop.set()

    def cut_power(self, chance: random.Random, seconds: float) -> None:
        """Everything stops, and what was not synced is lost."""
        self.on = False
        for process in self._processes():
            process.end()
        self._main = None

        def back() -> None:
            self.on = True
            self.start()

        self._kernel.at(self._kernel.now, lambda: self.disk.power_cut(chance))
        self._kernel.at(self._kernel.now + seconds, back)

    def suspend(self, seconds: float) -> None:
        """Sleep; the monotonic clock stops meanwhile."""
        if self.asleep_until <= self._kernel.now:
            self.asleep_until = self._kernel.now + seconds
            self._slept += seconds

    # What the system asks of a host.

    def ended(self, process: Process) -> None:
        """One of its processes is no more."""
        self._watcher.ended(self, process)
        if process is not self._main:
            self._restart_unless_guarded()
            return
        self._main = self._stop = None
        if self._manager is Manager.SERVICE:
            self.kill("guard")
        self._restart_unless_guarded()

    def step(self, process: Process) -> None:
        """A change of the disk takes its time, and may not come to pass."""
        self.fuse(process)
        self._kernel.sleep(_STEP)

    def changed(self, process: Process) -> None:  # noqa: ARG002 - as `System` has it
        """There is a runnable file at the path at any time."""
        self._watcher.changed(self)

    def monotonic(self) -> float:
        """Seconds on a clock that stops while the machine is suspended."""
        return self._kernel.now - self._slept

    def wall(self) -> float:
        """Seconds since the epoch, by its own clock."""
        return wall(self._kernel.now + self.skew)

    def execute(self, process: Process) -> None:
        """`process` becomes what is at the path."""
        self._runnable()
        if not self.memory:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        heir = self._kernel.replace(process, "worker", self._program)
        if self._main is process or self._main is None:
            self._main = heir

    def self_check(self, staged: Path) -> None:
        """Run the staged file, as `gaia.worker.preflight.self_check`."""
        if not self.memory:
            raise InstallError(FailureReason.BUSY, "The host cannot start a process now.")
        build = self._watcher.runs(self, staged.read_bytes())
        self._kernel.wait(1.0)
        if build is None or build.behaviour is Behaviour.FAILS_SELF_CHECK:
            raise PreflightFailed(FailureReason.PREFLIGHT, "The self-check ended with exit code 1.")

    def pools(self) -> Any:
        """Its connections."""
        return self.link

    # The program.

    def _program(self) -> None:
        content = self._runnable()
        with contextlib.suppress(InstallError):
            if Probation(self.installation).count_boot():
                self.execute(self._kernel.current().process)
                return
        build = self._watcher.runs(self, content)
        if build is not None:
            self._watcher.started(self, build)
            self._behave(build)

    def _behave(self, build: Build) -> None:
        process = self._kernel.current().process
        match build.behaviour:
            case Behaviour.EXITS:
                return
            case Behaviour.HANGS:
                process.frozen = True
            case Behaviour.EXITS_LATE:
                self._kernel.at(self._kernel.now + LATE, process.end)
            case Behaviour.HANGS_LATE:
                self._kernel.at(self._kernel.now + LATE, lambda: setattr(process, "frozen", True))
            case _:
                pass
        self._work(build)

    def _work(self, build: Build) -> None:
        self._stop = stop = _Stop(self._kernel)
        options = Options(
            server="http://server",
            token="a-token-of-some-length",
            name=self.name,
            auto_update=True,
            heartbeat_interval=HEARTBEAT,
            state_dir=self.state,
            trust_root=RootPin.of_file(self._root),
            sync_experiments=self._experiments,
            experiments_dir=self.work / "experiments",
        )
        site = Site(
            Launch(self.path, (str(self.path), "--name", self.name), "", {}),
            _Console(),
            Policy(silence_allowed=SILENCE),
        )
        agent = compose(Program(str(build.tag), self.path, built_at=_BUILT), options, site)
        self.pointer = agent._metadata.pointer
        agent.run(stop)  # type: ignore[arg-type] # as far as it is used, it is an Event

    def _runnable(self) -> bytes:
        """The file at the path, as far as the system would execute it."""
        content = self.path.read_bytes()
        if not os.access(self.path, os.X_OK) or not self.path.stat().st_mode & 0o100:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if not content.startswith(b"#!"):
            raise OSError(errno.ENOEXEC, os.strerror(errno.ENOEXEC))
        return content

    def _restart_unless_guarded(self) -> None:
        """A service manager starts what has ended; an owner looks when nobody else will."""
        if self._main is not None or self._starting or not self.on:
            return
        if self._manager is Manager.OWNER and self.guarded:
            return
        self._starting = True
        self._kernel.at(self._kernel.now + _RESTART[self._manager], self.start)

    def _processes(self) -> list[Process]:
        return self._kernel.processes(self)


class _Stop:
    """As `threading.Event`, for a main loop."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._set = False

    def set(self) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set

    def wait(self, seconds: float) -> bool:
        self._kernel.wait(seconds)
        return self._set


class _Console(Console):
    """Output that nobody reads."""

    def __init__(self) -> None:
        super().__init__(1, 2, redirected=False)

    def redirect(self, path: Path) -> None:
        """Nothing is written, so nothing is redirected."""

    def restore(self) -> None:
        """Likewise."""
