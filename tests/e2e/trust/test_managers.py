"""Several people sign: drafts, lost races, keys that are elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.desk import Desk
from support.server import ServerProcess

LINUX = "gaia-worker-linux"
Strict = tuple[Desk, ServerProcess]


@pytest.fixture
def managers(found: Callable[..., Strict], program: Path) -> tuple[Desk, Desk, ServerProcess]:
    """Alice and Bob, who release together, each with a key of their own; v0.5.0 is uploaded."""
    alice, server = found("--release", "2/alice,bob")
    bob = alice.colleague("bobs-trust", "bob")
    server.upload("v0.5.0", LINUX, program.read_bytes())
    return alice, bob, server


def test_the_second_manager_completes_the_draft_of_the_first(
    managers: tuple[Desk, Desk, ServerProcess], program: Path
) -> None:
    alice, bob, server = managers
    outcome = alice.ask("release", "sign", "v0.5.0", program, "--yes")
    assert outcome["state"] == "draft"
    assert {(m["have"], m["need"]) for m in outcome["missing"]} == {(1, 2)}
    assert server.get("/releases/latest").status == 404
    assert f"gaia trust sign {outcome['draft']}" in alice("trust", "status")
    begun = json.loads(Path(outcome["draft"]).read_text())["files"]

    assert bob.ask("trust", "sign", outcome["draft"], "--yes")["state"] == "accepted"
    assert server.get("/releases/latest").json()["tag"] == "v0.5.0"
    for name, text in begun.items():
        served = json.loads(server.get(f"/tuf/{name}").body)
        assert served["signed"] == json.loads(text)["signed"]
        assert len(served["signatures"]) == 2
    again = bob.refused("trust", "sign", outcome["draft"], "--yes")
    assert again["code"] == "draft-outdated"
    assert outcome["draft"] not in alice("trust", "status")


def test_one_manager_alone_cannot_sign_twice(
    managers: tuple[Desk, Desk, ServerProcess], program: Path
) -> None:
    alice, _, server = managers
    draft = alice.ask("release", "sign", "v0.5.0", program, "--yes")["draft"]
    assert alice.refused("trust", "sign", draft, "--yes")["code"] == "nothing-signed"
    assert server.get("/releases/latest").status == 404


def test_a_draft_that_was_overtaken_is_made_anew(
    managers: tuple[Desk, Desk, ServerProcess], program: Path, tmp_path: Path
) -> None:
    alice, bob, server = managers
    late = alice.ask("release", "sign", "v0.5.0", program, "--yes")["draft"]
    windows = tmp_path / "gaia-worker-windows.exe"
    windows.write_bytes(b"MZ")
    server.upload("v0.5.0", windows.name, windows.read_bytes())
    early = bob.ask("release", "sign", "v0.5.0", windows, "--yes")["draft"]
    alice("trust", "sign", early, "--yes")
    assert bob.refused("trust", "sign", late, "--yes")["code"] == "draft-outdated"
    anew = alice.ask("release", "sign", "v0.5.0", program, "--yes")["draft"]
    bob("trust", "sign", anew, "--yes")
    files = server.get("/releases/v0.5.0").json()["files"]
    assert {entry["filename"] for entry in files} == {LINUX, windows.name}


def test_a_lost_race_is_rebased_by_itself(
    strict: Strict, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's bundle arrives between our look and our sending."""
    desk, server = strict
    windows = tmp_path / "gaia-worker-windows.exe"
    windows.write_bytes(b"MZ")
    for path in (program, windows):
        server.upload("v0.5.0", path.name, path.read_bytes())
    rival = Desk(tmp_path / "rivals-trust", server)
    rival.folder.symlink_to(desk.folder)
    raced: list[str] = []

    def race(signing: object, changes: list[str]) -> None:
        if not raced:
            raced.append("now")
            with monkeypatch.context() as undisturbed:
                undisturbed.setattr("gaia.cli.signing_options.Signing.agree", lambda *_: None)
                rival("release", "sign", "v0.5.0", windows)

    monkeypatch.setattr("gaia.cli.signing_options.Signing.agree", race)
    result = desk.run("release", "sign", "v0.5.0", program)
    assert result.exit_code == 0, result.output
    assert "Someone else was faster" in result.stderr
    files = server.get("/releases/v0.5.0").json()["files"]
    assert {entry["filename"] for entry in files} == {LINUX, windows.name}


def test_a_key_in_the_safe_is_passed_over(strict: Strict) -> None:
    desk, _ = strict
    (desk.folder / "keys" / "root-2").rename(desk.folder.with_name("root-2"))
    result = desk.run("trust", "renew", "root", "--yes")
    assert result.exit_code == 0
    assert "root-2 is not at hand" in result.stderr
    version = {role["name"]: role["version"] for role in desk.status()["roles"]}["root"]
    assert version == 2
    asked = desk.refused("trust", "renew", "root", "--key", "root-2", "--yes")
    assert asked["code"] == "key-file-missing"
    desk("key", "import", "root-2", desk.folder.with_name("root-2"))
    desk("trust", "renew", "root", "--key", "root-2", "--key", "root-3", "--yes")


def test_one_root_key_alone_makes_a_draft(strict: Strict) -> None:
    desk, server = strict
    other = desk.colleague("second", "root-2", "root-3")
    outcome = desk.ask("trust", "renew", "root", "--yes")
    assert outcome["state"] == "draft"
    assert server.get("/tuf/2.root.json").status == 404
    other("trust", "sign", outcome["draft"], "--yes")
    assert server.get("/tuf/2.root.json").status == 200
