"""The command line of the demo."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path

import click
from rich.console import Console

from gaia.cli import output
from gaia.cli.command import Settings, Verb
from gaia.cli.demo.story import Story


@click.command("demo", cls=Verb)
@click.option("--exit", "end", is_flag=True, help="End after the summary instead of staying up.")
@click.option("--port", default=7434, show_default=True, help="Port of the server; 0: a free one.")
@click.option("--workers", default=3, show_default=True, type=click.IntRange(1, 20))
@click.pass_obj
def demo(settings: Settings, *, end: bool, port: int, workers: int) -> None:
    """Watch real workers update themselves: server, releases, workers, one bad release."""
    console = Console(stderr=settings.json)
    with tempfile.TemporaryDirectory(prefix="gaia-demo-") as folder:
        story = Story(console, Path(folder).resolve(), 0 if end else port, workers)
        try:
            fleet = story.play()
            if settings.json:
                output.json({"workers": fleet})
            if story.server is not None and not end:
                console.print(f"\nDashboard: [bold]{story.server.url}/[/bold]")
                console.print(f"Token:     {story.token}  (made for this demo alone)")
                console.print("Ctrl-C ends it.")
                signal.pause()
        except KeyboardInterrupt:
            console.print("\nEnding the demo.")
        finally:
            story.close()
