"""The command `gaia worker build`."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import click
from rich.console import Console

from gaia.cli import output
from gaia.cli.build.builder import Builder, system_for
from gaia.cli.command import Settings, Verb
from gaia.model.tag import Tag


@click.command("build", cls=Verb, context_settings={"show_default": True})
@click.option("--version", "version", required=True, metavar="TAG", help="Such as v0.5.0.")
@click.option(
    "--trust-root",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Root metadata to bake in (gaia trust export). Without it the worker needs an option, "
    "or trusts on first use.",
)
@click.option(
    "-o",
    "--output",
    "output_dir",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the executable; made when missing.",
)
@click.option("--platform", default="linux", help="Platform to build for: linux or windows.")
@click.pass_obj
def worker_build(
    settings: Settings, version: str, trust_root: Path | None, output_dir: Path, platform: str
) -> None:
    """Build the worker as one executable file.

    The same sources give the same bytes. Needs the extra `build` and Debian's binutils; for
    windows, on Linux, Debian's wine.
    """
    root = None if trust_root is None else trust_root.read_bytes()
    path = _build(version, root, output_dir, platform)
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if settings.json:
        output.json(
            {
                "path": str(path),
                "tag": str(Tag.parse(version)),
                "platform": platform,
                "size": len(content),
                "sha256": sha256,
            }
        )
    else:
        click.echo(f"{path}\n{len(content):,} bytes\nsha256 {sha256}")


def _build(version: str, root: bytes | None, output_dir: Path, platform: str) -> Path:
    system = system_for(platform)
    system.check()
    title = f"building {Tag.parse(version)}"
    with (
        tempfile.TemporaryDirectory(prefix="gaia-build-", ignore_cleanup_errors=True) as folder,
        Console(stderr=True).status(title) as status,
    ):
        builder = Builder(
            Path(folder), system, report=lambda step: status.update(f"{title}: {step}")
        )
        return builder.stamp(version, root, output_dir)
