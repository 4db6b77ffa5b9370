"""What the dashboard says of a server that cannot sign."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from support.desk import Desk
from support.server import ServerProcess


def content(server: ServerProcess) -> str:
    form = urlencode({"token": server.token}).encode()
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = server.ask("POST", "/login", form, token=None, headers=sent)
    cookie = answer.headers["set-cookie"].partition(";")[0]
    page = server.ask("GET", "/dashboard/content", token=None, headers={"Cookie": cookie})
    assert page.status == 200
    return " ".join(page.body.decode().split())


def test_it_names_the_mode_and_what_waits_with_the_command(
    strict: tuple[Desk, ServerProcess], program: Path
) -> None:
    desk, server = strict
    server.upload("v0.5.0", program.name, program.read_bytes(), query="&channel=stable")
    shown = content(server)
    assert "Strict mode." in shown
    assert "Convenience mode." not in shown
    assert f"gaia release sign v0.5.0 {program.name} --channel stable" in shown
    desk("release", "sign", "v0.5.0", program, "--yes")
    assert "gaia release sign" not in content(server)


def test_it_shows_what_was_withdrawn_and_a_floor(
    strict: tuple[Desk, ServerProcess], program: Path
) -> None:
    desk, server = strict
    for tag in ("v0.4.0", "v0.5.0"):
        program.write_bytes(f"\x7fELF {tag}".encode())
        server.upload(tag, program.name, program.read_bytes())
        desk("release", "sign", tag, program, "--yes")
    assert "floor" not in content(server)
    desk("channel", "floor", "stable", "v0.4.0", "--yes")
    desk("release", "withdraw", "v0.5.0", "--yes")
    shown = content(server)
    assert "floor v0.4.0" in shown
    assert "withdrawn v0.5.0" in shown
