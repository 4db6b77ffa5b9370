"""`gaia release sign`, `promote` and `withdraw`: what workers are sent to."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import quote

import click

from gaia.cli.command import Settings, Verb
from gaia.cli.connection import Connection
from gaia.cli.release.publishing import name_on_server, named_files, release_files
from gaia.cli.signing_options import Signing, signs
from gaia.cli.steering import steer
from gaia.errors import Conflict, Refused
from gaia.model.artifact import Artifact
from gaia.model.channel import DEFAULT_CHANNEL, check_channel
from gaia.model.publication import Publication
from gaia.model.tag import Tag

_channel = click.option(
    "--channel",
    default=DEFAULT_CHANNEL,
    show_default=True,
    help="The channel whose workers are meant.",
)


@click.command("sign", cls=Verb)
@click.argument("tag")
@release_files
@_channel
@click.option(
    "--files-only",
    is_flag=True,
    help="Leave the channel as it is; gaia release promote sends its workers there later.",
)
@name_on_server
@signs
@click.pass_obj
def sign(
    settings: Settings,
    signing: Signing,
    tag: str,
    files: tuple[Path, ...],
    channel: str,
    name: str,
    *,
    files_only: bool,
) -> None:
    """Sign FILES as the release TAG, and send the channel's workers there if it is their highest.

    FILES are your own, which you have built or checked: what is signed is their SHA-256, whatever
    the server says that it has. Upload them first, with gaia release publish or by curl.
    """
    release, target = Tag.parse(tag), check_channel(channel)
    artifacts = [_artifact(name_, path) for name_, path in named_files(files, name).items()]
    session = signing.session(settings)
    _check_mode(session.connection, release, target)

    def signed(publication: Publication) -> Publication:
        for artifact in artifacts:
            publication = publication.with_artifact(release, artifact)
        return publication if files_only else publication.placed(release, target)

    outcome = session.change(lambda drafter, roles: drafter.publish(signed(roles.publication())))
    outcome.tell(as_json=settings.json)


@click.command("promote", cls=Verb)
@click.argument("tag")
@_channel
@signs
@click.pass_obj
def promote(settings: Settings, signing: Signing, tag: str, channel: str) -> None:
    """Send the channel's workers to the release TAG, up or down, but never below its floor."""
    release, target = Tag.parse(tag), check_channel(channel)
    steer(
        settings,
        signing,
        lambda publication: publication.promoted(release, target),
        lambda connection: connection.put(
            f"/api/channels/{quote(target)}", {"current": str(release)}
        ),
    )


@click.command("withdraw", cls=Verb)
@click.argument("tag")
@signs
@click.pass_obj
def withdraw(settings: Settings, signing: Signing, tag: str) -> None:
    """Withdraw the release TAG: workers that run it go back by themselves, and it never returns."""
    release = Tag.parse(tag)
    steer(
        settings,
        signing,
        lambda publication: publication.without(release),
        lambda connection: connection.post(
            f"/api/releases/{quote(str(release), safe='')}/withdraw", {}
        ),
    )


def _artifact(name: str, path: Path) -> Artifact:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Artifact(name, file.tell(), sha256)


def _check_mode(connection: Connection, tag: Tag, channel: str) -> None:
    """Where the server signs, there is nothing to sign; and no channel is moved by mistake."""
    status = connection.get("/api/trust")
    if status["mode"] != "strict":
        raise Refused(
            "not-strict-mode",
            "This server signs uploads by itself (convenience mode): nothing is left to sign.",
            hint="gaia release publish uploads and publishes; gaia trust strict takes the signing "
            "keys off the server.",
        )
    for pending in status["pending"]:
        if pending["tag"] == str(tag) and pending["channel"] != channel:
            raise Conflict(
                "channel-conflict",
                f"{tag} was uploaded for the channel {pending['channel']}, not for {channel}. "
                "Nothing was signed.",
                hint=f"Say which it is to be: --channel {pending['channel']}, or upload it under "
                "another tag.",
            )
