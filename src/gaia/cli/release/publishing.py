"""`gaia release publish`: files go up under a tag."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click
from rich.filesize import decimal

from gaia.cli import output
from gaia.cli.command import Settings, Verb
from gaia.errors import InvalidInput
from gaia.model.artifact import EXPERIMENTS, check_filename
from gaia.model.channel import check_channel
from gaia.model.tag import Tag
from gaia.protocol.release import Uploaded

release_files = click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)

name_on_server = click.option(
    "--as", "name", default="", metavar="NAME", help="Name of the one file on the server."
)


@click.command("publish", cls=Verb)
@release_files
@click.option("--tag", required=True, help="Semantic version, such as v0.5.0.")
@click.option("--notes", default="", help="What is new.")
@click.option("--channel", default="", help="Channel to publish on.  [default: stable]")
@name_on_server
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
    named = named_files(files, name)
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
    if any(not done.published for done in uploaded):
        paths = " ".join(str(path) for path in named.values())
        click.echo(
            "The server cannot sign: workers get nothing of it until the keys' holders have.\n"
            f"  gaia release sign {query['tag']} {paths} --channel {uploaded[0].channel}"
        )


def named_files(files: Collection[Path], name: str) -> dict[str, Path]:
    """The files by their names on the server.

    Args:
        name: of the one file; empty for each file's own.

    Raises:
        InvalidInput: `one-name`, `same-name` or `invalid-filename`.
    """
    if name and len(files) > 1:
        raise InvalidInput("one-name", "--as names one file, but several were given.")
    named = {check_filename(name or path.name): path for path in files}
    if len(named) < len(files):
        raise InvalidInput("same-name", "Two of the files have the same name.")
    return named
