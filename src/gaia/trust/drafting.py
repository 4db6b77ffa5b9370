"""Drafting: the next versions of roles, before anyone has signed them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import DelegatedRole, Delegations, Key, Root, TargetFile, Targets

from gaia.errors import InvalidInput, NotFound
from gaia.model.publication import Publication
from gaia.trust.bundle import Bundle
from gaia.trust.contents import to_contents
from gaia.trust.document import Document
from gaia.trust.roles import (
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    lifetime,
    next_version,
    paths_of,
)
from gaia.trust.signed_roles import SignedRoles


@dataclass(frozen=True)
class Holders:
    """Who signs a role: `threshold` of `keys`.

    Raises:
        InvalidInput: `threshold`: it is not from 1 to the number of keys.
    """

    keys: tuple[Key, ...]
    threshold: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= len({key.keyid for key in self.keys}):
            raise InvalidInput(
                "threshold",
                f"{self.threshold} of {len(self.keys)} different keys cannot be asked for.",
                hint="Write 2/3 for two of three keys.",
            )


class Drafter:
    """Collects changes to the roles; `bundle` has the next version of each role that changes.

    Args:
        roles: what is signed now.
        now: the time, in UTC.
    """

    def __init__(self, roles: SignedRoles, now: datetime) -> None:
        self._roles = roles
        self._now = now
        self._root: Root | None = None
        self._delegations: dict[str, Holders] = {}
        self._contents: dict[str, Mapping[str, TargetFile]] = {}
        self._renewed: set[str] = set()

    def publish(self, publication: Publication) -> None:
        """Sign this instead of what is signed now. Only roles whose content changes are drafted.

        Raises:
            NotFound: `no-such-channel`: no keys are named for a channel.
        """
        for role, content in to_contents(publication).items():
            if role in self._roles.delegated:
                if self._roles.contents[role] != content:
                    self._contents[role] = content
            elif role in self._delegations:
                self._contents[role] = content
            else:
                channel = role.removeprefix("channel-")
                raise NotFound(
                    "no-such-channel",
                    f"There is no channel {channel}: no keys are named to sign it.",
                    hint=f"gaia trust rotate channel-{channel} KEY… names them.",
                )

    def renew(self, role: str) -> None:
        """Sign the same again, for another lifetime.

        Raises:
            NotFound: `no-such-role`.
        """
        if role == ROOT:
            self._next_root()
        elif role == TARGETS or role in self._roles.delegated:
            self._renewed.add(role)
        else:
            raise NotFound(
                "no-such-role",
                f"There is no role {role!r} that is signed by people.",
                hint=f"Roles: {', '.join(self._roles.versions)}.",
            )

    def hand_over(self, role: str, holders: Holders) -> None:
        """Give a role to other keys; what it signs is drafted anew, for them to sign.

        Args:
            role: root, targets, a delegated role, a new delegated role; or snapshot or timestamp.
        """
        if role in (ROOT, TARGETS, SNAPSHOT, TIMESTAMP):
            _name_keys(self._next_root(), role, holders)
            if role == TARGETS:
                self._renewed.add(TARGETS)
        else:
            self._delegations[role] = holders
            self._renewed.add(role)

    def bundle(self) -> Bundle:
        """All changes, not signed by anyone; empty when there are none."""
        targets = self._targets()
        delegated = {role: self._delegated(role) for role in self._touched()}
        root = None if self._root is None else Document.sign(ROOT, self._root)
        versions = self._roles.versions
        bundle = Bundle((root,) if root else (), targets, delegated)
        based_on = {
            document.role: versions.get(document.role, 0) for document in bundle.documents()
        }
        return Bundle(bundle.roots, targets, delegated, based_on)

    def _touched(self) -> Collection[str]:
        return sorted(
            (self._contents.keys() | self._renewed | self._delegations.keys()) - {TARGETS}
        )

    def _next_root(self) -> Root:
        if self._root is None:
            # Root.to_dict shares its lists of key IDs with what it is made from.
            self._root = deepcopy(self._roles.root)
            self._root.version += 1
            self._root.expires = self._now + lifetime(ROOT)
        return self._root

    def _targets(self) -> Document[Targets] | None:
        if TARGETS not in self._renewed and not self._delegations:
            return None
        present = self._roles.targets.signed.delegations
        holders = {
            role: Holders(tuple(self._roles.keys(role).values()), self._roles.threshold(role))
            for role in (present.roles or () if present else ())
        }
        signed = Targets(
            self._version(TARGETS), delegations=delegations({**holders, **self._delegations})
        )
        return self._drafted(TARGETS, signed)

    def _delegated(self, role: str) -> Document[Targets]:
        content = self._contents.get(role, self._roles.contents.get(role, {}))
        return self._drafted(role, Targets(self._version(role), targets=dict(content)))

    def _drafted(self, role: str, signed: Targets) -> Document[Targets]:
        signed.expires = self._now + lifetime(role)
        return Document.sign(role, signed)

    def _version(self, role: str) -> int:
        return next_version(self._roles.versions.get(role, 0), self._now)


def delegations(holders: Mapping[str, Holders]) -> Delegations:
    """Who signs which role below targets.

    Terminating: a role's word on its paths is the last one (5.6.7.2.1).
    """
    keys = {key.keyid: key for held in holders.values() for key in held.keys}
    roles = {
        role: DelegatedRole(
            role,
            [key.keyid for key in held.keys],
            held.threshold,
            terminating=True,
            paths=[*paths_of(role)],
        )
        for role, held in holders.items()
    }
    return Delegations(keys, roles)


def first_root(holders: Mapping[str, Holders], now: datetime) -> Document[Root]:
    """The first root, a draft.

    Args:
        holders: of root, targets, snapshot and timestamp.
    """
    signed = Root(version=1, expires=now + lifetime(ROOT), consistent_snapshot=True)
    for role, held in holders.items():
        _name_keys(signed, role, held)
    return Document.sign(ROOT, signed)


def first_roles(root: Document[Root], holders: Mapping[str, Holders], now: datetime) -> SignedRoles:
    """Targets and what it delegates to, empty: drafts below `root`.

    Args:
        holders: of each delegated role.
    """
    targets = Targets(next_version(0, now), delegations=delegations(holders))
    targets.expires = now + lifetime(TARGETS)
    delegated = {}
    for role in holders:
        signed = Targets(next_version(0, now))
        signed.expires = now + lifetime(role)
        delegated[role] = Document.sign(role, signed)
    return SignedRoles((root,), Document.sign(TARGETS, targets), delegated)


def _name_keys(root: Root, role: str, holders: Holders) -> None:
    for keyid in list(root.roles[role].keyids):
        root.revoke_key(keyid, role)
    for key in holders.keys:
        root.add_key(key, role)
    root.roles[role].threshold = holders.threshold
