"""The noun `gaia trust`."""

from __future__ import annotations

import click

from gaia.cli.command import Verbs
from gaia.cli.trust.archive import resubmit
from gaia.cli.trust.begin import init, strict
from gaia.cli.trust.changes import renew, rotate, sign
from gaia.cli.trust.elsewhere import online_key, seed
from gaia.cli.trust.status import export, status


@click.group("trust", cls=Verbs)
def trust() -> None:
    """Trust: which keys sign what workers verify."""


for verb in (status, export, init, strict, renew, rotate, sign, resubmit, online_key, seed):
    trust.add_command(verb)
