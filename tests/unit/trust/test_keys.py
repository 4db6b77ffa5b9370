"""The server's folder of keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gaia.errors import TrustError
from gaia.trust.keys import KeyFolder


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys")


def test_a_key_is_made_once(keys: KeyFolder) -> None:
    made = keys.obtain("online")
    assert keys.obtain("online").public_key == keys.load("online").public_key == made.public_key


def test_keys_by_name_and_by_id(keys: KeyFolder) -> None:
    made = {name: keys.obtain(name).public_key for name in ("online", "online-7", "targets")}
    assert {key.public_key.keyid for key in keys.named("online*")} == {
        made["online"].keyid,
        made["online-7"].keyid,
    }
    assert [key.public_key for key in keys.trusted([made["targets"].keyid, "x"])] == [
        made["targets"]
    ]
    assert len(keys.all()) == 3
    assert keys.root.all() == []
    keys.check()


def test_a_damaged_key_is_left_out_and_told_when_asked(keys: KeyFolder) -> None:
    keys.obtain("online")
    (keys.folder / "targets.pem").write_bytes(b"")
    assert len(keys.all()) == 1
    for act in (keys.check, lambda: keys.load("targets"), lambda: keys.obtain("targets")):
        with pytest.raises(TrustError) as refusal:
            act()
        assert refusal.value.code == "key-unreadable"
        assert str(keys.folder / "targets.pem") in refusal.value.message


def test_a_key_of_another_kind(keys: KeyFolder) -> None:
    keys.folder.mkdir()
    (keys.folder / "online.pem").write_bytes(
        generate_private_key(SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    with pytest.raises(TrustError, match="not an Ed25519 key"):
        keys.load("online")


def test_keys_are_forgotten_by_id(keys: KeyFolder) -> None:
    old, new = keys.obtain("online").public_key, keys.obtain("online-7").public_key
    (keys.folder / "a-damaged-one.pem").write_bytes(b"")
    keys.remove([old.keyid])
    assert [key.public_key for key in keys.all()] == [new]
    with pytest.raises(TrustError) as refusal:
        keys.load("online")
    assert refusal.value.code == "key-missing"
