"""The client workflow over repositories that are not of our making (TUF 5.3 to 5.6).

The cases are those that the TUF project's conformance suite asks of a client, in our own words.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Timestamp

from support.conformance import PROGRAM, Client

FIRST = {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
YESTERDAY = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


@pytest.mark.parametrize("python", [[], [sys.executable]])
def test_the_program_runs_by_itself(client: Client, python: list[str]) -> None:
    client.repository.add_target("a/file", b"content")
    client.repository.update("targets")
    client.run = lambda arguments: (
        subprocess.run([*python, str(PROGRAM), *arguments], check=False).returncode
    )
    assert client.init() == 0
    assert client.refresh() == 0
    assert client.download("a/file") == 0
    assert client.downloaded() == {"a/file": b"content"}
    assert client.download("another") == 1


def test_the_first_refresh_asks_for_each_role_once_in_order(client: Client) -> None:
    assert client.refresh() == 0
    assert client.asked() == ["2.root", "timestamp", "1.snapshot", "1.targets"]
    assert client.trusted() == FIRST
    for role in ("targets", "snapshot"):
        kept = (client.metadata / f"{role}.json").read_bytes()
        assert kept == client.repository.files[f"metadata/1.{role}.json"]


def test_the_next_refresh_asks_for_what_may_have_changed(client: Client) -> None:
    assert client.refresh() == 0
    assert client.refresh() == 0
    assert client.asked() == ["2.root", "timestamp"]


def test_init_asks_for_nothing(client: Client) -> None:
    assert client.trusted() == {"root": 1}
    assert client.repository.asked == []


def without_version(root: Any) -> None:
    del root["signed"]["version"]


def with_another_signature(root: Any) -> None:
    root["signatures"][0]["sig"] = "00" * 64


@pytest.mark.parametrize("damage", [without_version, with_another_signature])
def test_a_pinned_root_that_is_none_asks_for_nothing(
    client: Client, damage: Callable[[Any], None]
) -> None:
    root = json.loads(client.repository.first_root)
    damage(root)
    client.init(json.dumps(root).encode())
    assert client.refresh() == 1
    assert client.repository.asked == []


@pytest.mark.parametrize(
    ("role", "trusted"),
    [
        ("root", {"root": 1}),
        ("timestamp", {"root": 1}),
        ("snapshot", {"root": 1, "timestamp": 2}),
        ("targets", {"root": 1, "timestamp": 2, "snapshot": 2}),
    ],
)
def test_a_role_without_its_signature_stops_there(
    client: Client, role: str, trusted: dict[str, int]
) -> None:
    repository = client.repository
    repository.keys[role] = []
    repository.publish(*(["root"] if role == "root" else ["targets", "snapshot", "timestamp"]))
    assert client.refresh() == 1
    assert client.trusted() == trusted


@pytest.mark.parametrize(
    ("role", "trusted"),
    [
        ("root", {**FIRST, "root": 2}),  # persisted before it is looked at (5.3.8, 5.3.10)
        ("timestamp", FIRST),
        ("snapshot", {**FIRST, "timestamp": 2}),
        ("targets", {**FIRST, "timestamp": 2, "snapshot": 2}),
    ],
)
def test_an_expired_role_is_not_used(client: Client, role: str, trusted: dict[str, int]) -> None:
    assert client.refresh() == 0
    client.repository.signed[role].expires = YESTERDAY
    client.repository.publish(*(["root"] if role == "root" else []))
    client.repository.update("targets")
    assert client.refresh() == 1
    assert client.trusted() == trusted


def test_what_has_expired_here_still_leads_to_what_is_fresh(client: Client) -> None:
    client.repository.timestamp.expires = YESTERDAY
    client.repository.publish("timestamp")
    assert client.refresh() == 1
    client.repository.timestamp.expires = datetime.now(UTC).replace(microsecond=0) + timedelta(1)
    client.repository.update("targets")
    assert client.refresh() == 0
    assert client.trusted()["targets"] == 2


@pytest.mark.parametrize("hashes", [False, True])
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_rollback(client: Client, role: str, hashes: bool) -> None:
    repository = client.repository
    repository.with_hashes = hashes
    for _ in range(3):
        repository.update("targets")
    assert client.refresh() == 0
    repository.signed[role].version = 1
    if role == "timestamp":
        repository.publish("timestamp")
    elif role == "snapshot":
        repository.publish("snapshot", "timestamp")
    else:
        repository.update("targets")
    assert client.refresh() == 1
    assert client.trusted()[role] == 4


def test_a_root_of_another_version_than_its_name_says(client: Client) -> None:
    repository = client.repository
    repository.root.version = 2
    repository.publish("root")  # 3
    repository.files["metadata/2.root.json"] = repository.files.pop("metadata/3.root.json")
    assert client.refresh() == 1
    assert client.trusted() == {"root": 1}


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_a_role_of_another_version_than_is_signed_above_it(client: Client, role: str) -> None:
    repository = client.repository
    repository.publish("targets", "snapshot", "timestamp")
    newer = repository.files[f"metadata/2.{role}.json"]
    repository.publish("targets", "snapshot", "timestamp")
    repository.files[f"metadata/3.{role}.json"] = newer
    assert client.refresh() == 1
    assert role not in client.trusted()


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_a_role_of_another_digest_or_length_than_is_signed(client: Client, role: str) -> None:
    repository = client.repository
    repository.with_hashes = True
    repository.update("targets")
    assert client.refresh() == 0
    for change in (b"\n", b" " * 100_000):
        repository.update("targets")
        version = repository.signed[role].version
        repository.files[f"metadata/{version}.{role}.json"] += change
        assert client.refresh() == 1
        assert client.trusted()[role] == 2


def test_the_same_timestamp_version_with_other_content_is_not_taken(client: Client) -> None:
    assert client.refresh() == 0
    repository = client.repository
    repository.timestamp.snapshot_meta.version = 100
    repository.publish("timestamp", again=False)
    assert client.refresh() == 0
    assert client.asked() == ["2.root", "timestamp"]
    kept: Metadata[Timestamp] = Metadata.from_file(str(client.metadata / "timestamp.json"))
    assert kept.signed.snapshot_meta.version == 1


def test_what_the_snapshot_does_not_name_is_not_asked_for(client: Client) -> None:
    assert client.refresh() == 0
    client.repository.publish("targets")
    assert client.refresh() == 0
    assert client.asked() == ["2.root", "timestamp"]


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_fast_forward_ends_with_the_keys(client: Client, role: str) -> None:
    repository = client.repository
    repository.signed[role].version = 99_999
    repository.update("targets")
    assert client.refresh() == 0
    assert client.trusted()[role] == 100_000
    for rotated in ("snapshot", "timestamp"):
        repository.rotate(rotated)
    repository.publish("root")
    repository.signed[role].version = 1
    repository.update("targets")
    assert client.refresh() == 0
    assert client.trusted()[role] == 2


def test_twenty_roots_are_followed_one_by_one(client: Client) -> None:
    repository = client.repository
    for _ in range(20):
        old = list(repository.keys["root"])
        repository.rotate("root")
        repository.publish("root", keys=[*old, *repository.keys["root"]])
    assert client.refresh() == 0
    roots = [f"{number}.root" for number in range(2, 23)]
    assert client.asked() == [*roots, "timestamp", "1.snapshot", "1.targets"]
    assert client.trusted()["root"] == 21
    assert client.refresh() == 0
    assert client.asked() == ["22.root", "timestamp"]


@pytest.mark.parametrize("signed_by", ["old", "new"])
def test_a_root_needs_the_old_keys_and_its_own(client: Client, signed_by: str) -> None:
    repository = client.repository
    old = list(repository.keys["root"])
    repository.rotate("root")
    repository.publish("root", keys=old if signed_by == "old" else repository.keys["root"])
    assert client.refresh() == 1
    assert client.trusted() == {"root": 1}


def test_a_lost_root_ends_the_chain_where_it_is_lost(client: Client) -> None:
    """Nobody but a heartbeat could say that there are more: what is signed above must fit it."""
    repository = client.repository
    for _ in range(3):
        repository.rotate("timestamp")
        repository.publish("root")
    repository.publish("timestamp")
    lost = repository.files.pop("metadata/3.root.json")
    assert client.refresh() == 1
    assert client.trusted() == {"root": 2}
    repository.files["metadata/3.root.json"] = lost
    assert client.refresh() == 0
    assert client.trusted()["root"] == 4


def test_a_threshold_counts_keys_and_not_signatures(client: Client) -> None:
    repository = client.repository
    assert client.refresh() == 0
    repository.root.roles["snapshot"].threshold = 3
    repository.publish("root")
    repository.update()
    assert client.refresh() == 1
    repository.add_key("snapshot")
    repository.publish("root")
    repository.update()
    newest = f"metadata/{repository.name('snapshot')}"
    twice = json.loads(repository.files[newest])
    twice["signatures"].append(twice["signatures"][0])
    repository.files[newest] = json.dumps(twice).encode()
    assert client.refresh() == 1
    assert client.trusted()["snapshot"] == 1
    repository.add_key("snapshot")
    repository.publish("root")
    repository.update()
    assert client.refresh() == 0
    assert client.trusted()["snapshot"] == repository.snapshot.version


def test_a_threshold_above_the_number_of_keys_is_never_met(client: Client) -> None:
    client.repository.root.roles["snapshot"].threshold = 2
    client.repository.publish("root")
    client.repository.update()
    assert client.refresh() == 1
    assert "snapshot" not in client.trusted()


@pytest.mark.parametrize(
    "make_key",
    [
        CryptoSigner.generate_ed25519,
        CryptoSigner.generate_ecdsa,
        CryptoSigner.generate_rsa,
        lambda: CryptoSigner.generate_rsa(scheme="rsa-pkcs1v15-sha256"),
    ],
    ids=["ed25519", "ecdsa", "rsa-pss", "rsa-pkcs1v15"],
)
def test_every_kind_of_key(open_client: Callable[..., Client], make_key: Any) -> None:
    """With `cryptography` at hand; a worker in one file has Ed25519 only, by design."""
    client = open_client(make_key)
    client.repository.add_target("file", b"content")
    client.repository.update("targets")
    assert client.init() == 0
    assert client.download("file") == 0
    assert client.downloaded() == {"file": b"content"}


def test_fields_that_nobody_knows_are_signed_like_others(client: Client) -> None:
    root = client.repository.root
    keyid = root.roles["root"].keyids[0]
    root.unrecognized_fields["novelty"] = "value"
    root.keys[keyid].unrecognized_fields["keyid_hash_algorithms"] = ["md5"]
    root.roles["root"].unrecognized_fields["other"] = {"a": [1, None, "ü"]}
    client.repository.publish("root")
    assert client.refresh() == 0
    assert client.trusted()["root"] == 2


def test_without_consistent_snapshots(client: Client) -> None:
    repository = client.repository
    repository.root.consistent_snapshot = False
    repository.delegate("targets", "other.role")
    repository.publish("root")
    repository.add_target("file", b"content", "other.role")
    repository.update("other.role", "targets")
    assert client.refresh() == 0
    assert client.asked() == ["2.root", "3.root", "timestamp", "snapshot", "targets"]
    assert client.download("file") == 0
    assert client.asked() == ["3.root", "timestamp", "other.role"]
    assert client.repository.asked[-1] == "targets/file"
