"""From nothing to a signed release by the how-to alone: its own lines, one after the other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from support.desk import PASSPHRASE, Desk
from support.server import ServerProcess

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "sign-away-from-the-server.md"


def lines(heading: str) -> list[str]:
    """The commands below a heading, without their remarks."""
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert blocks, heading
    return [re.sub(r"\s+#.*", "", line) for line in "".join(blocks).splitlines()]


def test_from_the_ceremony_to_a_signed_release(
    make_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = make_server(data_dir=tmp_path / "gaia-data")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "gaia-worker-linux").write_bytes(b"\x7fELF a worker")
    (tmp_path / "usb-1").mkdir()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GAIA_KEY_PASSPHRASE": PASSPHRASE,
        "GAIA_TOKEN": server.token,
    }

    def run(line: str) -> None:
        # What a person would type otherwise: where a medium is mounted, a port, a yes.
        line = line.replace("/media/", f"{tmp_path}/")
        if "ssh-keygen -p" in line:
            line = line.replace("-p", f'-p -P "{PASSPHRASE}" -N "{PASSPHRASE}"')
        if "release sign" in line:
            line += " --yes"
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)

    for line in lines("A new server"):
        if line.startswith("gaia-server"):
            server.start()
            environment["GAIA_SERVER"] = server.url
        else:
            run(line)
    for line in lines("A release"):
        if not line.startswith("export GAIA_SERVER"):
            run(line)
    assert server.get("/releases/latest").json()["tag"] == "v0.5.0"
    assert Desk(tmp_path / "gaia-trust", server).status()["mode"] == "strict"
