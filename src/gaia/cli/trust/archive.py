"""`gaia trust bundle`: what was signed, given back to a server that has lost it."""

from __future__ import annotations

import click

from gaia.cli import output
from gaia.cli.command import Settings, Verb
from gaia.cli.signing import SigningSession
from gaia.cli.trust_folder import TrustFolder, trust_folder
from gaia.errors import TrustError
from gaia.trust.operator.differences import differences


@click.command("bundle", cls=Verb)
@trust_folder
@click.pass_obj
def resubmit(settings: Settings, folder: TrustFolder) -> None:
    """Send the server what it lacks of the archive: after a restore from an old backup.

    Nothing is signed: the archive in the trust folder has the signatures. The files of releases
    that the server has lost must be uploaded first.
    """
    session = SigningSession(settings.connect(), folder, assent=lambda _: None)
    received = session.received()
    try:
        session.archive.check(received, "The server")
    except TrustError as error:
        if error.code != "server-older":
            raise
    bundle = session.archive.newer_than(received)
    changes = differences(received, bundle, session.keyring.called()) if bundle else []
    if bundle:
        session.send(bundle, received)
    if settings.json:
        output.json({"sent": [document.name for document in bundle.documents()]})
        return
    for change in changes:
        click.echo(f"  {change}")
    click.echo(
        "The server has it again." if bundle else "The server lacks nothing of what is kept here."
    )
