"""The command line of `gaia-worker`. Every option can be set by an environment variable too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from gaia.errors import GaiaError, InvalidInput
from gaia.model.channel import check_channel
from gaia.protocol.address import Address
from gaia.trust.pin import RootPin
from gaia.worker.build_info import BuildInfo
from gaia.worker.composition import Options

EXIT_USAGE = 2


def command(run: Callable[[Options], None], self_check: Callable[[], None]) -> click.Command:
    """The click command that parses `Options` and hands them to `run`.

    With `--self-check` they are parsed and handed to nobody: an update learns of a flag that the
    new version does not know, or of a file that is gone, while the old version still runs.
    """

    @click.command(
        name="gaia-worker",
        context_settings={"auto_envvar_prefix": "GAIA", "show_default": True},
        epilog="COMMAND is the workload: started beside the experiments folder, drained before a "
        "restart, started again after it. Put -- before it.",
    )
    @click.version_option(
        BuildInfo.load().version, message="gaia-worker %(version)s", allow_from_autoenv=False
    )
    @click.option(
        "--self-check",
        "only_check",
        is_flag=True,
        allow_from_autoenv=False,
        help="Load everything, look at the other options, then exit 0: what a new version is asked "
        "to do before it is installed.",
    )
    @click.option("--server", metavar="URL", help="Address of gaia-server.")
    @click.option(
        "--token",
        metavar="TOKEN",
        help="Access token. Prefer --token-file or GAIA_TOKEN: arguments are visible to others.",
    )
    @click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="File that holds the access token.",
    )
    @click.option(
        "--name",
        envvar="GAIA_WORKER_NAME",
        show_envvar=True,
        help="Name of this worker in the fleet.",
    )
    @click.option(
        "--auto-update",
        is_flag=True,
        help="Keep this executable on the signed release. Implies --sync-experiments.",
    )
    @click.option("--sync-experiments", is_flag=True, help="Keep the experiments bundle current.")
    @click.option(
        "--experiments-dir",
        default=Options.experiments_dir,
        type=click.Path(file_okay=False, path_type=Path),
        help="Where experiments/ of the bundle goes; run_all.py goes to its parent.",
    )
    @click.option(
        "--heartbeat-interval",
        default=Options.heartbeat_interval,
        type=click.FloatRange(min=0.1, max=3600),
        help="Seconds between heartbeats; the server may ask for more.",
    )
    @click.option(
        "--state-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Trust metadata and identity.  [default: .gaia/state beside the executable]",
    )
    @click.option(
        "--trust-root",
        metavar="FILE|sha256:HEX",
        help="Root of trust: a root.json, or its SHA-256.  [default: built in, else first use]",
    )
    @click.option("--channel", default=Options.channel, help="Channel of releases to follow.")
    @click.option(
        "--label",
        "labels",
        envvar="GAIA_LABEL",
        multiple=True,
        metavar="K=V",
        help="Label; repeatable.",
    )
    @click.option(
        "--drain-grace",
        default=Options.drain_grace,
        type=click.FloatRange(min=0),
        help="Seconds between SIGTERM and SIGKILL of the workload.",
    )
    @click.option(
        "--drain-timeout",
        default=Options.drain_timeout,
        type=click.FloatRange(min=0),
        help="Seconds that a busy workload (GAIA_BUSY) may hold an update.",
    )
    @click.option(
        "--probation-heartbeats",
        default=Options.probation_heartbeats,
        type=click.IntRange(min=1),
        help="Answered heartbeats after which an update is kept.",
    )
    @click.option(
        "--probation-silence",
        default=Options.probation_silence,
        type=click.FloatRange(min=1),
        help="Seconds without a sign of life after which an update is taken back.",
    )
    @click.option(
        "--log-format",
        default="text",
        type=click.Choice(["text", "json"]),
        help="How log lines on standard error look.",
    )
    @click.argument("command", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    def gaia_worker(
        context: click.Context,
        /,
        *,
        only_check: bool,
        **values: Any,  # noqa: ANN401 - one of each option's type
    ) -> None:
        """Stay on the release that the operator signed, and run COMMAND meanwhile."""
        try:
            if only_check and not _given(context, values):
                self_check()
                return
            options = parse(values)
            if only_check:
                self_check()
            else:
                run(options)
        except GaiaError as error:
            click.echo(f"gaia-worker: {error}", err=True)
            context.exit(EXIT_USAGE if isinstance(error, InvalidInput) else 1)

    return gaia_worker


def _given(context: click.Context, names: Iterable[str]) -> bool:
    """Whether any of these options is on the command line."""
    return any(context.get_parameter_source(n) is ParameterSource.COMMANDLINE for n in names)


def parse(values: dict[str, Any]) -> Options:
    """Options of click's raw values, which are used up.

    Raises:
        InvalidInput: `missing-option`, `invalid-address`, `no-token`, `invalid-label`,
            `invalid-channel`, `token-file-unreadable`, `trust-root-unreadable`, `invalid-digest`.
    """
    for option in ("server", "name"):
        if not values[option]:
            raise InvalidInput(
                "missing-option", f"--{option} is missing.", hint="See gaia-worker --help."
            )
    Address.parse(values["server"])
    token, token_file = values.pop("token"), values.pop("token_file")
    pin = values.pop("trust_root")
    return Options(
        **{
            **values,
            "token": _token(token, token_file),
            "trust_root": None if pin is None else RootPin.parse(pin),
            "labels": dict(_label(text) for text in values["labels"]),
            "channel": check_channel(values["channel"]),
            "sync_experiments": values["sync_experiments"] or values["auto_update"],
        }
    )


def _token(token: str | None, token_file: Path | None) -> str:
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(
                "token-file-unreadable",
                f"The token file {token_file} cannot be read: {error}.",
                hint="It must hold the token as plain text and be readable by this user.",
            ) from None
    if token is None or not token.strip():
        raise InvalidInput(
            "no-token",
            "There is no access token.",
            hint="Set GAIA_TOKEN, or give --token-file FILE or --token TOKEN.",
        )
    return token.strip()


def _label(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise InvalidInput("invalid-label", f"{text!r} is not a label.", hint="Write --label k=v.")
    return key, value
