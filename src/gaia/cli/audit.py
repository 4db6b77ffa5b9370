"""`gaia audit`."""

from __future__ import annotations

import click

from gaia.cli import output
from gaia.cli.command import Settings, Verbs


@click.group("audit", cls=Verbs)
def audit() -> None:
    """The audit log: who changed what, and who was turned away."""


@audit.command("list")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=100,
    show_default=True,
    help="How many entries.",
)
@click.pass_obj
def list_entries(settings: Settings, limit: int) -> None:
    """List the newest entries, newest first."""
    answer = settings.connect().get(f"/api/audit?limit={limit}")
    if settings.json:
        output.json(answer)
        return
    output.table(
        ["at", "who", "from", "what", "to what", "detail"],
        (
            (
                entry["at"],
                entry["actor"],
                entry["client"],
                entry["action"],
                entry["subject"],
                entry["detail"],
            )
            for entry in answer["entries"]
        ),
        empty="Nothing was changed yet.",
    )
