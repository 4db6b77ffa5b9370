"""What systemd is told of a worker, as text: its unit.

Nothing is written here. Directives are those of systemd.service(5), systemd.exec(5) and
systemd.kill(5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_RESTART_AFTER = 2
"""Seconds. Long enough not to spin, short enough that a trial's starts are soon counted."""

AFTER_THE_DRAIN = 30
"""Seconds that a worker may take to end once its workload has."""


@dataclass(frozen=True)
class Service:
    """A worker as a service.

    Attributes:
        name: of the unit or service.
        command: absolute path of the executable, and its arguments.
        user: who it runs as; None for whoever the service manager runs as, on Windows for an
            account of its own.
        folders: absolute; that it writes to.
        state: its folder below the system's state folder, or None where it has another.
        token: file of the token, absolute.
        drain: seconds that its workload may take to stop.
    """

    name: str
    command: Sequence[str]
    user: str | None
    folders: Sequence[Path]
    state: str | None
    token: Path
    drain: float


def systemd_unit(service: Service) -> str:
    """The unit file of `service`; a user unit where it names no user."""
    lines = [
        "[Unit]",
        f"Description=GAIA worker {_escaped(service.name)}",
        "Documentation=man:systemd.service(5)",
        "Wants=network-online.target",
        "After=network-online.target",
        "# A release that crashes is taken back by counting its starts: never stop starting it.",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        f"ExecStart={' '.join(map(_quoted, service.command))}",
        "Restart=always",
        f"RestartSec={_RESTART_AFTER}",
        "# The worker alone is told to stop, and drains its workload; what is left is killed.",
        "KillMode=mixed",
        f"TimeoutStopSec={service.drain + AFTER_THE_DRAIN:g}",
    ]
    if service.user is not None:
        lines += [
            f"User={_escaped(service.user)}",
            "NoNewPrivileges=yes",
            "ProtectSystem=full",
            *(f"ReadWritePaths={_quoted(str(folder))}" for folder in service.folders),
        ]
    if service.state is not None:
        lines += [f"StateDirectory={_quoted(service.state)}", "StateDirectoryMode=0700"]
    target = "default.target" if service.user is None else "multi-user.target"
    lines += ["", "[Install]", f"WantedBy={target}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """One word of a command line of systemd's."""
    escaped = _escaped(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    plain = text and not set(text) & set(" \t\n\"'\\;")
    return escaped if plain else '"' + escaped.replace("\n", "\\n") + '"'


def _escaped(text: str) -> str:
    """Without specifiers, which begin with %."""
    return text.replace("%", "%%")
