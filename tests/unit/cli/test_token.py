"""`gaia token`."""

from __future__ import annotations

import json
from typing import Any

from gaia.cli.command import ExitCode
from support.web import Reply, Web

MADE = {"id": "t1", "name": "ci", "role": "publisher", "token": "gaia_abc"}


def test_a_new_token_is_the_only_thing_on_standard_output(
    gaia: Any, routes: dict[str, Any], web: Web
) -> None:
    routes["POST /api/tokens"] = Reply(201, body=json.dumps(MADE).encode())
    result = gaia("token", "create", "--name", "ci", "--role", "publisher")
    assert result.stdout == "gaia_abc\n"
    assert "not shown again" in result.stderr
    assert json.loads(web.requests[0].body) == {"name": "ci", "role": "publisher"}
    as_json = gaia("token", "create", "--name", "ci", "--role", "publisher", "--json")
    assert json.loads(as_json.stdout) == MADE


def test_an_unknown_role_is_refused_here(gaia: Any, web: Web) -> None:
    result = gaia("token", "create", "--name", "ci", "--role", "king")
    assert result.exit_code == ExitCode.USAGE
    assert web.requests == []


def test_tokens_are_listed(gaia: Any, routes: dict[str, Any]) -> None:
    entry = {"id": "t1", "name": "ci", "role": "publisher", "created_at": "2026-11-24T00:00:00Z"}
    routes["GET /api/tokens"] = {"tokens": [{**entry, "last_used": None, "revoked_at": None}]}
    shown = gaia("token", "list").stdout
    assert "publisher" in shown
    assert "never" in shown


def test_a_token_is_revoked(gaia: Any, routes: dict[str, Any]) -> None:
    routes["DELETE /api/tokens/t1"] = Reply(204)
    assert gaia("token", "revoke", "t1").exit_code == 0
    assert gaia("token", "revoke", "t2").exit_code == ExitCode.NOT_FOUND
