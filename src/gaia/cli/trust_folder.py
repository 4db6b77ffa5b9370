"""The operator's trust folder, as commands are told of it: where it is, and its passphrases."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from gaia.errors import InvalidInput
from gaia.trust.operator.keyring import Keyring

PASSPHRASE = "GAIA_KEY_PASSPHRASE"  # noqa: S105 - a variable's name
"""Environment variable that holds the passphrase of the keys."""


class TrustFolder:
    """A trust folder, and where passphrases of its keys come from.

    The first of these that is given: a file, the environment, a prompt on the terminal.

    Args:
        path: the folder, which need not exist.
        passphrase_file: a file whose first line is the passphrase of every key.
    """

    def __init__(self, path: Path, passphrase_file: Path | None = None) -> None:
        self.path = path
        self._passphrase_file = passphrase_file
        self._typed: dict[str, str] = {}

    def keyring(self) -> Keyring:
        """Its keyring, as it is now.

        Raises:
            TrustError: `keyring-damaged`.
        """
        return Keyring.load(self.path)

    def passphrase(self, name: str) -> str:
        """The passphrase of the key `name`; typed once in a command.

        Raises:
            InvalidInput: `no-passphrase` or `passphrase-file-unreadable`.
        """
        return self._given() or self._type(name, f"Passphrase of {name}")

    def new_passphrase(self, names: Sequence[str]) -> str:
        """One passphrase for new keys; typed, it is asked twice, and not again to open them.

        Raises:
            InvalidInput: `no-passphrase` or `passphrase-file-unreadable`.
        """
        shown = names[0] if len(names) == 1 else f"the {len(names)} new keys"
        passphrase = self._given() or self._type(
            shown, f"New passphrase for {shown}", confirmation_prompt="The same again"
        )
        self._typed.update(dict.fromkeys(names, passphrase))
        return passphrase

    def _given(self) -> str:
        if self._passphrase_file is None:
            return os.environ.get(PASSPHRASE, "")
        try:
            text = self._passphrase_file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            text = ""
        passphrase = text.partition("\n")[0].removesuffix("\r")
        if not passphrase:
            raise InvalidInput(
                "passphrase-file-unreadable",
                f"{self._passphrase_file} holds no passphrase.",
                hint="It is the file's first line, plain text.",
            )
        return passphrase

    def _type(self, name: str, prompt: str, **options: Any) -> str:  # noqa: ANN401 - click's own
        if name not in self._typed:
            if not sys.stdin.isatty():
                raise InvalidInput(
                    "no-passphrase",
                    f"The passphrase of {name} is needed, and there is no terminal to ask on.",
                    hint=f"Set {PASSPHRASE}, or give --passphrase-file FILE.",
                )
            self._typed[name] = click.prompt(prompt, hide_input=True, err=True, **options)
        return self._typed[name]


_TRUST_DIR = click.option(
    "--trust-dir",
    envvar="GAIA_TRUST_DIR",
    default=Path("gaia-trust"),
    show_default="./gaia-trust",
    type=click.Path(file_okay=False, path_type=Path),
    help="The operator's folder of keys and signed metadata (GAIA_TRUST_DIR).",
)

_PASSPHRASE_FILE = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"File that holds the keys' passphrase; else {PASSPHRASE}, else you are asked.",
)


def trust_folder(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--trust-dir`, and its TrustFolder as the argument `folder`."""

    @wraps(command)
    def run(*arguments: Any, trust_dir: Path, **options: Any) -> Any:  # noqa: ANN401 - click's own
        return command(*arguments, folder=TrustFolder(trust_dir), **options)

    return _TRUST_DIR(run)


def signing_folder(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same for commands that open keys: they get `--passphrase-file` too."""

    @wraps(command)
    def run(
        *arguments: Any,  # noqa: ANN401 - click's own
        trust_dir: Path,
        passphrase_file: Path | None,
        **options: Any,  # noqa: ANN401 - click's own
    ) -> Any:  # noqa: ANN401 - click's own
        folder = TrustFolder(trust_dir, passphrase_file)
        return command(*arguments, folder=folder, **options)

    return _TRUST_DIR(_PASSPHRASE_FILE(run))
