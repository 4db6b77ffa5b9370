"""What all of the operator's commands share: options, exit codes, and how errors are told."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn

import click

from gaia.cli import output
from gaia.cli.connection import Connection
from gaia.errors import (
    Conflict,
    GaiaError,
    InvalidInput,
    NotFound,
    Refused,
    TransportError,
    TrustError,
)


class ExitCode(IntEnum):
    """What `gaia` ends with."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    CONFLICT = 5
    TRANSPORT = 6
    TRUST = 7


_BY_ERROR: dict[type[GaiaError], ExitCode] = {
    InvalidInput: ExitCode.USAGE,
    NotFound: ExitCode.NOT_FOUND,
    Refused: ExitCode.REFUSED,
    Conflict: ExitCode.CONFLICT,
    TransportError: ExitCode.TRANSPORT,
    TrustError: ExitCode.TRUST,
}

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong input, 3 not found, 4 refused (token or role), "
    "5 conflict, 6 server not reached, 7 not to be trusted."
)


def exit_code(error: GaiaError) -> ExitCode:
    """What `gaia` ends with after `error`."""
    for kind, code in _BY_ERROR.items():
        if isinstance(error, kind):
            return code
    return ExitCode.FAILURE


@dataclass
class Settings:
    """Whom to talk to, and how to answer. Options after the verb win over those before it."""

    server: str | None = None
    token: str | None = None
    token_file: Path | None = None
    json: bool = False

    def connect(self) -> Connection:
        """The connection that was asked for.

        Raises:
            InvalidInput: `no-server` or `no-token`, or one of them is malformed.
        """
        if not self.server:
            raise InvalidInput(
                "no-server",
                "There is no server to ask.",
                hint="Set GAIA_SERVER, or give --server URL.",
            )
        token = self.token
        if self.token_file is not None:
            token = self.token_file.read_text(encoding="utf-8", errors="replace").strip()
        if not token:
            raise InvalidInput(
                "no-token",
                "There is no access token.",
                hint="Set GAIA_TOKEN, or give --token-file FILE or --token TOKEN.",
            )
        return Connection(self.server, token)


class Verb(click.Command):
    """A command that takes the global options too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*arguments, **options)
        self.params += common_options()


class Verbs(click.Group):
    """A noun: a group of verbs."""

    command_class = Verb
    group_class = type


class Operator(Verbs):
    """The command itself: turns errors into a message, a hint and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Run a verb."""
        try:
            return super().invoke(ctx)
        except GaiaError as error:
            self._end(ctx, error)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # whoever read our output has gone: click ends quietly
            what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            self._end(ctx, GaiaError("file-failed", f"A file could not be used: {what}."))

    @staticmethod
    def _end(ctx: click.Context, error: GaiaError) -> NoReturn:
        output.complain(error, as_json=ctx.ensure_object(Settings).json)
        ctx.exit(exit_code(error))


def common_options() -> list[click.Parameter]:
    """Options that every verb takes; given nowhere, the environment counts."""
    return [
        click.Option(
            ["--server"], metavar="URL", help="Address of gaia-server (GAIA_SERVER).", **_noted()
        ),
        click.Option(
            ["--token"],
            metavar="TOKEN",
            help="Access token. GAIA_TOKEN and --token-file are better: others can see arguments.",
            **_noted(),
        ),
        click.Option(
            ["--token-file"],
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="File that holds the access token.",
            **_noted(),
        ),
        click.Option(["--json"], is_flag=True, help="Print JSON.", **_noted()),
    ]


def _noted() -> dict[str, Any]:
    return {"expose_value": False, "callback": _note}


def _note(context: click.Context, option: click.Parameter, value: object) -> None:
    if value and option.name is not None:
        settings = context.ensure_object(Settings)
        setattr(settings, option.name, value)
        if option.name == "token":
            settings.token_file = None
