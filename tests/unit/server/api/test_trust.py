"""Bundles, and what else is decided about trust, over a real socket."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gaia.model.artifact import Artifact
from gaia.model.tag import Tag
from gaia.trust.bundle import MAX_SIZE, Bundle
from gaia.trust.contents import to_contents
from gaia.trust.keys import KeyFolder
from gaia.trust.roles import GAIA_WORKER, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from support.operator import Change, RemoteOperator
from support.server import ServerProcess

LINUX = "gaia-worker-linux"
V4, V5, V6 = map(Tag.parse, ("v0.4.0", "v0.5.0", "v0.6.0"))


@pytest.fixture
def strict(server: ServerProcess) -> RemoteOperator:
    """v0.4.0 and v0.5.0 are published, and the keys are away."""
    for tag in (V4, V5):
        assert server.upload(str(tag), LINUX, str(tag).encode()).status == 200
    operator = RemoteOperator(server)
    operator.take_over()
    return operator


def state(server: ServerProcess) -> dict[str, Any]:
    """All that a refused call must leave as it was."""
    folder = server.data_dir
    files = [path for name in ("tuf", "keys", "blobs") for path in (folder / name).rglob("*")]
    return {
        "files": {str(path): path.read_bytes() for path in files if path.is_file()},
        "shown": [
            server.get(path).body for path in ("/api/releases", "/api/channels", "/api/tuf/bundle")
        ],
        "audit": audit(server),
    }


def audit(server: ServerProcess) -> list[tuple[str, str, str]]:
    """Changes, oldest first: who, what, to what."""
    entries = server.get("/api/audit").json()["entries"]
    return [
        (entry["actor"], entry["action"], entry["subject"])
        for entry in reversed(entries)
        if entry["action"] not in ("forbidden", "create-token")
    ]


def signing(operator: RemoteOperator, tag: Tag, data: bytes, channel: str = "stable") -> Change:
    artifact = Artifact(LINUX, len(data), hashlib.sha256(data).hexdigest())
    publication = operator.signed().publication().with_artifact(tag, artifact)
    return lambda drafter: drafter.publish(publication.placed(tag, channel))


def test_a_bundle_is_put_in_place_and_written_down(strict: RemoteOperator) -> None:
    server = strict.server
    token = server.new_token("publisher")
    pending = server.upload("v0.6.0", LINUX, b"v0.6.0", token=token)
    assert pending.status == 202
    bundle = strict.operator.bundle(strict.signed(), signing(strict, V6, b"v0.6.0"))
    answer = strict.send(bundle, token=token)
    assert answer.status == 200
    assert answer.json()["status"] == "ok"
    roles = answer.json()["roles"]
    for document in bundle.documents():
        assert roles[document.role] == document.version
    assert roles[TIMESTAMP] == server.get("/tuf/timestamp.json").json()["signed"]["version"]
    assert server.get("/releases/latest").json()["tag"] == "v0.6.0"
    assert server.get(f"/releases/latest/{LINUX}").body == b"v0.6.0"
    assert server.get("/api/trust").json()["pending"] == []
    assert audit(server)[-2:] == [
        ("a publisher", "upload", f"v0.6.0/{LINUX}"),
        ("a publisher", "accept-bundle", "trust"),
    ]
    entries = server.get("/api/audit").json()["entries"]
    detail = next(each["detail"] for each in entries if each["action"] == "accept-bundle")
    assert sorted(detail["files"]) == sorted(each.name for each in bundle.documents())


@pytest.mark.parametrize("role", ["worker", "viewer", "operator"])
def test_who_may_not_send_a_bundle(strict: RemoteOperator, role: str) -> None:
    server, token = strict.server, strict.server.new_token(role)
    bundle = strict.operator.bundle(strict.signed(), lambda drafter: drafter.renew(GAIA_WORKER))
    before = state(server)
    assert strict.send(bundle, token=token).problem() == "forbidden"
    assert strict.send(bundle, token=None).problem() == "unauthorized"
    assert server.ask("POST", "/api/trust/renew", token=token).problem() == "forbidden"
    assert server.ask("POST", "/api/trust/online-key", token=token).problem() == "forbidden"
    assert state(server)["files"] == before["files"]


def test_only_the_admin_makes_an_online_key(strict: RemoteOperator) -> None:
    token = strict.server.new_token("publisher")
    answer = strict.server.ask("POST", "/api/trust/online-key", token=token)
    assert answer.problem() == "forbidden"


def unsigned(operator: RemoteOperator) -> Bundle:
    return operator.operator.draft(operator.signed(), lambda drafter: drafter.renew(GAIA_WORKER))


def outdated(operator: RemoteOperator) -> Bundle:
    roles = operator.signed()
    assert operator.sign(lambda drafter: drafter.renew(GAIA_WORKER)).status == 200
    return operator.operator.bundle(roles, lambda drafter: drafter.renew(GAIA_WORKER))


def never_uploaded(operator: RemoteOperator) -> Bundle:
    return operator.operator.bundle(operator.signed(), signing(operator, V6, b"nowhere"))


def other_bytes_uploaded(operator: RemoteOperator) -> Bundle:
    assert operator.server.upload("v0.6.0", LINUX, b"something else").status == 202
    return never_uploaded(operator)


def half_good(operator: RemoteOperator) -> Bundle:
    """A root that is right, and a release that cannot be served."""
    return operator.operator.bundle(
        operator.signed(),
        lambda drafter: drafter.renew(ROOT),
        signing(operator, V6, b"nowhere"),
    )


def malformed_pointer(operator: RemoteOperator) -> Bundle:
    publication = operator.signed().publication()
    pointer = publication.pointers["stable"]
    assert pointer is not None
    wrong = replace(publication, pointers={"stable": replace(pointer, floor=V6)})
    contents = to_contents(wrong)["channel-stable"]
    return operator.operator.bundle(
        operator.signed(), lambda drafter: drafter._contents.update({"channel-stable": contents})
    )


def other_online_key(operator: RemoteOperator) -> Bundle:
    holders = operator.operator.holders("elsewhere")
    return operator.operator.bundle(
        operator.signed(), lambda drafter: drafter.hand_over(TIMESTAMP, holders)
    )


REFUSED: dict[str, tuple[Callable[[RemoteOperator], Bundle], int, str]] = {
    "not signed": (unsigned, 403, "bundle-unsigned"),
    "somebody was faster": (outdated, 409, "bundle-outdated"),
    "its file was never uploaded": (never_uploaded, 409, "blob-missing"),
    "another file was uploaded": (other_bytes_uploaded, 409, "blob-missing"),
    "a part of it is good": (half_good, 409, "blob-missing"),
    "a pointer that cannot be read": (malformed_pointer, 409, "bundle-refused"),
    "an online key that is elsewhere": (other_online_key, 503, "online-key-missing"),
    "empty": (lambda _: Bundle(), 409, "bundle-refused"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_is_refused_leaves_everything_as_it_was(strict: RemoteOperator, sentence: str) -> None:
    build, status, code = REFUSED[sentence]
    bundle = build(strict)
    before = state(strict.server)
    answer = strict.send(bundle)
    assert (answer.status, answer.problem()) == (status, code)
    assert answer.json()["hint"]
    assert state(strict.server) == before
    strict.server.restart()
    assert state(strict.server) == before


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"{}x", b'{"files": []}', b'{"files": {"x": "y"}}'),
        *(b'{"files": {"1.root.json": 5}}', b'{"files": {"1.root.json": "{}"}}', b"\xff\xfe"),
        *(b"[" * 100_000, b'{"files": {}, "based_on": {"root": "two"}}'),
        b'{"files": {"1.root.json": "\\ud800"}}',
    ],
)
def test_what_is_no_bundle(strict: RemoteOperator, body: bytes) -> None:
    answer = strict.server.ask("PUT", "/api/tuf/bundle", body)
    assert (answer.status, answer.problem()) == (400, "bundle-malformed")
    assert len(answer.body) < 2000


def test_a_bundle_has_its_limit(server: ServerProcess) -> None:
    body = (b"x" * 2**20 for _ in range(MAX_SIZE // 2**20 + 1))
    answer = server.ask("PUT", "/api/tuf/bundle", body)
    assert (answer.status, answer.problem()) == (413, "body-too-large")


def test_the_signed_files_are_the_chain_and_the_newest(strict: RemoteOperator) -> None:
    server = strict.server
    viewer = server.new_token("viewer")
    strict.sign(lambda drafter: drafter.renew(ROOT))
    files = server.get("/api/tuf/bundle", token=viewer).json()["files"]
    assert {name for name in files if name.endswith(".root.json")} == {
        "1.root.json",
        "2.root.json",
        "3.root.json",
    }
    assert {name.partition(".")[2] for name in files} == {
        *("root.json", "targets.json", "gaia-worker.json", "channel-stable.json")
    }
    for name, text in files.items():
        assert server.get(f"/tuf/{name}").body == text.encode()
    worker = server.new_token("worker")
    assert server.get("/api/tuf/bundle", token=worker).problem() == "forbidden"


def test_the_state_of_trust(server: ServerProcess) -> None:
    server.upload("v0.4.0", LINUX, b"x")
    before = server.get("/api/trust").json()
    assert before["mode"] == "convenience"
    root = server.get("/tuf/1.root.json").body
    assert before["fingerprint"] == hashlib.sha256(root).hexdigest()
    operator = RemoteOperator(server)
    operator.take_over()
    server.upload("v0.5.0", LINUX, b"y", query="&channel=beta")
    after = server.get("/api/trust", token=server.new_token("viewer")).json()
    assert after["mode"] == "strict"
    assert after["fingerprint"] == before["fingerprint"]
    roles = {role["name"]: role for role in after["roles"]}
    assert roles.keys() == {ROOT, TARGETS, GAIA_WORKER, "channel-stable", SNAPSHOT, TIMESTAMP}
    assert roles[ROOT]["threshold"] == 2
    assert len(roles[ROOT]["keyids"]) == 3
    assert roles[GAIA_WORKER]["keyids"] == [operator.operator.key(GAIA_WORKER).public_key.keyid]
    assert 364 < roles[ROOT]["days_left"] <= 365
    assert 0.9 < roles[TIMESTAMP]["days_left"] <= 1
    assert roles[ROOT]["expires"].endswith("Z")
    assert [key["trusted"] for key in after["online_keys"]] == [True]
    assert after["pending"] == [
        {
            "tag": "v0.5.0",
            "filename": LINUX,
            "size": 1,
            "sha256": hashlib.sha256(b"y").hexdigest(),
            "channel": "beta",
        }
    ]
    assert server.get("/api/trust", token=server.new_token("worker")).problem() == "forbidden"


def versions(server: ServerProcess) -> dict[str, int]:
    return {role["name"]: role["version"] for role in server.get("/api/trust").json()["roles"]}


def test_renewal_signs_what_the_server_has_the_keys_of(server: ServerProcess) -> None:
    server.upload("v0.4.0", LINUX, b"x")
    before = versions(server)
    answer = server.ask("POST", "/api/trust/renew", token=server.new_token("publisher"))
    assert answer.status == 200
    assert {role["name"]: role["version"] for role in answer.json()["roles"]} == versions(server)
    after = versions(server)
    assert {name for name in after if after[name] > before[name]} == after.keys() - {ROOT}
    RemoteOperator(server).take_over()
    before = versions(server)
    assert server.ask("POST", "/api/trust/renew").status == 200
    after = versions(server)
    assert {name for name in after if after[name] > before[name]} == {SNAPSHOT, TIMESTAMP}
    assert audit(server)[-1] == ("start-up token", "renew-trust", "trust")


def test_a_lost_online_key_is_replaced(strict: RemoteOperator) -> None:
    server = strict.server
    (server.data_dir / "keys" / "online.pem").unlink()
    server.restart()
    assert server.ask("POST", "/api/trust/renew").problem() == "online-key-missing"
    answer = server.ask("POST", "/api/trust/online-key")
    (made,) = answer.json()["online_keys"]
    assert made["trusted"] is False
    keys = KeyFolder(server.data_dir / "keys").named("online-*")
    strict.operator.keys["online"] = keys[0]
    holders = strict.operator.holders("online")
    assert (
        strict.sign(
            lambda drafter: drafter.hand_over(SNAPSHOT, holders),
            lambda drafter: drafter.hand_over(TIMESTAMP, holders),
        ).status
        == 200
    )
    assert server.get("/api/trust").json()["online_keys"] == [{**made, "trusted": True}]
    assert server.ask("POST", "/api/trust/renew").status == 200
    assert ("start-up token", "make-online-key", "trust") in audit(server)


def test_a_strict_upload_waits_and_says_for_what(strict: RemoteOperator) -> None:
    server, operator = strict.server, strict.operator
    holders = operator.holders("alice", "bob", "carol", threshold=2)
    assert strict.sign(lambda drafter: drafter.hand_over(GAIA_WORKER, holders)).status == 200
    answer = server.upload("v0.6.0", LINUX, b"v0.6.0")
    assert answer.status == 202
    waiting = answer.json()
    assert (waiting["status"], waiting["published"]) == ("pending", False)
    release, channel = waiting["missing"]
    assert release.startswith("gaia-worker: signatures of 2 of 3 keys (")
    for name in ("alice", "bob", "carol"):
        assert operator.key(name).public_key.keyid[:16] in release
    assert channel == (
        "channel-stable: signatures of 1 of 1 keys "
        f"({operator.key('channel-stable').public_key.keyid[:16]})"
    )
    assert waiting["next"] == f"gaia release sign v0.6.0 {LINUX} --channel stable"
    for path in ("/releases/v0.6.0", f"/releases/v0.6.0/{LINUX}"):
        assert server.get(path).status == 404
    assert server.get("/releases/latest").json()["tag"] == "v0.5.0"
    server.restart()
    assert [row["tag"] for row in server.get("/api/trust").json()["pending"]] == ["v0.6.0"]
    again = server.upload("v0.6.0", LINUX, b"v0.6.0")
    assert (again.status, again.json()) == (202, waiting)


def test_a_strict_upload_to_a_channel_that_nobody_signs_yet(strict: RemoteOperator) -> None:
    answer = strict.server.upload("v0.6.0", LINUX, b"v0.6.0", query="&channel=beta")
    assert answer.status == 202
    assert "channel-beta: no keys are named for it yet" in answer.json()["missing"]
    holders = strict.operator.holders("channel-beta")
    publication = strict.signed().publication()
    artifact = Artifact(LINUX, 6, hashlib.sha256(b"v0.6.0").hexdigest())
    publication = publication.with_artifact(V6, artifact).promoted(V6, "beta")
    accepted = strict.sign(
        lambda drafter: drafter.hand_over("channel-beta", holders),
        lambda drafter: drafter.publish(publication),
    )
    assert accepted.status == 200
    assert strict.server.get("/releases/latest?channel=beta").json()["tag"] == "v0.6.0"
    assert strict.server.get("/releases/latest").json()["tag"] == "v0.5.0"


def test_what_waits_may_be_replaced_and_what_is_published_may_not(strict: RemoteOperator) -> None:
    server = strict.server
    assert server.upload("v0.6.0", LINUX, b"a mistake").status == 202
    assert server.upload("v0.6.0", LINUX, b"v0.6.0").status == 202
    assert strict.sign(signing(strict, V6, b"v0.6.0")).status == 200
    assert server.upload("v0.6.0", LINUX, b"v0.6.0").json()["status"] == "ok"
    assert server.upload("v0.6.0", LINUX, b"another").problem() == "file-conflict"
    assert server.get(f"/releases/latest/{LINUX}").body == b"v0.6.0"


def test_a_file_may_come_after_its_signature(strict: RemoteOperator) -> None:
    """Signed, and on no channel yet: nobody is sent to it."""
    artifact = Artifact(LINUX, 6, hashlib.sha256(b"v0.6.0").hexdigest())
    publication = strict.signed().publication().with_artifact(V6, artifact)
    assert strict.sign(lambda drafter: drafter.publish(publication)).status == 200
    assert strict.server.upload("v0.6.0", LINUX, b"another").problem() == "file-conflict"
    assert strict.server.upload("v0.6.0", LINUX, b"v0.6.0").json()["status"] == "ok"


def put(server: ServerProcess, channel: str, token: str | None = "", **wanted: str) -> Any:
    body = json.dumps(wanted).encode()
    return server.ask("PUT", f"/api/channels/{channel}", body, token=token)


def test_channels_and_withdrawal_in_convenience_mode(server: ServerProcess) -> None:
    for tag in (V4, V5, V6):
        server.upload(str(tag), LINUX, str(tag).encode())
    token = server.new_token("operator")
    (entry,) = put(server, "stable", token, current="v0.5.0", floor="v0.4.0").json()["channels"]
    assert (entry["current"], entry["floor"]) == ("v0.5.0", "v0.4.0")
    assert entry["tags"] == ["v0.6.0", "v0.5.0", "v0.4.0"]
    assert entry["latest"] == {"linux": "v0.5.0"}
    assert put(server, "stable", floor="v0.6.0").problem() == "floor-too-high"
    assert put(server, "stable", current="v0.7.0").problem() == "no-such-release"
    assert put(server, "beta", floor="v0.4.0").problem() == "no-release"
    assert put(server, "stable").problem() == "nothing-to-change"
    assert put(server, "Stable", current="v0.4.0").problem() == "invalid-channel"
    assert put(server, "stable", current="x").problem() == "invalid-tag"
    assert len(put(server, "beta", token, current="v0.6.0").json()["channels"]) == 2
    assert server.get("/releases/latest?channel=beta").json()["tag"] == "v0.6.0"

    answer = server.ask("POST", "/api/releases/v0.5.0/withdraw", token=token)
    assert [release["tag"] for release in answer.json()["releases"]] == ["v0.6.0", "v0.4.0"]
    assert server.get(f"/releases/v0.5.0/{LINUX}").status == 404
    assert server.get(f"/releases/latest/{LINUX}").body == b"v0.4.0"
    assert server.upload("v0.5.0", LINUX, b"v0.5.0").problem() == "release-withdrawn"
    assert server.ask("POST", "/api/releases/v0.5.0/withdraw").status == 200
    assert server.ask("POST", "/api/releases/v0.7.0/withdraw").problem() == "no-such-release"
    assert server.ask("POST", "/api/releases/v0.4.0/withdraw").problem() == "nothing-left"
    server.restart()
    channels = {each["name"]: each for each in server.get("/api/channels").json()["channels"]}
    assert channels["stable"]["withdrawn"] == ["v0.5.0"]
    assert channels["stable"]["current"] == "v0.4.0"
    assert ("a operator", "withdraw", "v0.5.0") in audit(server)


@pytest.mark.parametrize("role", ["worker", "viewer"])
def test_who_may_not_steer(server: ServerProcess, role: str) -> None:
    server.upload("v0.4.0", LINUX, b"x")
    token = server.new_token(role)
    assert put(server, "stable", token, current="v0.4.0").problem() == "forbidden"
    withdrawal = server.ask("POST", "/api/releases/v0.4.0/withdraw", token=token)
    assert withdrawal.problem() == "forbidden"


def test_a_strict_server_says_what_to_run_instead(strict: RemoteOperator) -> None:
    server = strict.server
    before = state(server)
    calls = {
        "gaia release withdraw v0.5.0": server.ask("POST", "/api/releases/v0.5.0/withdraw"),
        "gaia release promote v0.4.0 --channel stable": put(server, "stable", current="v0.4.0"),
        "gaia channel floor stable v0.4.0": put(server, "stable", floor="v0.4.0"),
    }
    for command, answer in calls.items():
        assert (answer.status, answer.problem()) == (403, "strict-mode")
        assert answer.json()["hint"].endswith(command)
    both = put(server, "beta", current="v0.4.0", floor="v0.4.0").json()["hint"]
    assert both.endswith(
        "gaia release promote v0.4.0 --channel beta; gaia channel floor beta v0.4.0"
    )
    assert state(server) == before


def test_a_bundle_withdraws_and_lowers(strict: RemoteOperator) -> None:
    server = strict.server
    publication = strict.signed().publication().without(V5)
    assert strict.sign(lambda drafter: drafter.publish(publication)).status == 200
    assert server.get("/releases/latest").json()["tag"] == "v0.4.0"
    assert server.get(f"/releases/v0.5.0/{LINUX}").status == 404
    assert server.upload("v0.5.0", LINUX, b"v0.5.0").problem() == "release-withdrawn"
