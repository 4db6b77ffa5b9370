"""An operator at the command line: `gaia` with a trust folder of one's own."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from gaia.cli.command import ExitCode
from gaia.cli.main import main
from support.server import ServerProcess

PASSPHRASE = "five words that chance picked"


@dataclass
class Desk:
    """Where somebody signs: a trust folder, a passphrase, and the server that is meant.

    Attributes:
        server: None for what asks no server.
    """

    folder: Path
    server: ServerProcess | None = None

    def run(self, *arguments: str | Path) -> Result:
        """`gaia` with these arguments; nothing is asked on a terminal."""
        environment: dict[str, str | None] = {
            "GAIA_TRUST_DIR": str(self.folder),
            "GAIA_KEY_PASSPHRASE": PASSPHRASE,
            "GAIA_SERVER": self.server.url if self.server else None,
            "GAIA_TOKEN": self.server.token if self.server else None,
        }
        result = CliRunner(env=environment).invoke(
            main, list(map(str, arguments)), prog_name="gaia", color=False
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert PASSPHRASE not in result.output
        return result

    def __call__(self, *arguments: str | Path) -> str:
        """The same, which has to succeed; its output."""
        result = self.run(*arguments)
        assert result.exit_code == ExitCode.OK, result.output
        return result.stdout

    def ask(self, *arguments: str | Path) -> Any:
        """The same with --json."""
        return json.loads(self(*arguments, "--json"))

    def refused(self, *arguments: str | Path) -> dict[str, str]:
        """What has to fail, as JSON: code, message, hint."""
        result = self.run(*arguments, "--json")
        assert result.exit_code != ExitCode.OK, result.output
        complaint: dict[str, str] = json.loads(result.stderr.splitlines()[-1])
        return complaint

    def status(self) -> Any:
        return self.ask("trust", "status")

    def colleague(self, name: str, *keys: str) -> Desk:
        """Somebody else's desk: the same public keys and signed files, other private keys.

        `keys` are moved there.
        """
        desk = Desk(self.folder.with_name(name), self.server)
        shutil.copytree(self.folder, desk.folder, ignore=shutil.ignore_patterns("keys", "server"))
        (desk.folder / "keys").mkdir(mode=0o700)
        for key in keys:
            (self.folder / "keys" / key).rename(desk.folder / "keys" / key)
        return desk


def carry_over(desk: Desk, data_dir: Path) -> None:
    """Take what `gaia trust init` has made for the server to its data folder."""
    shutil.copytree(desk.folder / "server", data_dir, dirs_exist_ok=True)
    shutil.rmtree(desk.folder / "server" / "keys")
