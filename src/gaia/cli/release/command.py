"""The noun `gaia release`, and what only looks."""

from __future__ import annotations

from urllib.parse import quote

import click
from rich.filesize import decimal

from gaia.cli import output
from gaia.cli.command import Settings, Verbs
from gaia.cli.release.carrying import export, import_
from gaia.cli.release.publishing import publish
from gaia.cli.release.signing import promote, sign, withdraw
from gaia.model.tag import Tag


@click.group("release", cls=Verbs)
def release() -> None:
    """Releases: what was uploaded under a tag."""


@release.command("list")
@click.pass_obj
def list_releases(settings: Settings) -> None:
    """List the releases, highest tag first."""
    answer = settings.connect().get("/api/releases")
    if settings.json:
        output.json(answer)
        return
    output.table(
        ["tag", "channel", "created", "platforms", "files", "size", "notes"],
        (
            (
                entry["tag"],
                entry["channel"],
                entry["created_at"],
                entry["platforms"],
                len(entry["files"]),
                decimal(sum(file["size"] for file in entry["files"])),
                entry["notes"],
            )
            for entry in answer["releases"]
        ),
        empty="There are no releases yet. gaia release publish makes one.",
    )


@release.command("show")
@click.argument("tag")
@click.pass_obj
def show_release(settings: Settings, tag: str) -> None:
    """Show the release TAG and the digests of its files."""
    entry = settings.connect().get(f"/releases/{quote(str(Tag.parse(tag)), safe='')}")
    if settings.json:
        output.json(entry)
        return
    names = ("tag", "channel", "created_at", "platforms", "notes")
    output.facts((name.removesuffix("_at"), entry[name]) for name in names)
    click.echo()
    output.table(
        ["file", "size", "SHA-256"],
        ((file["filename"], decimal(file["size"]), file["sha256"]) for file in entry["files"]),
        empty="It has no files.",
    )


for verb in (publish, sign, promote, withdraw, export, import_):
    release.add_command(verb)
