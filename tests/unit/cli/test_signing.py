"""What a signing session does with a server or a draft that is out to mislead it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import SSlibKey

from gaia.cli.connection import Connection
from gaia.cli.signing import SigningSession
from gaia.cli.trust_folder import TrustFolder
from gaia.errors import GaiaError
from gaia.trust.bundle import Bundle
from gaia.trust.keys import KeyFolder
from gaia.trust.roles import GAIA_WORKER, TARGETS
from support.operator import Operator
from support.trust import Clock, World
from support.web import Web


def never(changes: list[str]) -> None:
    pytest.fail(f"nobody should be asked: {changes}")


@pytest.fixture
def session(web: Web, tmp_path: Path) -> SigningSession:
    return SigningSession(Connection(web.url, "token"), TrustFolder(tmp_path / "t"), assent=never)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, Clock(datetime.now(UTC)))
    world.publish("v0.4.0")
    return world


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(GaiaError) as refusal:
        act()
    assert refusal.value.hint
    return refusal.value.code


@pytest.mark.parametrize(
    "answer",
    [
        *({}, [], None, 5, {"files": []}, {"files": None}, {"files": {"1.root.json": 5}}),
        *({"files": {}}, {"files": {"1.root.json": ""}}, {"files": {"1.root.json": "{}"}}),
        {"files": {"../../x": "{}", "1.root.json": "[1]"}},
    ],
)
def test_odd_answers(session: SigningSession, routes: dict[str, Any], answer: object) -> None:
    routes["GET /api/tuf/bundle"] = answer
    assert code_of(session.received) == "metadata-refused"


def test_one_file_is_missing_or_another(
    session: SigningSession, routes: dict[str, Any], world: World
) -> None:
    files = {name: data.decode() for name, data in world.repository.roles.files().items()}
    routes["GET /api/tuf/bundle"] = lambda _: {"files": files}
    assert session.received().versions == world.repository.roles.versions
    for name, text in list(files.items()):
        del files[name]
        assert code_of(session.received) == "metadata-refused"
        files[name] = text.replace('"sig":"', '"sig":"00')
        assert code_of(session.received) == "metadata-refused"
        files[name] = text


def test_without_an_archive_the_root_must_be_named(
    web: Web, routes: dict[str, Any], world: World, tmp_path: Path
) -> None:
    files = {name: data.decode() for name, data in world.repository.roles.files().items()}
    routes["GET /api/tuf/bundle"] = {"files": files}

    def session(pin: str | None) -> SigningSession:
        folder = TrustFolder(tmp_path / "trust")
        return SigningSession(Connection(web.url, "token"), folder, pin=pin, assent=never)

    assert code_of(session(None).signed) == "no-archive"
    assert code_of(session("sha256:" + "0" * 64).signed) == "other-fingerprint"
    assert session(None).archive.empty
    right = "sha256:" + world.repository.fingerprint.upper()
    assert session(right).signed().versions == world.repository.roles.versions
    assert session(None).signed().versions == world.repository.roles.versions


def test_what_an_honest_server_would_refuse_is_not_signed(
    session: SigningSession, world: World
) -> None:
    """A draft from somebody else, who put a key of theirs behind a colleague's ID."""
    roles = world.repository.roles
    operator = Operator.carrying_away(KeyFolder(world.keys), world.clock)
    draft = operator.draft(roles, lambda drafter: drafter.renew(TARGETS))
    assert draft.targets is not None
    delegations = draft.targets.signed.delegations
    assert delegations is not None
    (keyid,) = roles.keys(GAIA_WORKER)
    thief = operator.key("thief").public_key
    delegations.keys[keyid] = SSlibKey(keyid, "ed25519", "ed25519", thief.keyval)
    assert code_of(lambda: session.sign(draft, roles)) == "bundle-refused"


def test_a_draft_for_a_role_that_nobody_delegates_to(session: SigningSession, world: World) -> None:
    roles = world.repository.roles
    operator = Operator.carrying_away(KeyFolder(world.keys), world.clock)
    draft = operator.draft(roles, lambda d: d.hand_over("channel-beta", operator.holders("beta")))
    strange: Bundle = replace(draft, targets=None)
    assert code_of(lambda: session.sign(strange, roles)) == "bundle-refused"
