"""The command `gaia-server`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gaia import __version__
from gaia.errors import GaiaError, InvalidInput
from gaia.server import logs
from gaia.server.assembly import Assembly
from gaia.server.serving import serve
from gaia.server.settings import (
    DEFAULT_MAX_UPLOAD,
    DEFAULT_PORT,
    Settings,
    check_token,
    parse_size,
)
from gaia.trust.repository import Mode

_WEAK = 16
_MISSING = """\
gaia-server does not start without a token: it is what keeps strangers from publishing.
Make one and keep it where only you can read it:

  umask 077; python3 -c 'import secrets; print(secrets.token_urlsafe(32))' > gaia-token
  gaia-server --token-file gaia-token

(or set GAIA_TOKEN)."""


_MODES = {
    Mode.CONVENIENCE: """\
  CONVENIENCE MODE: this server holds the signing keys and signs every upload at once.
  Whoever controls it can publish. Keep its data folder private, and a backup of it.""",
    Mode.STRICT: """\
  Strict mode: the signing keys are kept off this server; an upload waits for its signatures.""",
}


@click.command(
    name="gaia-server",
    context_settings={"auto_envvar_prefix": "GAIA", "show_default": True},
    epilog="Every option can be set by an environment variable: GAIA_HOST, GAIA_PORT, "
    "GAIA_DATA_DIR, GAIA_TOKEN and so on.",
)
@click.version_option(__version__, message="gaia-server %(version)s", allow_from_autoenv=False)
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0: all.")
@click.option(
    "--port",
    default=DEFAULT_PORT,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0: a free one, written to server.json in the data folder.",
)
@click.option(
    "--data-dir",
    default="./gaia-data",
    type=click.Path(path_type=Path),
    help="Folder of the database, the files, the trust repository and its keys.",
)
@click.option(
    "--token",
    metavar="TOKEN",
    help="Start-up token, of role admin. Prefer --token-file or GAIA_TOKEN: arguments are visible "
    "to every user of the machine.",
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File that holds the start-up token.",
)
@click.option(
    "--database",
    default="",
    metavar="URL",
    help="Only sqlite:/// as yet.  [default: in the data folder]",
)
@click.option(
    "--blobs",
    default="",
    metavar="URL",
    help="Only file:/// as yet.  [default: in the data folder]",
)
@click.option(
    "--max-upload-size", default=DEFAULT_MAX_UPLOAD, metavar="SIZE", help="Largest file taken."
)
@click.option(
    "--min-heartbeat-interval",
    default=0.2,
    type=click.FloatRange(min=0.1, max=3600),
    help="Seconds that workers must leave between heartbeats; they want 5 by default.",
)
@click.option("--log-format", default="text", type=click.Choice(["text", "json"]))
def main(
    *,
    host: str,
    port: int,
    data_dir: Path,
    token: str | None,
    token_file: Path | None,
    database: str,
    blobs: str,
    max_upload_size: str,
    min_heartbeat_interval: float,
    log_format: str,
) -> None:
    """Hold GAIA's releases, answer its workers' heartbeats, show the fleet."""
    logs.configure(log_format)
    try:
        settings = Settings(
            host=host,
            port=port,
            data_dir=data_dir,
            token=_token(token, token_file),
            database=database,
            blobs=blobs,
            max_upload_size=parse_size(max_upload_size),
            min_heartbeat_interval=min_heartbeat_interval,
        )
    except InvalidInput as error:
        raise click.UsageError(str(error)) from None
    try:
        serve(settings, _announce)
    except GaiaError as error:
        click.echo(f"gaia-server: {error}", err=True)
        sys.exit(1)


def _token(token: str | None, file: Path | None) -> str:
    if file is not None:
        try:
            token = file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"The token file cannot be read: {error}.") from None
    if not token:
        raise click.UsageError(_MISSING)
    check_token(token)
    if len(token) < _WEAK:
        click.echo(
            f"gaia-server: warning: the token has only {len(token)} characters and may be guessed.",
            err=True,
        )
    return token


def _announce(url: str, assembly: Assembly) -> None:
    click.echo(
        f"""\
gaia-server {__version__}
  Dashboard         {url}/
  Root fingerprint  sha256:{assembly.fingerprint}
{_MODES[assembly.mode]}"""
    )
