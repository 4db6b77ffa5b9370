"""`gaia fleet`."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from gaia.cli import output
from gaia.cli.command import Settings, Verbs
from gaia.cli.connection import Connection
from gaia.errors import InvalidInput, NotFound
from gaia.model.worker import SKEW_TOLERATED


@click.group("fleet", cls=Verbs)
def fleet() -> None:
    """The fleet: who runs what."""


@fleet.command("list")
@click.pass_obj
def list_workers(settings: Settings) -> None:
    """List the workers; failures and alarms stand out."""
    answer = settings.connect().get("/api/fleet")
    if settings.json:
        output.json(answer)
        return
    output.table(
        ["name", "id", "version", "platform", "channel", "state", "seen", "trouble"],
        (
            (
                worker["name"],
                worker["id"],
                worker["version"],
                worker["platform"],
                worker["channel"],
                worker["state"],
                output.ago(worker["last_seen"]),
                _trouble(worker),
            )
            for worker in answer["workers"]
        ),
        empty="No worker has registered yet.",
    )


@fleet.command("show")
@click.argument("worker")
@click.pass_obj
def show_worker(settings: Settings, worker: str) -> None:
    """Show everything known of WORKER, by its name or ID."""
    found = _find(settings.connect(), worker)
    if settings.json:
        output.json(found)
        return
    failure = found.pop("failure", None) or {}
    outcomes = found.pop("outcomes", None) or []
    found["clock_skew"] = _skew(found)
    for moment in ("last_seen", "alarm_at"):
        if found.get(moment):
            found[moment] = output.ago(found[moment])
    output.facts((name.replace("_", " "), value) for name, value in found.items())
    if outcomes:
        click.echo("\nLast runs of the workload:")
        output.table(
            ["exit code", "seconds", "ended by", "started"],
            (
                (
                    run["exit_code"],
                    f"{run['seconds']:.1f}",
                    run["ended_by"],
                    output.ago(run["started_at"]),
                )
                for run in outcomes
            ),
            empty="",
        )
    if failure:
        click.echo("\nLast update that failed:")
        output.facts(
            [
                ("release", failure["tag"]),
                ("reason", failure["reason"]),
                ("detail", failure["detail"]),
                ("when", output.ago(failure["at"])),
                ("SHA-256", failure["sha256"]),
            ]
        )
        if failure["log_tail"]:
            click.echo("\nThe end of its log:")
            output.text(failure["log_tail"])


def _find(connection: Connection, worker: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = connection.get(f"/api/fleet/{quote(worker, safe='')}")
    except NotFound:
        named = [row for row in connection.get("/api/fleet")["workers"] if row["name"] == worker]
        if not named:
            raise NotFound(
                "unknown-worker",
                f"No worker has the name or ID {worker!r}.",
                hint="gaia fleet list shows those that have registered.",
            ) from None
        if len(named) > 1:
            ids = ", ".join(row["id"] for row in named)
            raise InvalidInput(
                "ambiguous-name", f"{len(named)} workers have that name: {ids}.", hint="Use an ID."
            ) from None
        found = connection.get(f"/api/fleet/{quote(named[0]['id'], safe='')}")
    return found


def _trouble(worker: dict[str, Any]) -> str:
    if worker.get("alarm"):
        return f"ALARM: {worker['alarm']}"
    failure = worker.get("failure")
    if failure:
        return f"{failure['tag']} failed: {failure['reason']}"
    if worker.get("withdrawn"):
        target, reason = worker.get("target"), worker.get("reason")
        return f"withdrawn; goes to {target}" if target else f"withdrawn; stays: {reason}"
    skew = _skew(worker)
    if skew:
        return f"its clock is {skew}"
    if worker.get("externally_managed"):
        return f"externally managed: {worker['externally_managed']}"
    return "" if worker.get("online", True) else "offline"


def _skew(worker: dict[str, Any]) -> str:
    """How far its clock is off; empty when that is no matter."""
    skew = worker.get("clock_skew") or 0.0
    if abs(skew) <= SKEW_TOLERATED:
        return ""
    return f"{output.span(abs(skew))} {'ahead' if skew > 0 else 'behind'}"
