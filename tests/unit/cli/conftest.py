"""The operator's command against a real HTTP server that a test scripts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gaia.cli.main import main
from support.web import Reply, Request, Web

TOKEN = "operators-secret"


@pytest.fixture
def routes() -> dict[str, Any]:
    """Answers by "METHOD /path?query": JSON, bytes, a Reply, or a function of the request."""
    return {}


@pytest.fixture
def web(routes: dict[str, Any]) -> Iterator[Web]:
    def respond(request: Request) -> Reply:
        answer = routes.get(f"{request.method} {request.path}", Reply(404))
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, bytes):
            return Reply(body=answer)
        return answer if isinstance(answer, Reply) else Reply(body=json.dumps(answer).encode())

    with Web(respond) as running:
        yield running


@pytest.fixture
def gaia(web: Web, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `gaia` with arguments, the server and token coming from the environment."""
    monkeypatch.setenv("GAIA_SERVER", web.url)
    monkeypatch.setenv("GAIA_TOKEN", TOKEN)

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(main, arguments, prog_name="gaia")
        assert TOKEN not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run
