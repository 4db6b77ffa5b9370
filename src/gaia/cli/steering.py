"""What both modes know: where channels point. The server signs it, or whoever has the keys does."""

from __future__ import annotations

from collections.abc import Callable

import click

from gaia.cli import output
from gaia.cli.command import Settings
from gaia.cli.connection import Connection
from gaia.cli.signing_options import Signing
from gaia.model.publication import Publication


def steer(
    settings: Settings,
    signing: Signing,
    change: Callable[[Publication], Publication],
    by_server: Callable[[Connection], object],
) -> None:
    """Have a change of what is published signed.

    Args:
        change: the change, for strict mode: it is signed here.
        by_server: asks a server in convenience mode for the same.

    Raises:
        GaiaError: what `change`, the keys or the server say.
    """
    connection = settings.connect()
    if connection.get("/api/trust")["mode"] == "strict":
        session = signing.session(settings)
        outcome = session.change(
            lambda drafter, roles: drafter.publish(change(roles.publication()))
        )
        outcome.tell(as_json=settings.json)
        return
    answer = by_server(connection)
    if settings.json:
        output.json(answer)
    else:
        click.echo("Signed by the server.")
