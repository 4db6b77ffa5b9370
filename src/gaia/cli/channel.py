"""`gaia channel`."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from gaia.cli import output
from gaia.cli.command import Settings, Verbs
from gaia.cli.signing_options import Signing, signs
from gaia.cli.steering import steer
from gaia.errors import NotFound
from gaia.model.channel import check_channel
from gaia.model.tag import Tag


@click.group("channel", cls=Verbs)
def channel() -> None:
    """Channels: named, signed pointers at releases."""


@channel.command("list")
@click.pass_obj
def list_channels(settings: Settings) -> None:
    """List the channels that have releases, and where they point."""
    answer = settings.connect().get("/api/channels")
    if settings.json:
        output.json(answer)
        return
    output.table(
        ["channel", "current", "floor", "latest by platform", "withdrawn"],
        (
            (entry["name"], entry["current"], entry["floor"], entry["latest"], entry["withdrawn"])
            for entry in answer["channels"]
        ),
        empty="No channel has a release yet.",
    )


@channel.command("show")
@click.argument("name")
@click.pass_obj
def show_channel(settings: Settings, name: str) -> None:
    """Show where the channel NAME points, for each platform, and what is on it."""
    entry = _find(settings.connect().get("/api/channels")["channels"], check_channel(name))
    if settings.json:
        output.json(entry)
        return
    output.facts(
        [
            ("channel", entry["name"]),
            ("current", entry["current"]),
            ("floor", entry["floor"]),
            *((f"latest for {platform}", tag) for platform, tag in entry["latest"].items()),
            ("releases", entry["tags"]),
            ("withdrawn", entry["withdrawn"]),
        ]
    )


@channel.command("floor")
@click.argument("name")
@click.argument("tag")
@signs
@click.pass_obj
def set_floor(settings: Settings, signing: Signing, name: str, tag: str) -> None:
    """Set the lowest TAG that workers of the channel NAME may go back to."""
    channel_name, floor = check_channel(name), Tag.parse(tag)
    steer(
        settings,
        signing,
        lambda publication: publication.with_floor(channel_name, floor),
        lambda connection: connection.put(
            f"/api/channels/{quote(channel_name)}", {"floor": str(floor)}
        ),
    )


def _find(channels: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for entry in channels:
        if entry["name"] == name:
            return entry
    raise NotFound(
        "no-release",
        f"Nothing is published on the channel {name}.",
        hint="gaia channel list shows the channels.",
    )
