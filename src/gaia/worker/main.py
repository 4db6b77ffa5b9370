"""`gaia-worker`: its parts put together, and run."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import platformdirs
import structlog

from gaia.protocol.worker import Register
from gaia.trust.client import TrustClient
from gaia.trust.pin import RootPin
from gaia.worker.background import Background
from gaia.worker.build_info import BuildInfo
from gaia.worker.console import Console
from gaia.worker.experiments import Experiments
from gaia.worker.identity import gpu, machine_id, platform_name
from gaia.worker.metadata import Metadata
from gaia.worker.options import Options, command
from gaia.worker.relaunch import Launch
from gaia.worker.runtime import clean_environment, install_path, remove_old_runtimes
from gaia.worker.schedule import Schedule
from gaia.worker.session import Session
from gaia.worker.sync import ExperimentsSync
from gaia.worker.transport import Transport
from gaia.worker.trial import Policy, Site
from gaia.worker.tuf_source import TufSource
from gaia.worker.update import Update
from gaia.worker.updater import Own, Updater
from gaia.worker.workload import Workload

log = structlog.get_logger()


def main() -> None:
    """The console script, and the entry point of the single-file worker."""
    command(run, self_check)()


def self_check() -> None:
    """What an update is asked before it is installed: every module is loaded by now."""
    Transport("https://localhost", "self-check", "gaia-worker").close()


def run(options: Options) -> None:
    """Be a worker until told to stop.

    Raises:
        GaiaError: the options are not to be understood.
    """
    configure_logs(options.log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    console = Console.adopt(os.environ)
    updater = compose(options, console, clean_environment(os.environ))
    updater.run(stop)


def compose(options: Options, console: Console, environment: Mapping[str, str]) -> Updater:
    """The updater of this process. `environment` is what children and later versions get."""
    build = BuildInfo.load()
    executable = install_path()
    state = (options.state_dir or default_state_dir(options, executable)).absolute()
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    background = Background()
    site = Site(
        Launch.here(executable or Path(sys.argv[0]).resolve(), environment),
        console,
        Policy(options.probation_heartbeats, options.probation_silence),
        managed="" if executable else "this worker is not a single-file build",
    )
    update = Update(site, background, build.version, state)
    update.trial.on_commit = lambda: remove_old_runtimes(
        (site.installation.path, site.installation.backup)
    )
    update.start()
    log.info("worker starts", version=build.version, name=options.name, server=options.server)
    transport = Transport(options.server, options.token, f"gaia-worker/{build.version}")
    trust = TrustClient(
        state / "trust",
        TufSource(transport),
        options.trust_root or RootPin.built_in(build.trust_root),
        lambda: datetime.now(UTC),
        channel=options.channel,
    )
    introduction = introduce(options, build, environment, state)
    experiments = Experiments(
        options.experiments_dir.absolute(),
        cache=state,
        protected=(site.installation.path, site.installation.backup, state),
    )
    return Updater(
        Own(build.version, introduction.platform, options.channel, options.auto_update),
        session=Session(transport, introduction),
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
            stdio=(console.stdout, console.stderr),
            grace=options.drain_grace,
            drain_timeout=options.drain_timeout,
        ),
    )


def introduce(
    options: Options, build: BuildInfo, environment: Mapping[str, str], state: Path
) -> Register:
    """What this worker registers as."""
    return Register(
        name=options.name,
        version=build.version,
        gpu=gpu(environment),
        registered_at=time.time(),
        machine=machine_id(state),
        platform=platform_name(),
        channel=options.channel,
        labels=options.labels,
    )


def default_state_dir(options: Options, executable: Path | None) -> Path:
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


def configure_logs(style: str) -> None:
    """Structured lines on standard error: text for people, JSON for collectors."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    main()
