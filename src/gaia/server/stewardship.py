"""What operators decide beside uploads: withdrawal, channels, bundles, renewal."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from gaia.errors import Conflict, Refused
from gaia.model.publication import Publication
from gaia.model.tag import Tag
from gaia.planning.latest import offered
from gaia.server.deeds import Author, Deed
from gaia.server.ledger import Ledger
from gaia.server.store import releases
from gaia.trust.bundle import Bundle
from gaia.trust.repository import Mode


class Steward:
    """Carries decisions out. All methods block."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._repository = ledger.repository

    def withdraw(self, tag: Tag, by: Author) -> None:
        """Withdraw a release everywhere (convenience mode).

        Raises:
            Refused: `strict-mode`, or as `Ledger.change`.
            NotFound, Conflict: as `Publication.without`.
        """
        self._change(
            lambda publication: publication.without(tag),
            Deed(by, "withdraw", str(tag)),
            f"gaia release withdraw {tag}",
        )

    def set_channel(self, name: str, current: Tag | None, floor: Tag | None, by: Author) -> None:
        """Move a channel's pointer, its floor, or both (convenience mode). None: as it is.

        Raises:
            Refused: `strict-mode`, or as `Ledger.change`.
            NotFound, Conflict, InvalidInput: as `Publication.promoted` and `with_floor`.
        """

        def change(publication: Publication) -> Publication:
            if current is not None:
                publication = publication.promoted(current, name)
            return publication if floor is None else publication.with_floor(name, floor)

        wanted = {"current": current, "floor": floor}
        detail = {key: str(tag) for key, tag in wanted.items() if tag is not None}
        instead = [
            *([] if current is None else [f"gaia release promote {current} --channel {name}"]),
            *([] if floor is None else [f"gaia channel floor {name} {floor}"]),
        ]
        self._change(change, Deed(by, "set-channel", name, detail), "; ".join(instead))

    def accept_bundle(self, bundle: Bundle, by: Author) -> None:
        """Put signed roles in place: all of them, or nothing was changed.

        Raises:
            Conflict: `blob-missing`, or as `gaia.trust.vetting.vetted`.
            Refused: `bundle-unsigned`, or as `Ledger.change`.
            TrustError: `online-key-missing`, `pointer-malformed` or `target-malformed`.
        """
        files = [document.name for document in bundle.documents()]
        deed = Deed(by, "accept-bundle", "trust", {"files": files})
        with self._ledger.exclusively(), self._ledger.change(deed) as connection:
            before = self._repository.roles.publication()
            self._repository.accept(
                bundle, lambda after: self._check_offer(connection, before, after)
            )

    def sign_all_anew(self, by: Author) -> None:
        """Sign again all that the server holds the keys of.

        Raises:
            TrustError: a key is missing.
            Refused: as `Ledger.change`.
        """
        with self._ledger.exclusively(), self._ledger.change(Deed(by, "renew-trust", "trust")):
            self._repository.sign_all_anew()

    def make_online_key(self, by: Author) -> None:
        """Make a key for snapshot and timestamp, for the operator to have the root name it.

        Raises:
            Refused: as `Ledger.change`.
        """
        with self._ledger.exclusively(), self._ledger.change(Deed(by, "make-online-key", "trust")):
            self._repository.make_online_key()

    def _change(
        self, change: Callable[[Publication], Publication], deed: Deed, instead: str
    ) -> None:
        if self._repository.mode is Mode.STRICT:
            raise Refused(
                "strict-mode",
                "This server cannot sign that: the signing keys are kept off it.",
                hint=f"Sign it where the keys are: {instead}",
            )
        with self._ledger.exclusively(), self._ledger.change(deed):
            self._repository.change(change)

    def _check_offer(self, connection: Connection, before: Publication, after: Publication) -> None:
        """Workers must find what the channels newly send them to."""
        for tag, filename in sorted(_offers(after) - _offers(before)):
            artifact = after.artifacts[tag][filename]
            row = releases.find(connection, tag, filename)
            if row is None or row.artifact != artifact or not self._ledger.held(artifact):
                raise Conflict(
                    "blob-missing",
                    f"The bundle sends workers to {tag}/{filename} (SHA-256 {artifact.sha256}), "
                    "which was not uploaded to this server; nothing was changed.",
                    hint=f"Upload just that file first: gaia release publish --tag {tag} FILE",
                )


def _offers(publication: Publication) -> set[tuple[Tag, str]]:
    """The files that workers of any channel are sent to."""
    return {
        (tag, filename)
        for pointer in publication.pointers.values()
        if pointer is not None
        for filename, tag in offered(pointer).items()
    }
