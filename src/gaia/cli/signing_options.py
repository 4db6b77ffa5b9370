"""What commands that sign are told: which trust folder, which keys, and whether to ask first."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from gaia.cli import output
from gaia.cli.command import Settings
from gaia.cli.signing import SigningSession
from gaia.cli.trust_folder import TrustFolder, signing_folder
from gaia.errors import InvalidInput


@dataclass(frozen=True)
class Signing:
    """How a command signs, as its options say.

    Attributes:
        keys: names of the keys to use; empty for all that are at hand.
        pin: fingerprint of the first root, or None.
        assume_yes: whether the changes were agreed to beforehand.
    """

    folder: TrustFolder
    keys: tuple[str, ...]
    pin: str | None
    assume_yes: bool

    def session(self, settings: Settings) -> SigningSession:
        """The session with the server that was asked for.

        Raises:
            InvalidInput: as `Settings.connect`.
            TrustError: `keyring-damaged`.
        """
        return SigningSession(
            settings.connect(), self.folder, only=self.keys, pin=self.pin, assent=self.agree
        )

    def agree(self, changes: list[str]) -> None:
        """Show what a signature would change; returns when it is wanted.

        Raises:
            InvalidInput: `no-assent`: there is no terminal to ask on.
            click.Abort: it is not wanted.
        """
        output.say("This will be signed:")
        for change in changes:
            output.say(f"  {change}")
        if self.assume_yes:
            return
        if not sys.stdin.isatty():
            raise InvalidInput(
                "no-assent",
                "A signature has to be agreed to, and there is no terminal to ask on. Nothing was "
                "signed.",
                hint="Read what it would change, then repeat the command with --yes.",
            )
        click.confirm("Sign it?", abort=True, err=True)


def signs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of signing, and a Signing as the argument `signing`."""

    @wraps(command)
    def run(
        *arguments: Any,  # noqa: ANN401 - click's own
        folder: TrustFolder,
        keys: tuple[str, ...],
        pin: str | None,
        assume_yes: bool,
        **options: Any,  # noqa: ANN401 - click's own
    ) -> Any:  # noqa: ANN401 - click's own
        return command(*arguments, signing=Signing(folder, keys, pin, assume_yes), **options)

    for option in (
        click.option("--yes", "assume_yes", is_flag=True, help="Sign without asking."),
        click.option(
            "--trust-root",
            "pin",
            metavar="sha256:HEX",
            help="Fingerprint of the first root, for a trust folder that has seen no server yet.",
        ),
        click.option(
            "--key",
            "keys",
            metavar="NAME",
            multiple=True,
            help="Key to sign with; repeatable.  [default: all that are at hand]",
        ),
    ):
        run = option(run)
    return signing_folder(run)
