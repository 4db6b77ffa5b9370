"""`gaia-worker`: the program around the agent."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

import structlog

from gaia.worker.build_info import BuildInfo
from gaia.worker.composition import Options, Program, compose, site_of
from gaia.worker.console import Console
from gaia.worker.options import command
from gaia.worker.runtime import clean_environment, install_path
from gaia.worker.service_command import install_command
from gaia.worker.transport import Transport

if sys.platform == "win32":
    from gaia.worker import front

INSTALL = "install"
"""First argument with which the program registers itself as a service, and ends."""


def main() -> None:
    """The console script, and the entry point of the single-file worker."""
    worker = command(run, self_check)
    if sys.argv[1:2] == [INSTALL]:
        install_command(worker)(sys.argv[2:], prog_name=f"gaia-worker {INSTALL}")
    worker()


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
    if sys.platform == "win32":
        signal.signal(signal.SIGBREAK, lambda *_: stop.set())
        front.on_stop(stop.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    console = Console.adopt(os.environ)
    build = BuildInfo.load()
    program = Program(build.version, install_path(), build.trust_root, build.built_at)
    site = site_of(program, options, console, clean_environment(os.environ))
    compose(program, options, site).run(stop)


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
