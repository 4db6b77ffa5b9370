"""Signing a draft with the keys that are at hand: as many as it takes, and no more."""

from __future__ import annotations

from collections.abc import Callable, Collection

from gaia.errors import InvalidInput
from gaia.trust.bundle import Bundle
from gaia.trust.operator.keyring import Entry, Keyring
from gaia.trust.operator.signers import Passphrase
from gaia.trust.signed_roles import SignedRoles

_ABSENT = frozenset(
    {"key-file-missing", "key-not-in-agent", "agent-not-running", "key-variable-missing"}
)
"""Why a key that is registered is not at hand: its medium is in a safe, or its holder away."""


def countersigned(
    bundle: Bundle,
    roles: SignedRoles,
    keyring: Keyring,
    passphrase: Passphrase,
    only: Collection[str],
    absent: Callable[[Entry], None],
) -> Bundle:
    """`bundle` with the signatures that it waits for, as far as the keys are at hand.

    A key is opened only while a document still lacks its signature, so that nobody types more
    passphrases than are needed.

    Args:
        roles: what the bundle changes.
        passphrase: asked for each encrypted key; gets the key's name.
        only: names of the keys to use, which then have to be at hand; empty for all.
        absent: told of each key that was passed over.

    Raises:
        NotFound, InvalidInput: as `Keyring.chosen`.
        InvalidInput, TrustError: as `Keyring.signer`.
    """
    awaited = {keyid for count in bundle.signatures(roles) for keyid in count.awaited}
    for entry in keyring.chosen(awaited, only):
        if not any(
            count.missing and entry.keyid in count.awaited for count in bundle.signatures(roles)
        ):
            continue
        try:
            signer = keyring.signer(entry, passphrase)
        except InvalidInput as error:
            if only or error.code not in _ABSENT:
                raise
            absent(entry)
            continue
        bundle = bundle.signed_by([signer], roles)
    return bundle
