"""Public keys, as OpenSSH writes them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from gaia.errors import InvalidInput
from gaia.trust.operator import public_keys
from support.openssh import ssh_keygen

MakeKey = Callable[..., Path]


def test_the_line_and_the_fingerprint_are_openssh_s(make_key: MakeKey) -> None:
    path = make_key("alice").with_name("alice.pub")
    line = path.read_text()
    key = public_keys.from_line(line)
    assert public_keys.to_line(key, "alice") == line.strip()
    assert ssh_keygen("-l", "-f", path).split()[1] == public_keys.fingerprint(key)


def test_the_key_id_is_the_one_of_tuf_metadata() -> None:
    key = CryptoSigner.generate_ed25519().public_key
    again = public_keys.from_line(public_keys.to_line(key))
    assert (again.keyid, again.keyval) == (key.keyid, key.keyval)
    assert public_keys.from_raw(public_keys.raw(key)) == key
    assert public_keys.from_blob(public_keys.blob(key)) == key


@pytest.mark.parametrize("kind", [("-t", "rsa", "-b", "2048"), ("-t", "ecdsa")])
def test_other_kinds_are_named(make_key: MakeKey, kind: tuple[str, ...]) -> None:
    line = make_key("alice", "", *kind).with_name("alice.pub").read_text()
    with pytest.raises(InvalidInput) as refusal:
        public_keys.from_line(line)
    assert refusal.value.code == "invalid-public-key"
    assert line.split()[0] in refusal.value.message


HEAD = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"


@pytest.mark.parametrize(
    "line",
    [
        *("", " ", "ssh-ed25519", "nonsense", "ssh-ed25519 !!!", "ssh-ed25519 AAAA", "ä ö ü"),
        "ssh-ed25519 " + base64.b64encode(HEAD + b"x" * 31).decode(),
        "ssh-ed25519 " + base64.b64encode(HEAD + b"x" * 33).decode(),
        "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x07ssh-rsa\0\0\0\x20" + b"x" * 32).decode(),
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "ssh-ed25519 ÄÖÜ",
    ],
)
def test_what_is_no_public_key(line: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        public_keys.from_line(line)
    assert refusal.value.code == "invalid-public-key"
    assert "ssh-keygen -t ed25519" in refusal.value.hint
