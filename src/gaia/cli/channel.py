"""`gaia channel`."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from gaia.cli import output
from gaia.cli.command import Settings, Verbs
from gaia.cli.connection import Connection
from gaia.errors import NotFound
from gaia.model.channel import check_channel


@click.group("channel", cls=Verbs)
def channel() -> None:
    """Channels: named, signed pointers at releases."""


@channel.command("list")
@click.pass_obj
def list_channels(settings: Settings) -> None:
    """List the channels that have releases, and where they point."""
    connection = settings.connect()
    names = sorted({entry["channel"] for entry in connection.get("/api/releases")["releases"]})
    found = [entry for name in names if (entry := _latest_or_none(connection, name)) is not None]
    if settings.json:
        output.json({"channels": found})
        return
    output.table(
        ["channel", "tag", "latest by platform"],
        ((entry["channel"], entry["tag"], entry["latest"]) for entry in found),
        empty="No channel has a release yet.",
    )


@channel.command("show")
@click.argument("name")
@click.pass_obj
def show_channel(settings: Settings, name: str) -> None:
    """Show where the channel NAME points, for each platform."""
    entry = _latest(settings.connect(), check_channel(name))
    if settings.json:
        output.json(entry)
        return
    output.facts(
        [
            ("channel", entry["channel"]),
            ("tag", entry["tag"]),
            ("notes", entry["notes"]),
            *((f"latest for {platform}", tag) for platform, tag in entry["latest"].items()),
        ]
    )


def _latest(connection: Connection, name: str) -> dict[str, Any]:
    """The release that the channel points at; `channel` is the one that was asked for."""
    entry = connection.get(f"/releases/latest?channel={quote(name)}")
    return {**entry, "channel": name}


def _latest_or_none(connection: Connection, name: str) -> dict[str, Any] | None:
    try:
        return _latest(connection, name)
    except NotFound:
        return None
