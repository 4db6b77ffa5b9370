"""Who does what: every change has an author, and its entry in the audit log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gaia.server.store.audit import Entry


@dataclass(frozen=True)
class Author:
    """Who changes something.

    Attributes:
        name: of the token.
        client: the peer's address.
    """

    name: str
    client: str


@dataclass(frozen=True)
class Deed:
    """One change, for the audit log.

    Attributes:
        name: what was done, kebab-case.
        subject: to what.
    """

    by: Author
    name: str
    subject: str
    detail: dict[str, Any] = field(default_factory=dict)

    def entry(self, at: datetime) -> Entry:
        """The entry, for the transaction that makes the change."""
        return Entry(
            at=at.isoformat(timespec="seconds"),
            actor=self.by.name,
            action=self.name,
            subject=self.subject,
            client=self.by.client,
            detail=self.detail,
        )
