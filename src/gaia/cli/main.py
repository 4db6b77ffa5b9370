"""`gaia`: the operator's command line."""

from __future__ import annotations

import os

import click

import gaia
from gaia.cli.audit import audit
from gaia.cli.build.command import worker_build
from gaia.cli.channel import channel
from gaia.cli.command import EXIT_CODES, Operator, Settings, common_options
from gaia.cli.demo.command import demo
from gaia.cli.fleet import fleet
from gaia.cli.key import key
from gaia.cli.release.command import release
from gaia.cli.token import token
from gaia.cli.trust.command import trust


@click.group("gaia", cls=Operator, params=common_options(), epilog=EXIT_CODES)
@click.version_option(gaia.__version__, message="gaia %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Operate a fleet of workers that update themselves."""
    settings = context.ensure_object(Settings)
    settings.server = settings.server or os.environ.get("GAIA_SERVER")
    if settings.token_file is None:
        settings.token = settings.token or os.environ.get("GAIA_TOKEN")


@main.group("worker")
def worker() -> None:
    """The worker's executable."""


worker.add_command(worker_build)
for command in (release, fleet, channel, token, trust, key, audit, demo):
    main.add_command(command)
