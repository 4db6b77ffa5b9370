"""`gaia release`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import click
from rich.filesize import decimal

from gaia.cli import output
from gaia.cli.command import Settings, Verbs
from gaia.errors import InvalidInput
from gaia.model.artifact import EXPERIMENTS, check_filename
from gaia.model.channel import check_channel
from gaia.model.tag import Tag
from gaia.protocol.release import Uploaded


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


@release.command("publish")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--tag", required=True, help="Semantic version, such as v0.5.0.")
@click.option("--notes", default="", help="What is new.")
@click.option("--channel", default="", help="Channel to publish on.  [default: stable]")
@click.option(
    "--as", "name", default="", metavar="NAME", help="Name of the one file on the server."
)
@click.pass_obj
def publish(
    settings: Settings, files: tuple[Path, ...], tag: str, notes: str, channel: str, name: str
) -> None:
    """Upload FILES under a tag: gaia-worker-linux, gaia-worker-windows.exe, experiments.tar.gz.

    The experiments go first, so that no worker drains its workload twice. The same files again
    change nothing, so that a broken upload is just repeated.
    """
    query = {
        "tag": str(Tag.parse(tag)),
        "notes": notes,
        "channel": channel and check_channel(channel),
    }
    query = {key: value for key, value in query.items() if value}
    named = _named(files, name)
    connection = settings.connect()
    uploaded: list[Uploaded] = []
    with output.progress() as bars:
        for filename, path in sorted(named.items(), key=lambda item: item[0] != EXPERIMENTS):
            size = path.stat().st_size
            task = bars.add_task(filename, total=size)
            with path.open("rb") as file:
                uploaded.append(
                    connection.upload(
                        {**query, "filename": filename},
                        file,
                        size,
                        lambda sent, task=task: bars.advance(task, sent),  # type: ignore[misc]
                    )
                )
    if settings.json:
        output.json({"uploaded": uploaded})
        return
    output.table(
        ["file", "tag", "channel", "size", "SHA-256", "state"],
        (
            (
                done.filename,
                done.tag,
                done.channel,
                decimal(done.size),
                done.sha256,
                "published" if done.published else "pending: waits for its signatures",
            )
            for done in uploaded
        ),
        empty="",
    )


def _named(files: tuple[Path, ...], name: str) -> dict[str, Path]:
    if name and len(files) > 1:
        raise InvalidInput("one-name", "--as names one file, but several were given.")
    named = {check_filename(name or path.name): path for path in files}
    if len(named) < len(files):
        raise InvalidInput("same-name", "Two of the files have the same name.")
    return named
