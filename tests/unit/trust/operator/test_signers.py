"""Signers by URI."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, Targets

from gaia.errors import GaiaError, InvalidInput
from gaia.trust.operator import public_keys
from gaia.trust.operator.signers import AgentSigner, find_signer, open_signer
from gaia.trust.operator.ssh_agent import Agent
from support.openssh import PASSPHRASE, RunningAgent

MakeKey = Callable[..., Path]

OTHER = CryptoSigner.generate_ed25519().public_key


def never(_: str) -> str:
    pytest.fail("nobody should be asked")


def public(path: Path) -> SSlibKey:
    return public_keys.from_line(path.with_name(f"{path.name}.pub").read_text())


def code_of(uri: str, key: SSlibKey = OTHER, base: Path | None = None) -> str:
    with pytest.raises(GaiaError) as refusal:
        open_signer(uri, key, lambda _: "wrong", base=base)
    assert refusal.value.hint
    return refusal.value.code


def test_a_file(make_key: MakeKey, tmp_path: Path) -> None:
    path = make_key("alice", PASSPHRASE)
    asked = []

    def passphrase(uri: str) -> str:
        asked.append(uri)
        return PASSPHRASE

    for uri in (f"file:{path}", "file:alice"):
        signer = open_signer(uri, public(path), passphrase, base=tmp_path)
        public(path).verify_signature(signer.sign(b"payload"), b"payload")
    assert asked == [f"file:{path}", "file:alice"]
    bob = open_signer(f"file:{make_key('bob')}", public(tmp_path / "bob"), never)
    assert bob.public_key == public(tmp_path / "bob")


def test_a_variable(make_key: MakeKey, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_key("alice")
    monkeypatch.setenv("ALICES_KEY", path.read_text())
    signer = open_signer("env:ALICES_KEY", public(path), never)
    public(path).verify_signature(signer.sign(b"payload"), b"payload")
    monkeypatch.setenv("ALICES_KEY", make_key("bob", PASSPHRASE).read_text())
    assert find_signer("env:ALICES_KEY", lambda _: PASSPHRASE).public_key == public(
        path.with_name("bob")
    )
    for empty in ("", " \n"):
        monkeypatch.setenv("ALICES_KEY", empty)
        assert code_of("env:ALICES_KEY") == "key-variable-missing"
    monkeypatch.setenv("ALICES_KEY", "swordfish\udcff")
    with pytest.raises(InvalidInput) as refusal:
        find_signer("env:ALICES_KEY", never)
    assert refusal.value.code == "invalid-private-key"
    assert "swordfish" not in str(refusal.value)


def test_an_agent_s_key(agent: RunningAgent, make_key: MakeKey) -> None:
    path = make_key("alice")
    uri = f"ssh-agent:{public_keys.fingerprint(public(path))}"
    assert code_of(uri, public(path)) == "key-not-in-agent"
    agent.add(path)
    signer = open_signer(uri, public(path), never)
    metadata = Metadata(Targets())
    metadata.sign(signer)
    public(path).verify_signature(metadata.signatures[public(path).keyid], metadata.signed_bytes)
    assert AgentSigner.from_priv_key_uri(uri, public(path)).public_key == public(path)

    agent.lock()
    assert code_of(uri, public(path)) == "key-not-in-agent"
    with pytest.raises(UnsignedMetadataError) as refusal:
        metadata.sign(signer)
    assert isinstance(refusal.value.__cause__, InvalidInput)
    assert refusal.value.__cause__.code == "agent-refused"
    agent.lock("-X")

    agent.remove_all()
    assert code_of(uri, public(path)) == "key-not-in-agent"
    agent.stop()
    assert code_of(uri, public(path)) == "agent-not-running"


def test_what_the_agent_signs_is_verified(agent: RunningAgent, make_key: MakeKey) -> None:
    agent.add(make_key("alice"))
    real = Agent.of_environment()

    class Liar(Agent):
        def sign(self, key: SSlibKey, payload: bytes) -> bytes:
            return real.sign(key, b"something else")

    (key,) = real.identities()
    with pytest.raises(GaiaError) as refusal:
        AgentSigner(key, Liar(str(agent.address))).sign(b"payload")
    assert refusal.value.code == "agent-odd-answer"


def test_another_key_than_the_one_that_is_registered(
    agent: RunningAgent, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_key("alice")
    agent.add(path)
    monkeypatch.setenv("ALICES_KEY", path.read_text())
    for uri in (
        f"file:{path}",
        "env:ALICES_KEY",
        f"ssh-agent:{public_keys.fingerprint(public(path))}",
    ):
        assert code_of(uri) == "signer-mismatch"
    with pytest.raises(GaiaError) as refusal:
        AgentSigner.from_priv_key_uri(uri, OTHER)
    assert refusal.value.code == "signer-mismatch"


@pytest.mark.parametrize("uri", ["", "x", "/etc/passwd", "FILE:x", "hsm:1", "http://x/y"])
def test_what_is_no_uri_of_a_key(uri: str) -> None:
    assert code_of(uri) == "invalid-key-uri"


def test_files_that_are_none(tmp_path: Path) -> None:
    assert code_of("file:nowhere", base=tmp_path) == "key-file-missing"
    assert code_of("file:", base=tmp_path) == "key-file-unreadable"
    assert code_of("env:NO_SUCH_VARIABLE") == "key-variable-missing"
    assert code_of("ssh-agent:SHA256:x") in ("agent-not-running", "key-not-in-agent")
