"""Options, exit codes and how errors are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from gaia.cli.command import EXIT_CODES, ExitCode, Verbs
from gaia.cli.main import main
from support.web import Reply, Web

FLEET = "GET /api/fleet"


def problem(status: int) -> Reply:
    document = {
        "type": "/problems/some-code",
        "title": "Title",
        "status": status,
        "detail": "What happened \x1b[31m.",
        "code": "some-code",
        "hint": "What next.",
    }
    return Reply(status, body=json.dumps(document).encode())


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, ExitCode.USAGE),
        (401, ExitCode.REFUSED),
        (403, ExitCode.REFUSED),
        (404, ExitCode.NOT_FOUND),
        (409, ExitCode.CONFLICT),
        (429, ExitCode.TRANSPORT),
        (503, ExitCode.TRANSPORT),
    ],
)
def test_each_refusal_has_its_exit_code(
    gaia: Any, routes: dict[str, Any], status: int, code: ExitCode
) -> None:
    routes[FLEET] = problem(status)
    result = gaia("fleet", "list")
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr == "gaia: What happened \ufffd[31m.\n  What next.\n"


def test_errors_are_json_when_json_is_asked_for(gaia: Any, routes: dict[str, Any]) -> None:
    routes[FLEET] = problem(403)
    told = json.loads(gaia("--json", "fleet", "list").stderr)
    assert told["code"] == "some-code"
    assert told["hint"] == "What next."


def test_every_exit_code_is_in_the_help(gaia: Any) -> None:
    assert all(f"{int(code)} " in EXIT_CODES for code in ExitCode)
    assert "Exit codes" in gaia("--help").stdout


def test_options_count_before_and_after_the_verb(
    gaia: Any, routes: dict[str, Any], monkeypatch: pytest.MonkeyPatch, web: Web, tmp_path: Path
) -> None:
    monkeypatch.delenv("GAIA_SERVER")
    monkeypatch.delenv("GAIA_TOKEN")
    routes[FLEET] = {"workers": []}
    file = tmp_path / "token"
    file.write_text("from-file\n")
    before = gaia("--server", web.url, "--token", "first", "--json", "fleet", "list")
    after = gaia("fleet", "list", "--server", web.url, "--token-file", str(file), "--json")
    both = gaia("--token", "first", "fleet", "list", "--server", web.url, "--token", "second")
    assert json.loads(before.stdout) == json.loads(after.stdout) == {"workers": []}
    assert both.exit_code == 0
    sent = [request.headers["authorization"] for request in web.requests]
    assert sent == ["Bearer first", "Bearer from-file", "Bearer second"]


def test_an_explicit_token_wins_over_the_environment(
    gaia: Any, routes: dict[str, Any], web: Web, tmp_path: Path
) -> None:
    routes[FLEET] = {"workers": []}
    file = tmp_path / "token"
    file.write_text("from-file")
    assert gaia("--token-file", str(file), "fleet", "list").exit_code == 0
    assert web.requests[0].headers["authorization"] == "Bearer from-file"


@pytest.mark.parametrize(
    ("missing", "code"), [("GAIA_SERVER", "no-server"), ("GAIA_TOKEN", "no-token")]
)
def test_what_is_missing_is_named(
    gaia: Any, monkeypatch: pytest.MonkeyPatch, missing: str, code: str
) -> None:
    monkeypatch.delenv(missing)
    result = gaia("--json", "fleet", "list")
    assert result.exit_code == ExitCode.USAGE
    assert json.loads(result.stderr)["code"] == code
    assert missing in json.loads(result.stderr)["hint"]


def test_a_server_that_is_not_there_is_a_transport_failure(gaia: Any) -> None:
    with Web(lambda _: Reply()) as gone:
        url = gone.url
    result = gaia("--server", url, "fleet", "list")
    assert result.exit_code == ExitCode.TRANSPORT
    assert "Connection refused" in result.stderr


@pytest.mark.parametrize("answer", [b"<html>", b"", Reply(body=b'{"workers": []}', cut=5)])
def test_an_answer_that_is_none_is_a_transport_failure(
    gaia: Any, routes: dict[str, Any], answer: object
) -> None:
    routes[FLEET] = answer
    assert gaia("fleet", "list").exit_code == ExitCode.TRANSPORT


def test_a_redirect_is_named_and_the_token_not_sent_after_it(
    gaia: Any, routes: dict[str, Any], web: Web
) -> None:
    with Web(lambda _: Reply()) as other:
        routes[FLEET] = Reply(301, {"Location": f"{other.url}/api/fleet"})
        result = gaia("fleet", "list")
        assert other.requests == []
    assert result.exit_code == ExitCode.TRANSPORT
    assert other.url in result.stderr


def test_every_verb_has_help_and_json() -> None:
    def verbs(group: click.Group) -> list[click.Command]:
        found: list[click.Command] = []
        for command in group.commands.values():
            found += verbs(command) if isinstance(command, Verbs) else [command]
        return found

    assert len(verbs(main)) >= 11
    for verb in verbs(main):
        assert verb.help
        assert any("--json" in parameter.opts for parameter in verb.params), verb.name
