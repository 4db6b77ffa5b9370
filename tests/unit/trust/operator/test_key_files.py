"""Key files of OpenSSH and of ours, each read by the other."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from gaia.errors import Conflict, GaiaError, InvalidInput
from gaia.trust.operator import key_files, public_keys
from support.openssh import PASSPHRASE, ssh_keygen

MakeKey = Callable[..., Path]


def never() -> str:
    pytest.fail("nobody should be asked")


def public_of(private: Ed25519PrivateKey) -> str:
    return public_keys.to_line(public_keys.from_raw(private.public_key().public_bytes_raw()))


def code_of(path: Path, passphrase: Callable[[], str] = never) -> str:
    with pytest.raises(GaiaError) as refusal:
        key_files.decrypt(key_files.read(path), str(path), passphrase)
    assert PASSPHRASE not in str(refusal.value)
    assert refusal.value.hint
    return refusal.value.code


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE, "Mühlrad 水 in the brook"])
def test_a_key_of_ssh_keygen(make_key: MakeKey, passphrase: str) -> None:
    path = make_key("alice", passphrase)
    private = key_files.decrypt(
        key_files.read(path), "it", (lambda: passphrase) if passphrase else never
    )
    line = path.with_name("alice.pub").read_text()
    assert line.startswith(public_of(private))


@pytest.mark.parametrize("cipher", ["aes256-ctr", "aes256-cbc", "aes256-gcm@openssh.com"])
def test_ciphers_of_ssh_keygen(make_key: MakeKey, cipher: str) -> None:
    path = make_key("alice", PASSPHRASE, "-t", "ed25519", "-Z", cipher)
    private = key_files.decrypt(key_files.read(path), "it", lambda: PASSPHRASE)
    assert path.with_name("alice.pub").read_text().startswith(public_of(private))


def test_a_cipher_that_is_not_known_here(make_key: MakeKey) -> None:
    path = make_key("alice", PASSPHRASE, "-t", "ed25519", "-Z", "aes128-ctr")
    assert code_of(path, lambda: PASSPHRASE) == "invalid-private-key"


def test_our_key_is_read_by_ssh_keygen(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "alice"
    public = key_files.generate(path, PASSPHRASE, "release key\nof Alice")
    line = path.with_name("alice.pub").read_text()
    assert line == f"{public_keys.to_line(public)} release key of Alice\n"
    shown = ssh_keygen("-y", "-P", PASSPHRASE, "-f", path)
    assert shown.split()[:2] == line.split()[:2]
    assert public_keys.fingerprint(public) in ssh_keygen("-l", "-f", path.with_name("alice.pub"))
    private = key_files.decrypt(key_files.read(path), "it", lambda: PASSPHRASE)
    assert public_of(private) == public_keys.to_line(public)


def test_our_files_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "trust" / "keys" / "alice"
    key_files.generate(path, PASSPHRASE, "")
    for private, mode in ((path, 0o600), (path.parent, 0o700), (path.parent.parent, 0o700)):
        assert stat.S_IMODE(private.stat().st_mode) == mode
    assert b"ENCRYPTED" not in path.read_bytes()  # OpenSSH's format does not say so
    assert code_of(path, lambda: "another passphrase") == "wrong-passphrase"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "alice"
    key_files.generate(path, PASSPHRASE, "")
    before = path.read_bytes()
    path.with_name("bob.pub").write_text("somebody's")
    for taken in (path, tmp_path / "bob"):
        with pytest.raises(Conflict) as refusal:
            key_files.generate(taken, PASSPHRASE, "")
        assert refusal.value.code == "key-file-exists"
    assert path.read_bytes() == before
    assert not (tmp_path / "bob").exists()


@pytest.mark.parametrize("passphrase", ["", "short", " " * 20, "x" * 1024, "ü" * 512])
def test_weak_passphrases(tmp_path: Path, passphrase: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        key_files.generate(tmp_path / "alice", passphrase, "")
    assert refusal.value.code == "weak-passphrase"
    assert list(tmp_path.iterdir()) == []


def test_the_longest_passphrase(tmp_path: Path) -> None:
    key_files.generate(tmp_path / "alice", "x" * 1023, "")
    key_files.decrypt(key_files.read(tmp_path / "alice"), "it", lambda: "x" * 1023)


@pytest.mark.parametrize("given", ["wrong", "", "\ud800", "x" * 5000])
def test_the_wrong_passphrase(make_key: MakeKey, given: str) -> None:
    assert code_of(make_key("alice", PASSPHRASE), lambda: given) == "wrong-passphrase"


@pytest.mark.parametrize("given", ["wrong", ""])
def test_the_wrong_passphrase_of_a_pem(tmp_path: Path, given: str) -> None:
    path = tmp_path / "alice.pem"
    path.write_bytes(pem(PASSPHRASE))
    assert code_of(path, lambda: given) == "wrong-passphrase"


def pem(passphrase: str) -> bytes:
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
def test_pem(passphrase: str) -> None:
    text = pem(passphrase)
    private = key_files.decrypt(text, "it", (lambda: passphrase) if passphrase else never)
    assert len(private.sign(b"x")) == 64


@pytest.mark.parametrize("kind", [("-t", "rsa", "-b", "2048"), ("-t", "ecdsa")])
@pytest.mark.parametrize("form", ["RFC4716", "PKCS8"])
def test_other_kinds_of_keys(make_key: MakeKey, kind: tuple[str, ...], form: str) -> None:
    assert code_of(make_key("alice", "", *kind, "-m", form)) == "not-ed25519"


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"nonsense", b"\x00\xff" * 100, b"-----BEGIN PRIVATE KEY-----\n"),
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n!!!\n-----END OPENSSH PRIVATE KEY-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    ],
)
def test_what_holds_no_key(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "alice"
    path.write_bytes(text)
    assert code_of(path) == "invalid-private-key"


def test_a_public_key_in_place_of_the_private_one(make_key: MakeKey) -> None:
    assert code_of(make_key("alice").with_name("alice.pub")) == "invalid-private-key"


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
def test_a_damaged_file(make_key: MakeKey, passphrase: str) -> None:
    """Every byte of it: an error that is ours, or a key that is another."""
    path = make_key("alice", passphrase)
    whole = path.read_bytes()
    for position in range(40, len(whole) - 40, 7 if not passphrase else 60):
        damaged = bytearray(whole)
        damaged[position] = ord("A") if damaged[position] != ord("A") else ord("B")
        with contextlib.suppress(InvalidInput):
            key_files.decrypt(bytes(damaged), "it", lambda: passphrase)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, code in {
        tmp_path / "nowhere": "key-file-missing",
        tmp_path: "key-file-unreadable",
        tmp_path / "a\0b": "key-file-unreadable",
        tmp_path / ("x" * 300): "key-file-unreadable",
    }.items():
        with pytest.raises(InvalidInput) as refusal:
            key_files.read(path)
        assert refusal.value.code == code
        assert refusal.value.hint


def test_a_file_that_is_far_too_long(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.touch()
    os.truncate(path, 2**40)
    with pytest.raises(InvalidInput) as refusal:
        key_files.read(path)
    assert refusal.value.code == "key-file-unreadable"
