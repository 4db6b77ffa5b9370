"""The parts of a worker put together, for `gaia-worker` and for daemons that embed the updater."""

from __future__ import annotations

import hashlib
import os
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import platformdirs
import structlog

from gaia.model.channel import DEFAULT_CHANNEL
from gaia.protocol.worker import Register
from gaia.trust.client import TrustClient
from gaia.trust.pin import RootPin
from gaia.worker.agent import Agent, Own
from gaia.worker.background import Background
from gaia.worker.console import Console
from gaia.worker.experiments import Experiments
from gaia.worker.identity import gpu, machine_id, platform_name
from gaia.worker.metadata import Metadata
from gaia.worker.relaunch import Launch
from gaia.worker.runtime import remove_old_runtimes
from gaia.worker.schedule import Schedule
from gaia.worker.session import Session
from gaia.worker.sync import ExperimentsSync
from gaia.worker.transport import Transport
from gaia.worker.trial import Policy, Site
from gaia.worker.tuf_source import TufSource
from gaia.worker.update import Update
from gaia.worker.workload import Workload

if sys.platform == "win32":
    from gaia.worker import front

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the owner of the machine asked for. Durations are in seconds."""

    server: str
    token: str
    name: str
    auto_update: bool = False
    sync_experiments: bool = False
    experiments_dir: Path = Path("experiments")
    heartbeat_interval: float = 5.0
    state_dir: Path | None = None
    trust_root: RootPin | None = None
    channel: str = DEFAULT_CHANNEL
    labels: Mapping[str, str] = field(default_factory=dict)
    drain_grace: float = 10.0
    drain_timeout: float = 3600.0
    probation_heartbeats: int = Policy.heartbeats_needed
    probation_silence: float = Policy.silence_allowed
    log_format: str = "text"
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """What runs here.

    Attributes:
        executable: what updates replace, absolute and free of symlinks; None when it is no single
            file.
        trust_root: built into the program; None when nothing is.
        built_at: Unix seconds; 0 when nobody knows.
    """

    version: str
    executable: Path | None
    trust_root: bytes | None = None
    built_at: float = 0.0


def site_of(
    program: Program, options: Options, console: Console, environment: Mapping[str, str]
) -> Site:
    """The place where `program` is updated. `environment`: of children and later versions."""
    return Site(
        Launch.here(program.executable or Path(sys.argv[0]).resolve(), environment),
        console,
        Policy(options.probation_heartbeats, options.probation_silence),
        managed=_managed(program),
    )


def _managed(program: Program) -> str:
    """Why the executable cannot be replaced, where that is known from the start."""
    if program.executable is None:
        return "this worker is not a single-file build"
    if sys.platform == "win32" and not front.is_there():
        return "on Windows a program is replaced only behind the front of a single-file worker"
    return ""


def compose(program: Program, options: Options, site: Site) -> Agent:
    """The agent of this process, with an interrupted update finished or undone.

    Call it as `Update.start`: it does not return when the version to run is another one.

    Raises:
        InvalidInput: the server's address or the token cannot be used.
        OSError: the state folder cannot be made.
    """
    state = (options.state_dir or _default_state_dir(options, program.executable)).absolute()
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    background = Background()
    update = Update(site, background, program.version, state)
    update.trial.on_rest = lambda: _remove_old_runtimes(site)
    update.start()
    log.info("worker starts", version=program.version, name=options.name, server=options.server)
    transport = Transport(options.server, options.token, f"gaia-worker/{program.version}")
    trust = TrustClient(
        state / "trust",
        TufSource(transport),
        options.trust_root or RootPin.built_in(program.trust_root),
        lambda: datetime.now(UTC),
        channel=options.channel,
        built_at=datetime.fromtimestamp(program.built_at, UTC),
    )
    environment = site.launch.environment
    introduction = _introduce(options, program, environment, state)
    experiments = Experiments(
        options.experiments_dir.absolute(),
        cache=state,
        protected=(site.installation.path, site.installation.backup, state),
    )
    return Agent(
        Own(program.version, introduction.platform, options.channel, options.auto_update),
        session=Session(transport, introduction, update.alive),
        transport=transport,
        schedule=Schedule(options.heartbeat_interval, time.monotonic, random.random),
        background=background,
        metadata=Metadata(trust, options.channel, background, time.monotonic),
        update=update,
        sync=ExperimentsSync(experiments, transport, background, time.monotonic, random.random)
        if options.sync_experiments
        else None,
        workload=Workload(
            options.command,
            experiments.parent,
            state_dir=state,
            environment={k: v for k, v in environment.items() if k != "GAIA_TOKEN"},
            stdio=(site.console.stdout, site.console.stderr),
            grace=options.drain_grace,
            drain_timeout=options.drain_timeout,
        ),
    )


def _remove_old_runtimes(site: Site) -> None:
    """Space is all that an old runtime costs: what resists can stay until the next time."""
    try:
        installed = site.installation
        remove_old_runtimes((installed.path, installed.backup, installed.staged))
    except OSError as error:
        log.warning("old runtimes are left over", reason=str(error))


def _introduce(
    options: Options, program: Program, environment: Mapping[str, str], state: Path
) -> Register:
    """What this worker registers as."""
    return Register(
        name=options.name,
        version=program.version,
        gpu=gpu(environment),
        registered_at=time.time(),
        machine=machine_id(state),
        platform=platform_name(),
        channel=options.channel,
        labels=dict(options.labels),
    )


def _default_state_dir(options: Options, executable: Path | None) -> Path:
    """Where trust and identity are kept: one folder for each worker, since TUF clients that share
    one race.

    Beside the executable, so that it moves along; for a worker that is not a single file, or whose
    folder belongs to someone else, where the system keeps such things.
    """
    if executable is not None and os.access(executable.parent, os.W_OK):
        return executable.parent / ".gaia" / "state" / _key(options.name)
    return platformdirs.user_state_path("gaia-worker") / _key(options.name, options.server)


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
