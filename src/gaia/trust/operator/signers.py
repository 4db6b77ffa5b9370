"""Signers, found by what names a private key: `file:PATH`, `ssh-agent:SHA256:…`, `env:NAME`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, Key, SecretsHandler, Signature, Signer, SSlibKey

from gaia.errors import InvalidInput, TrustError
from gaia.trust.operator import key_files, public_keys
from gaia.trust.operator.ssh_agent import Agent

FILE = "file:"
AGENT = "ssh-agent:"
ENVIRONMENT = "env:"

Passphrase = Callable[[str], str]
"""Asks for the passphrase of a key, which it gets a name of."""


class AgentSigner(Signer):
    """Signs with a key that ssh-agent holds.

    Errors come out of `sign` as they are; python-tuf's `Metadata.sign` wraps them in its own
    UnsignedMetadataError, with ours as its cause.
    """

    def __init__(self, public_key: SSlibKey, agent: Agent) -> None:
        self._public_key = public_key
        self._agent = agent

    @property
    def public_key(self) -> SSlibKey:
        """The key that it signs with."""
        return self._public_key

    @classmethod
    def from_priv_key_uri(
        cls,
        priv_key_uri: str,
        public_key: Key,
        secrets_handler: SecretsHandler | None = None,  # noqa: ARG003 - the agent asks by itself
    ) -> AgentSigner:
        """The signer for `ssh-agent:SHA256:…`.

        Raises:
            InvalidInput: `key-not-in-agent`, `agent-not-running` or `agent-timed-out`.
            TrustError: `agent-odd-answer` or `signer-mismatch`.
        """
        signer = cls.find(priv_key_uri.removeprefix(AGENT))
        check_same(signer.public_key, public_key, priv_key_uri)
        return signer

    @classmethod
    def find(cls, fingerprint: str) -> AgentSigner:
        """The signer for the key of that fingerprint (`SHA256:…`).

        Raises:
            InvalidInput: `key-not-in-agent`, `agent-not-running` or `agent-timed-out`.
            TrustError: `agent-odd-answer`.
        """
        agent = Agent.of_environment()
        for key in agent.identities():
            if public_keys.fingerprint(key) == fingerprint:
                return cls(key, agent)
        raise InvalidInput(
            "key-not-in-agent",
            f"ssh-agent does not hold the Ed25519 key {fingerprint}, or is locked.",
            hint="ssh-add PATH adds it, ssh-add -X unlocks the agent, ssh-add -l shows its keys.",
        )

    def sign(self, payload: bytes) -> Signature:
        """Have the agent sign, and verify what it made.

        Raises:
            InvalidInput: `agent-not-running`, `agent-timed-out`, `agent-refused` or
                `too-long-for-agent`.
            TrustError: `agent-odd-answer`.
        """
        value = self._agent.sign(self._public_key, payload)
        try:
            key = Ed25519PublicKey.from_public_bytes(public_keys.raw(self._public_key))
            key.verify(value, payload)
        except InvalidSignature:
            raise TrustError(
                "agent-odd-answer",
                "What ssh-agent answered cannot be used: its signature is not of this key.",
                hint="Look what SSH_AUTH_SOCK names, or start another one: eval $(ssh-agent)",
            ) from None
        return Signature(self._public_key.keyid, value.hex())


def open_signer(
    uri: str, public_key: SSlibKey, passphrase: Passphrase, *, base: Path | None = None
) -> Signer:
    """The signer that `uri` names, when it is the one of `public_key`.

    Args:
        uri: `file:PATH`, `ssh-agent:SHA256:…` or `env:NAME`.
        public_key: what is known of it, from the keyring or signed metadata.
        passphrase: asked when the key is encrypted, and only then; gets the `uri`.
        base: what relative paths start from; the current folder when left out.

    Raises:
        InvalidInput: `invalid-key-uri`, `key-file-missing`, `key-file-unreadable`,
            `key-variable-missing`, `invalid-private-key`, `not-ed25519`, `wrong-passphrase`,
            `agent-not-running`, `agent-timed-out` or `key-not-in-agent`; or what `passphrase`
            raises.
        TrustError: `signer-mismatch` or `agent-odd-answer`.
    """
    signer = find_signer(uri, passphrase, base=base)
    check_same(signer.public_key, public_key, uri)
    return signer


def find_signer(
    uri: str, passphrase: Passphrase, *, base: Path | None = None
) -> CryptoSigner | AgentSigner:
    """The signer that `uri` names, whichever key that is: for keys that are not known yet.

    Raises:
        InvalidInput: as `open_signer`.
        TrustError: `agent-odd-answer`.
    """
    if uri.startswith(AGENT):
        return AgentSigner.find(uri.removeprefix(AGENT))
    if uri.startswith(FILE):
        where = str((base or Path()) / uri.removeprefix(FILE))
        text = key_files.read(Path(where))
    elif uri.startswith(ENVIRONMENT):
        where = f"the environment variable {uri.removeprefix(ENVIRONMENT)}"
        text = _of_variable(uri.removeprefix(ENVIRONMENT))
    else:
        raise InvalidInput(
            "invalid-key-uri",
            f"{uri!r} does not say where a private key is.",
            hint=f"{FILE}PATH, {AGENT}SHA256:FINGERPRINT or {ENVIRONMENT}NAME",
        )
    return CryptoSigner(key_files.decrypt(text, where, lambda: passphrase(uri)))


def check_same(found: SSlibKey, registered: Key, uri: str) -> None:
    """Look whether the key that was found is the one that was meant.

    Raises:
        TrustError: `signer-mismatch`.
    """
    if (found.keyid, found.keyval) != (registered.keyid, registered.keyval):
        raise TrustError(
            "signer-mismatch",
            f"{uri} holds another key than the one that is registered: "
            f"{public_keys.fingerprint(found)}.",
            hint="Put the right one there. gaia key list shows the fingerprints; "
            "gaia key import NAME SOURCE says where a key is now.",
        )


def _of_variable(name: str) -> bytes:
    text = os.environ.get(name, "")
    if not text.strip():
        raise InvalidInput(
            "key-variable-missing",
            f"The environment variable {name} holds no private key: it is unset or empty.",
            hint=f'Set it to the text of the key\'s file: export {name}="$(cat FILE)"',
        )
    return text.encode(errors="surrogateescape")
