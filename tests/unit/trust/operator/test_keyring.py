"""The operator's keyring."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner, SSlibKey

from gaia.errors import Conflict, GaiaError, InvalidInput, NotFound, TrustError
from gaia.trust.operator import public_keys
from gaia.trust.operator.keyring import Keyring, check_name
from support.openssh import PASSPHRASE

MakeKey = Callable[..., Path]


def key() -> SSlibKey:
    return CryptoSigner.generate_ed25519().public_key


def never(_: str) -> str:
    pytest.fail("nobody should be asked")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "trust"


def test_it_is_empty_at_first(folder: Path) -> None:
    keyring = Keyring.load(folder)
    assert keyring.names() == []
    assert not folder.exists()


def test_what_is_added_is_found_again(folder: Path) -> None:
    alice, bob = key(), key()
    keyring = Keyring.load(folder)
    keyring.add("bob", bob)
    keyring.add("alice", alice, "file:keys/alice")
    for each in (keyring, Keyring.load(folder)):
        assert each.names() == ["alice", "bob"]
        fingerprint = public_keys.fingerprint(alice)
        for name in ("alice", alice.keyid, fingerprint):
            entry = each.find(name)
            assert (entry.key, entry.uri) == (alice, "file:keys/alice")
            assert (entry.keyid, entry.fingerprint) == (alice.keyid, fingerprint)
        assert [entry.name for entry in each.held([alice.keyid, bob.keyid])] == ["alice"]
        with pytest.raises(NotFound) as refusal:
            each.find("carol")
        assert refusal.value.code == "no-such-key"
    assert stat.S_IMODE((folder / "keyring.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_key_that_moved(folder: Path) -> None:
    alice = key()
    keyring = Keyring.load(folder)
    keyring.add("alice", alice, "file:old")
    keyring.add("alice", alice, "file:new")
    keyring.add("alice", alice)
    assert Keyring.load(folder).find("alice").uri == "file:new"


def test_names_and_keys_stand_for_one_another(folder: Path) -> None:
    alice = key()
    keyring = Keyring.load(folder)
    keyring.add("alice", alice)
    for name, public, code in (
        ("alice", key(), "key-name-taken"),
        ("alicia", alice, "key-already-known"),
    ):
        with pytest.raises(Conflict) as refusal:
            keyring.add(name, public)
        assert refusal.value.code == code
    assert Keyring.load(folder).names() == ["alice"]


@pytest.mark.parametrize("name", ["", "A", "../x", "a/b", "a b", "-a", "x" * 65, "ä", "a\n"])
def test_odd_names(folder: Path, name: str) -> None:
    for act in (lambda: check_name(name), lambda: Keyring.load(folder).add(name, key())):
        with pytest.raises(InvalidInput) as refusal:
            act()
        assert refusal.value.code == "invalid-key-name"
    assert not folder.exists()


def test_a_disk_that_is_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = Keyring.load(folder)
    keyring.add("alice", key())

    def write(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gaia.trust.files.write", write)
    with pytest.raises(OSError, match="No space"):
        keyring.add("bob", key())
    assert keyring.names() == Keyring.load(folder).names() == ["alice"]


RECORD = {"public": public_keys.to_line(public_keys.from_raw(bytes(32))), "keyid": "", "uri": ""}


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", '{"alice": 5}', "\ufeff{}"),
        json.dumps({"alice": {"public": "ssh-rsa AAAA", "keyid": "x", "uri": ""}}),
        json.dumps({"alice": RECORD}),
        json.dumps({"../x": RECORD}),
        json.dumps({"alice": {**RECORD, "more": 1}}),
        json.dumps({"alice": {**RECORD, "public": "ssh-ed25519 \u00c4"}}),
    ],
)
def test_a_damaged_keyring(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "keyring.json").write_text(text, encoding="utf-8")
    with pytest.raises(TrustError) as refusal:
        Keyring.load(folder)
    assert refusal.value.code == "keyring-damaged"
    assert "gaia key import" in refusal.value.hint


def test_a_keyring_of_other_bytes(folder: Path) -> None:
    folder.mkdir()
    (folder / "keyring.json").write_bytes(b'{"\xff": 1}')
    with pytest.raises(TrustError):
        Keyring.load(folder)


def test_signers(folder: Path, make_key: MakeKey) -> None:
    keyring = Keyring.load(folder)
    publics = {}
    for name, passphrase in (("alice", PASSPHRASE), ("bob", "")):
        path = make_key(name, passphrase)
        publics[name] = public_keys.from_line(path.with_name(f"{name}.pub").read_text())
        keyring.add(name, publics[name], f"file:../{name}")
    keyring.add("carol", publics.setdefault("carol", key()))
    everyone = {public.keyid for public in publics.values()}
    assert keyring.called() == {public.keyid: name for name, public in publics.items()}
    assert [entry.name for entry in keyring.chosen(everyone, ())] == ["alice", "bob"]
    for chosen in ("bob", publics["bob"].keyid, public_keys.fingerprint(publics["bob"])):
        (entry,) = keyring.chosen(everyone, [chosen])
        assert keyring.signer(entry, never).public_key == publics["bob"]
    asked = []

    def ask(name: str) -> str:
        asked.append(name)
        return PASSPHRASE

    assert keyring.signer(keyring.find("alice"), ask).public_key == publics["alice"]
    assert asked == ["alice"]
    assert keyring.chosen({publics["carol"].keyid}, ()) == []
    assert keyring.chosen({publics["carol"].keyid}, ["bob"]) == []
    for name, code in (("carol", "private-key-elsewhere"), ("dave", "no-such-key")):
        with pytest.raises(GaiaError) as refusal:
            keyring.chosen(everyone, [name])
        assert refusal.value.code == code


def test_a_new_key_of_its_own(folder: Path) -> None:
    keyring = Keyring.load(folder)
    entry = keyring.generate("alice", PASSPHRASE)
    assert (entry.uri, entry.name) == ("file:keys/alice", "alice")
    signer = Keyring.load(folder).signer(entry, lambda _: PASSPHRASE)
    assert signer.public_key == entry.key
    keyring.check_free("bob")
    with pytest.raises(Conflict) as refusal:
        keyring.generate("alice", PASSPHRASE)
    assert refusal.value.code == "key-name-taken"
    (folder / "keys" / "bob").write_text("somebody's")
    with pytest.raises(Conflict) as refusal:
        keyring.generate("bob", PASSPHRASE)
    assert refusal.value.code == "key-file-exists"
    assert keyring.names() == ["alice"]
