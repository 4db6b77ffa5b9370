"""`gaia token`."""

from __future__ import annotations

from urllib.parse import quote

import click

from gaia.cli import output
from gaia.cli.command import Settings, Verbs

ROLES = ("worker", "publisher", "operator", "viewer", "admin")


@click.group("token", cls=Verbs)
def token() -> None:
    """Access tokens, each with one role."""


@token.command("create")
@click.option("--name", required=True, help="Whose token it is, such as ci or lab-3.")
@click.option("--role", required=True, type=click.Choice(ROLES), help="What it may do.")
@click.pass_obj
def create_token(settings: Settings, name: str, role: str) -> None:
    """Make a token and print it: the only time that it is shown."""
    made = settings.connect().post("/api/tokens", {"name": name, "role": role})
    if settings.json:
        output.json(made)
        return
    output.say(f"Token {made['id']} for {name}, role {role}. It is not shown again:")
    click.echo(made["token"])


@token.command("list")
@click.pass_obj
def list_tokens(settings: Settings) -> None:
    """List the tokens, without their secrets."""
    answer = settings.connect().get("/api/tokens")
    if settings.json:
        output.json(answer)
        return
    output.table(
        ["id", "name", "role", "created", "last used", "revoked"],
        (
            (
                entry["id"],
                entry["name"],
                entry["role"],
                entry.get("created_at"),
                output.ago(entry.get("last_used")),
                entry.get("revoked_at"),
            )
            for entry in answer["tokens"]
        ),
        empty="There are no tokens but the one that the server was started with.",
    )


@token.command("revoke")
@click.argument("token_id", metavar="ID")
@click.pass_obj
def revoke_token(settings: Settings, token_id: str) -> None:
    """Revoke the token ID, at once and for good."""
    settings.connect().delete(f"/api/tokens/{quote(token_id, safe='')}")
    if settings.json:
        output.json({"id": token_id, "revoked": True})
        return
    output.say(f"Token {token_id} is revoked.")
