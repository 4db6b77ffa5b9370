"""A real worker of a server in strict mode that was taken over, together with one role's key."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from securesystemslib.signer import CryptoSigner

from gaia.model.artifact import Artifact
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.trust.drafting import Drafter
from gaia.trust.repository import Repository
from gaia.trust.roles import GAIA_WORKER
from support.fleet import LINUX, Api, RunningWorker, eventually, sha256
from support.operator import RemoteOperator
from support.server import ServerProcess

STABLE = "channel-stable"


@pytest.fixture
def owner(server: ServerProcess) -> RemoteOperator:
    """Holds all keys but the online one."""
    owner = RemoteOperator(server)
    owner.take_over()
    answer = owner.sign(lambda drafter: drafter.hand_over(STABLE, owner.operator.holders(STABLE)))
    assert answer.status == 200, answer.body
    return owner


def sign(owner: RemoteOperator, api: Api, tag: str, program: Path) -> None:
    """An honest release."""
    api.curl_upload(tag, LINUX, program)
    after = released(owner.signed().publication(), tag, program)
    answer = owner.sign(lambda drafter: drafter.publish(after))
    assert answer.status == 200, answer.body


def released(before: Publication, tag: str, program: Path) -> Publication:
    artifact = Artifact(LINUX, program.stat().st_size, sha256(program))
    return before.with_artifact(Tag.parse(tag), artifact).placed(Tag.parse(tag), "stable")


def take_over(
    server: ServerProcess,
    change: Callable[[Publication], Publication],
    program: Path,
    stolen: CryptoSigner,
) -> None:
    """Have the server say something else, signed with a stolen key, and hold `program` for it."""
    assert server.stop() == 0
    repository = Repository.open(
        server.data_dir / "tuf", server.data_dir / "keys", lambda: datetime.now(UTC)
    )
    roles = repository.roles
    drafter = Drafter(roles, datetime.now(UTC))
    drafter.publish(change(roles.publication()))
    bundle = drafter.bundle().signed_by([stolen], roles)
    repository._advance(bundle.over(roles))
    digest = sha256(program)
    place = server.data_dir / "blobs" / digest[:2] / digest
    place.parent.mkdir(exist_ok=True)
    shutil.copy(program, place)
    server.start(urlsplit(server.url).port or 0)


def test_the_release_key_and_the_server_are_not_enough_to_swap_a_release_s_bytes(
    server: ServerProcess,
    api: Api,
    owner: RemoteOperator,
    build: Callable[[str], Path],
    start_worker: Callable[..., RunningWorker],
) -> None:
    """The channel has named the release with its digest, and its key was not stolen."""
    old, new, evil = build("v0.4.9"), build("v0.5.0"), build("v9.9.9")
    sign(owner, api, "v0.4.9", old)
    worker = start_worker("w", old, "--auto-update")
    api.until("w", reason="up-to-date")
    worker.process.send_signal(signal.SIGSTOP)
    sign(owner, api, "v0.5.0", new)

    def swapped(before: Publication) -> Publication:
        files = {LINUX: Artifact(LINUX, evil.stat().st_size, sha256(evil))}
        return replace(before, artifacts={**before.artifacts, Tag.parse("v0.5.0"): files})

    take_over(server, swapped, evil, owner.operator.key(GAIA_WORKER))
    worker.process.send_signal(signal.SIGCONT)
    eventually("an alarm", lambda: "names other bytes" in api.row("w").get("alarm", ""))
    assert api.more_heartbeats("w", 5)["version"] == "v0.4.9"
    assert not worker.backup.exists()
    assert worker.runs()
