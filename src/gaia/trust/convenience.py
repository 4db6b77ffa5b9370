"""Convenience mode: the server holds every key below root's, and signs for its operator.

Whoever holds such a server can publish. That is the price of a plain upload by curl.
"""

from __future__ import annotations

from datetime import datetime

from tuf.api.metadata import Root

from gaia.errors import TrustError
from gaia.trust.bundle import Bundle
from gaia.trust.document import Document
from gaia.trust.drafting import Drafter, Holders, first_roles, first_root
from gaia.trust.keys import ONLINE, ROOT_KEYS, ROOT_THRESHOLD, KeyFolder
from gaia.trust.roles import GAIA_WORKER, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from gaia.trust.signed_roles import SignedRoles


class ServerHeldKeys:
    """Signs roles with the keys in the server's folder."""

    def __init__(self, keys: KeyFolder) -> None:
        self._keys = keys

    def first_root(self, now: datetime) -> Document[Root]:
        """A signed first root, with new keys.

        Raises:
            TrustError: `key-unreadable`.
            OSError: a key cannot be written.
        """
        root_keys = [self._keys.root.obtain(name) for name in ROOT_KEYS]
        self._keys.root.explain()
        held = {
            ROOT: Holders(tuple(key.public_key for key in root_keys), ROOT_THRESHOLD),
            TARGETS: self._holder(TARGETS),
            SNAPSHOT: self._holder(ONLINE),
            TIMESTAMP: self._holder(ONLINE),
        }
        return first_root(held, now).countersigned(root_keys)

    def first_roles(self, root: Document[Root], now: datetime) -> SignedRoles:
        """Signed targets and worker role, with nothing published.

        Raises:
            TrustError: `key-missing` or `key-unreadable`.
            OSError: a key cannot be written.
        """
        drafts = first_roles(root, {GAIA_WORKER: self._holder(GAIA_WORKER)}, now)
        bundle = Bundle(targets=drafts.targets, delegated=drafts.delegated)
        return self.sign(bundle, drafts).over(drafts)

    def hold_any(self, roles: SignedRoles) -> bool:
        """Whether a key of theirs is trusted to sign targets or anything below."""
        held = {key.public_key.keyid for key in self._keys.all()}
        below_root = (role for role in roles.versions if role != ROOT)
        return any(held & roles.keys(role).keys() for role in below_root)

    def draft_channel(self, drafter: Drafter, role: str) -> None:
        """A new key for a new channel.

        Raises:
            TrustError: `key-unreadable`.
            OSError: the key cannot be written.
        """
        drafter.hand_over(role, self._holder(role))

    def sign(self, bundle: Bundle, roles: SignedRoles) -> Bundle:
        """The bundle with all signatures below root's.

        Raises:
            TrustError: `key-missing` or `key-unreadable`.
        """
        signed = bundle.signed_by(self._keys.all(), roles)
        for count in signed.signatures(roles):
            if count.missing:
                self._keys.check()
                raise TrustError(
                    "key-missing",
                    f"None of the keys in {self._keys.folder} is the one that is trusted to sign "
                    f"{count.role}.",
                    hint="Put the keys and the trust repository back from the same backup, or "
                    f"have other keys trusted: gaia trust rotate {count.role}.",
                )
        return signed

    def forget(self, before: SignedRoles, after: SignedRoles) -> None:
        """Remove keys that were trusted before and are not any more, root's too where they were
        left here: thieves could use them against workers that have slept.

        Raises:
            OSError: a key cannot be removed.
        """
        gone = _trusted(before) - _trusted(after)
        self._keys.remove(gone)
        self._keys.root.remove(gone)

    def _holder(self, name: str) -> Holders:
        return Holders((self._keys.obtain(name).public_key,))


def _trusted(roles: SignedRoles) -> set[str]:
    below = roles.targets.signed.delegations
    return {*roles.root.keys, *(below.keys if below else ())}
