"""One signed file."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, Targets, Timestamp

from gaia.errors import TrustError
from gaia.trust.document import Document
from gaia.trust.drafting import Holders, delegations
from gaia.trust.metadata_files import ReceivedFiles
from gaia.trust.roles import GAIA_WORKER, TARGETS, TIMESTAMP

ALICE, BOB, STRANGER = (CryptoSigner.generate_ed25519() for _ in range(3))
DELEGATOR = Targets(
    delegations=delegations({GAIA_WORKER: Holders((ALICE.public_key, BOB.public_key), 2)})
)


def draft() -> Document[Targets]:
    return Document.sign(GAIA_WORKER, Targets(7, expires=datetime(2027, 1, 1, tzinfo=UTC)))


def test_names() -> None:
    assert draft().name == "7.gaia-worker.json"
    assert Document.sign(TIMESTAMP, Timestamp(9)).name == "timestamp.json"


def test_a_reference_is_to_these_bytes_and_no_other() -> None:
    document = draft()
    assert document.reference.version == 7
    assert document.reference.length == len(document.data)
    assert document.reference.hashes == {"sha256": hashlib.sha256(document.data).hexdigest()}
    assert document.countersigned([ALICE]).reference != document.reference


def test_signatures_come_one_after_the_other() -> None:
    once = draft().countersigned([ALICE])
    assert not once.vouched_for_by(DELEGATOR)
    assert set(once.signatures(DELEGATOR).signed) == {ALICE.public_key.keyid}
    assert set(once.signatures(DELEGATOR).unsigned) == {BOB.public_key.keyid}
    twice = once.countersigned([BOB])
    assert twice.vouched_for_by(DELEGATOR)
    assert twice.metadata.signed_bytes == draft().metadata.signed_bytes
    assert once.countersigned([ALICE]).data == once.data
    assert not once.countersigned([STRANGER]).vouched_for_by(DELEGATOR)


def test_nobody_vouches_for_a_role_that_is_not_delegated() -> None:
    document = Document.sign("channel-x", Targets(1), [ALICE, BOB])
    assert not document.vouched_for_by(DELEGATOR)
    assert not document.vouched_for_by(Targets())
    assert not document.vouched_for_by(Root())
    assert document.signatures(DELEGATOR).threshold == 1


def test_it_is_read_back() -> None:
    document = draft().countersigned([ALICE])
    again = Document.parse(Targets, GAIA_WORKER, document.name, document.data)
    assert again.data == document.data
    assert again.signed == document.signed


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("7.targets.json", b"", "not TUF metadata"),
        ("7.targets.json", b"null", "not TUF metadata"),
        ("7.targets.json", Metadata(Timestamp(7)).to_bytes(), "of the kind 'timestamp'"),
        ("8.targets.json", Metadata(Targets(7)).to_bytes(), "says that it is 7.targets.json"),
    ],
)
def test_what_it_is_not(name: str, data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Document.parse(Targets, TARGETS, name, data)
    with pytest.raises(TrustError, match=why) as refusal:
        Document.load(Targets, TARGETS, name, ReceivedFiles({name: data}, "the server"))
    assert refusal.value.code == "metadata-refused"


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(TrustError, match=r"7\.targets\.json from the server .* not there"):
        Document.load(Targets, TARGETS, "7.targets.json", ReceivedFiles({}, "the server"))
