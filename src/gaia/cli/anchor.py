"""What a command that only verifies goes by: a trust folder, the root's fingerprint, or neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from gaia.cli.signing import check_fingerprint
from gaia.cli.trust_folder import TrustFolder, trust_folder
from gaia.errors import InvalidInput
from gaia.trust.operator.archive import Archive
from gaia.trust.operator.continuity import check_continues
from gaia.trust.signed_roles import SignedRoles


@dataclass(frozen=True)
class Anchor:
    """What is known of the repository beforehand.

    Attributes:
        pin: fingerprint of the first root, or None.
    """

    folder: TrustFolder
    pin: str | None

    def check_server(self, shown: SignedRoles) -> None:
        """Look whether a server is the right one, as far as anything is known here.

        Raises:
            InvalidInput: `invalid-digest` or `other-fingerprint`.
            TrustError: `other-root`, `server-older`, `server-forked` or `repository-damaged`.
        """
        if self.pin is not None:
            check_fingerprint(self.pin, shown, "The server")
        if not self._archive.empty:
            self._archive.check(shown, "The server")

    def check_parcel(self, parcel: SignedRoles) -> None:
        """The same for a parcel.

        Raises:
            InvalidInput: `invalid-digest` or `other-fingerprint`.
            TrustError: `parcel-other-root`, `parcel-forked` or `repository-damaged`.
            Conflict: `parcel-older`.
        """
        if self.pin is not None:
            check_fingerprint(self.pin, parcel, "The parcel")
        if not self._archive.empty:
            check_continues(parcel, self._archive.roles(), f"the folder {self.folder.path}")

    def require(self) -> None:
        """Look whether anything is known.

        Raises:
            InvalidInput: `no-anchor`.
        """
        if self.pin is None and self._archive.empty:
            raise InvalidInput(
                "no-anchor",
                "Nothing here says which trust root is the right one.",
                hint="Give its fingerprint as it was noted when the root was made: --trust-root "
                "sha256:HEX, or name a trust folder: --trust-dir DIR.",
            )

    @property
    def _archive(self) -> Archive:
        return Archive(self.folder.path)


def anchored(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--trust-root` and `--trust-dir`, and an Anchor as the argument `anchor`."""

    @wraps(command)
    def run(
        *arguments: Any,  # noqa: ANN401 - click's own
        folder: TrustFolder,
        pin: str | None,
        **options: Any,  # noqa: ANN401 - click's own
    ) -> Any:  # noqa: ANN401 - click's own
        return command(*arguments, anchor=Anchor(folder, pin), **options)

    option = click.option(
        "--trust-root",
        "pin",
        metavar="sha256:HEX",
        help="Fingerprint that the repository's first root must have.",
    )
    return trust_folder(option(run))
