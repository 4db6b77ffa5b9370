"""What a service manager is told of a worker, as text: a systemd unit, a Windows scheduled task.

Nothing is written here. Directives are those of systemd.service(5), systemd.exec(5) and
systemd.kill(5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_RESTART_AFTER = 2
"""Seconds. Long enough not to spin, short enough that a trial's starts are soon counted."""

_AFTER_THE_DRAIN = 30
"""Seconds that a worker may take to end once its workload has."""


@dataclass(frozen=True)
class Service:
    """A worker as a service.

    Attributes:
        name: of the unit or task.
        command: absolute path of the executable, and its arguments.
        user: who it runs as; None for whoever the service manager runs as.
        folders: absolute; that it writes to.
        state: its folder below the system's state folder, or None where it has another.
        drain: seconds that its workload may take to stop.
    """

    name: str
    command: Sequence[str]
    user: str | None
    folders: Sequence[Path]
    state: str | None
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
        f"TimeoutStopSec={service.drain + _AFTER_THE_DRAIN:g}",
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


def windows_task(service: Service) -> str:
    """PowerShell that registers `service` as a scheduled task, which starts with the system.

    A task and no service: the worker is an ordinary program, which Windows' service manager would
    end after 30 s for not answering it.
    """
    program, *arguments = service.command
    line = " ".join(_for_windows(argument) for argument in arguments)
    principal = _powershell(service.user or "$env:USERNAME")
    return "\n".join(
        [
            f"$action = New-ScheduledTaskAction -Execute {_powershell(program)} "
            f"-Argument {_powershell(line)} "
            f"-WorkingDirectory {_powershell(str(service.folders[0]))}",
            "$trigger = New-ScheduledTaskTrigger -AtStartup",
            "$settings = New-ScheduledTaskSettingsSet -ExecutionTimeLimit 0 -RestartCount 999 "
            "-RestartInterval (New-TimeSpan -Minutes 1) -AllowStartIfOnBatteries "
            "-DontStopIfGoingOnBatteries",
            f"Register-ScheduledTask -TaskName {_powershell(service.name)} -Action $action "
            f"-Trigger $trigger -Settings $settings -User {principal} -RunLevel Limited",
        ]
    )


def _quoted(text: str) -> str:
    """One word of a command line of systemd's."""
    escaped = _escaped(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    plain = text and not set(text) & set(" \t\n\"'\\;")
    return escaped if plain else '"' + escaped.replace("\n", "\\n") + '"'


def _escaped(text: str) -> str:
    """Without specifiers, which begin with %."""
    return text.replace("%", "%%")


def _for_windows(argument: str) -> str:
    """One argument, for the rules by which C programs take a command line apart."""
    if argument and not set(argument) & set(' \t"'):
        return argument
    slashes, out = 0, '"'
    for character in argument:
        if character == "\\":
            slashes += 1
            continue
        out += "\\" * (2 * slashes + 1 if character == '"' else slashes) + character
        slashes = 0
    return out + "\\" * (2 * slashes) + '"'


def _powershell(text: str) -> str:
    if text.startswith("$env:"):
        return text
    return "'" + text.replace("'", "''") + "'"
