"""Signing away from the server: fetch what is signed, change it, sign it, send it, keep it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from gaia.cli import output
from gaia.cli.connection import Connection
from gaia.cli.trust_folder import TrustFolder
from gaia.errors import Conflict, InvalidInput
from gaia.model.artifact import check_sha256
from gaia.protocol.trust import SignedFiles
from gaia.trust.bundle import Bundle, Signatures
from gaia.trust.drafting import Drafter
from gaia.trust.metadata_files import ReceivedFiles
from gaia.trust.operator.archive import Archive
from gaia.trust.operator.countersigning import countersigned
from gaia.trust.operator.differences import differences
from gaia.trust.operator.keyring import Entry
from gaia.trust.roles import spoken
from gaia.trust.signed_roles import SignedRoles, load_newest
from gaia.trust.vetting import examined

_TRIES = 3
"""How often a change is made anew after someone else was faster."""

Change = Callable[[Drafter, SignedRoles], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a change.

    Attributes:
        changes: in sentences.
        draft: the file that the next key holder signs; None when the server has accepted it.
        missing: the signatures that the draft waits for.
    """

    changes: list[str]
    draft: Path | None = None
    missing: tuple[Signatures, ...] = ()

    def tell(self, *, as_json: bool) -> None:
        """Print it."""
        if as_json:
            output.json(
                {
                    "state": "accepted" if self.draft is None else "draft",
                    "changes": self.changes,
                    "draft": self.draft and str(self.draft),
                    "missing": [
                        {"file": each.name, "have": each.have, "need": each.threshold}
                        for each in self.missing
                    ],
                }
            )
        elif self.draft is None:
            click.echo("Signed, and accepted by the server." if self.changes else "Nothing to do.")
        else:
            for each in self.missing:
                click.echo(f"{each}")
            click.echo(
                "Nothing was sent yet. Give this file to another key holder, who runs:\n"
                f"  gaia trust sign {self.draft}"
            )


class SigningSession:
    """Changes of what one server serves, with the keys of one trust folder.

    Args:
        only: names of the keys to sign with; empty for all that are at hand.
        pin: SHA-256 of the first root, for a trust folder that has seen no server yet.
        assent: asked with the changes before anything is signed; raises for no.
    """

    def __init__(
        self,
        connection: Connection,
        folder: TrustFolder,
        *,
        only: Sequence[str] = (),
        pin: str | None = None,
        assent: Callable[[list[str]], None],
    ) -> None:
        self.connection = connection
        self.folder = folder
        self.keyring = folder.keyring()
        self.archive = Archive(folder.path)
        self._only = only
        self._pin = pin
        self._assent = assent

    def signed(self) -> SignedRoles:
        """What the server shows as signed, once it is sure that it is.

        Raises:
            TrustError: `metadata-refused`, `other-root`, `server-older` or `repository-damaged`.
            InvalidInput: `no-archive`: nothing here says which root to trust.
            GaiaError: as `Connection.get`.
        """
        shown = self.received()
        if self.archive.empty:
            self._check_pin(shown)
        else:
            self.archive.check(shown, "The server")
        self.archive.keep(shown)
        return shown

    def received(self) -> SignedRoles:
        """As `received`, from this session's server."""
        return received(self.connection)

    def change(self, make: Change) -> Outcome:
        """Have a change signed and accepted; made anew when someone else is faster.

        With too few keys at hand it becomes a draft.

        Raises:
            GaiaError: what `make`, the keys or the server say.
        """
        for attempt in range(1, _TRIES + 1):
            roles = self.signed()
            drafter = Drafter(roles, datetime.now(UTC))
            make(drafter, roles)
            try:
                return self.sign(drafter.bundle(), roles)
            except Conflict as conflict:
                if conflict.code != "bundle-outdated" or attempt == _TRIES:
                    raise
                output.say("Someone else was faster; starting again from what they have signed.")
        raise AssertionError  # the last attempt returns or raises

    def sign(self, bundle: Bundle, roles: SignedRoles) -> Outcome:
        """Add our signatures to a bundle; complete, it goes to the server.

        Raises:
            InvalidInput: `nothing-signed`: none of our keys is asked for.
            GaiaError: what the keys or the server say.
        """
        if not bundle:
            return Outcome([])
        changes = self.explain(bundle, roles)
        signed = self.countersigned(bundle, roles)
        missing = tuple(count for count in signed.signatures(roles) if count.missing)
        if missing:
            if signed == bundle:
                raise _nothing_signed(bundle, roles)
            return Outcome(changes, self.archive.keep_draft(signed), missing)
        self.send(signed, roles)
        return Outcome(changes)

    def explain(self, bundle: Bundle, roles: SignedRoles) -> list[str]:
        """What a bundle changes, once whoever signs it has said yes to that.

        Raises:
            InvalidInput: `no-assent`.
            Conflict: `bundle-refused` or `file-conflict`: an honest server would not take it.
            Refused: `role-too-long`: workers would not read it.
        """
        examined(roles, bundle, datetime.now(UTC))
        changes = differences(roles, bundle, self.keyring.called())
        self._assent(changes)
        return changes

    def countersigned(self, bundle: Bundle, roles: SignedRoles) -> Bundle:
        """The bundle with our signatures, as far as the keys are at hand.

        Raises:
            NotFound, InvalidInput, TrustError: as `gaia.trust.operator.countersigning`.
        """
        return countersigned(
            bundle, roles, self.keyring, self.folder.passphrase, self._only, _passed_over
        )

    def send(self, bundle: Bundle, roles: SignedRoles) -> None:
        """Put a complete bundle in place, and keep it.

        Raises:
            GaiaError: what the server says.
        """
        self.connection.put("/api/tuf/bundle", bundle.encode())
        self.archive.keep(bundle.over(roles))

    def _check_pin(self, shown: SignedRoles) -> None:
        if self._pin is None:
            raise InvalidInput(
                "no-archive",
                "Nothing here says which trust root is the right one: "
                f"{self.folder.path} holds no signed files.",
                hint="Name the trust folder (--trust-dir), or give the root's fingerprint as it "
                "was noted when the root was made: --trust-root sha256:HEX.",
            )
        check_fingerprint(self._pin, shown, "The server")


def received(connection: Connection) -> SignedRoles:
    """What a server shows, signed by the keys that it names itself.

    Raises:
        TrustError: `metadata-refused`.
        GaiaError: as `Connection.get`.
    """
    answer = connection.get("/api/tuf/bundle")
    try:
        texts = msgspec.convert(answer, SignedFiles).files
    except msgspec.ValidationError as error:
        raise ReceivedFiles({}, "the server").damaged("as a whole", str(error)) from error
    files = {name: text.encode() for name, text in texts.items()}
    return load_newest(ReceivedFiles(files, "the server"))


def check_fingerprint(pin: str, roles: SignedRoles, sender: str) -> None:
    """Look whether roles are of the repository that is pinned.

    Args:
        pin: SHA-256 of the first root, with or without `sha256:` before it.

    Raises:
        InvalidInput: `invalid-digest` or `other-fingerprint`.
    """
    if check_sha256(pin.removeprefix("sha256:").lower()) != roles.fingerprint:
        raise InvalidInput(
            "other-fingerprint",
            f"{sender}'s trust root is sha256:{roles.fingerprint}, not the one that was given. "
            "Nothing was changed.",
            hint="Compare both with what was noted when the root was made.",
        )


def _passed_over(entry: Entry) -> None:
    output.say(f"The key {entry.name} is not at hand ({entry.uri}): going on without it.")


def _nothing_signed(bundle: Bundle, roles: SignedRoles) -> InvalidInput:
    asked = sorted({spoken(count.role) for count in bundle.signatures(roles) if count.missing})
    return InvalidInput(
        "nothing-signed",
        f"None of the keys that are at hand may sign {', '.join(asked)}.",
        hint="gaia key list shows the keys here, gaia trust status those that are trusted; "
        "gaia key import NAME SOURCE adds one, or says where it is now.",
    )
