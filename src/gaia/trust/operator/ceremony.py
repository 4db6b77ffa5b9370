"""The ceremony: the keys of a repository and its first signed roles, made away from any server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from securesystemslib.signer import Key

from gaia.errors import InvalidInput
from gaia.model.channel import check_channel
from gaia.trust.bundle import Bundle
from gaia.trust.drafting import Holders, first_roles, first_root
from gaia.trust.operator.keyring import Keyring, check_name
from gaia.trust.roles import (
    GAIA_WORKER,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    channel_role,
)
from gaia.trust.signed_roles import SignedRoles

_MOST_KEYS = 20


@dataclass(frozen=True)
class Quorum:
    """How many of which keys, by their names in the keyring, sign a role together."""

    threshold: int
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, prefix: str) -> Quorum:
        """Read `2/3`, three keys named after `prefix`; or `2/alice,bob,carol`.

        Raises:
            InvalidInput: `invalid-quorum` or `invalid-key-name`.
        """
        count, _, of = text.partition("/")
        if of.isdecimal() and len(of) <= 2:
            names = tuple(f"{prefix}-{number}" for number in range(1, int(of) + 1))
        else:
            names = tuple(of.split(",")) if of else ()
        known = len(set(names)) == len(names) <= _MOST_KEYS
        if not (known and count.isdecimal() and 1 <= int(count) <= len(names)):
            raise InvalidInput(
                "invalid-quorum",
                f"{text!r} does not say how many of which keys sign.",
                hint=f"Two of three new keys: 2/3. Of named ones: 2/alice,bob,carol. Up to "
                f"{_MOST_KEYS} keys.",
            )
        for name in names:
            check_name(name)
        return cls(int(count), names)

    def __str__(self) -> str:
        return f"{self.threshold} of {', '.join(self.names)}"


Cast = Mapping[str, Quorum]
"""Who signs which role: root, targets, the worker role, and one for each channel."""


def cast(root: str, targets: str, release: str, channels: Iterable[str]) -> dict[str, Quorum]:
    """Read who signs what, as given on a command line.

    Args:
        channels: `NAME`, signed by whoever signs releases; or `NAME=1/alice,bob`.

    Raises:
        InvalidInput: `invalid-quorum`, `invalid-key-name` or `invalid-channel`.
    """
    managers = Quorum.parse(release, "release")
    found = {
        ROOT: Quorum.parse(root, "root"),
        TARGETS: Quorum.parse(targets, "targets"),
        GAIA_WORKER: managers,
    }
    for channel in channels:
        name, _, quorum = channel.partition("=")
        role = channel_role(check_channel(name))
        found[role] = Quorum.parse(quorum, name) if quorum else managers
    return found


def names_of(roles: Cast) -> list[str]:
    """The keys that are needed, each once, in the order of the roles."""
    return list(dict.fromkeys(name for quorum in roles.values() for name in quorum.names))


def make_missing(
    keyring: Keyring, roles: Cast, passphrase: Callable[[Sequence[str]], str]
) -> list[str]:
    """Make the keys that the keyring does not have; their names.

    Args:
        passphrase: what the new keys are encrypted with; asked once, with their names.

    Raises:
        InvalidInput: `weak-passphrase`, or what `passphrase` raises.
        Conflict: `key-file-exists`.
        OSError: a key cannot be written.
    """
    missing = [name for name in names_of(roles) if name not in keyring.names()]
    if missing:
        secret = passphrase(missing)
        for name in missing:
            keyring.generate(name, secret)
    return missing


def holders(keyring: Keyring, roles: Cast) -> dict[str, Holders]:
    """The keys of each role.

    Raises:
        NotFound: `no-such-key`.
        InvalidInput: `threshold`.
    """
    return {
        role: Holders(tuple(keyring.find(name).key for name in quorum.names), quorum.threshold)
        for role, quorum in roles.items()
    }


def found(
    held: Mapping[str, Holders],
    online: Key,
    sign: Callable[[Bundle, SignedRoles], Bundle],
    now: datetime,
) -> SignedRoles:
    """The first root, targets and delegated roles, all signed, with nothing published.

    Args:
        held: of root, targets and each role below.
        online: the server's key, for snapshot and timestamp.
        sign: adds the signatures that a bundle waits for, as far as the keys are at hand.
        now: the time, in UTC.

    Raises:
        InvalidInput: `too-few-keys`.
    """
    top = {role: held[role] for role in (ROOT, TARGETS)}
    below = {role: who for role, who in held.items() if role not in top}
    server = Holders((online,))
    root = first_root({**top, SNAPSHOT: server, TIMESTAMP: server}, now)
    drafts = first_roles(root, below, now)
    signed = sign(Bundle((root,), drafts.targets, drafts.delegated), drafts)
    lacking = [str(count) for count in signed.signatures(drafts) if count.missing]
    if lacking:
        raise InvalidInput(
            "too-few-keys",
            f"Too few private keys are at hand to begin: {'; '.join(lacking)}.",
            hint="Begin with enough keys of your own; gaia trust rotate hands the roles over.",
        )
    return SignedRoles(signed.roots, signed.targets or drafts.targets, signed.delegated)
