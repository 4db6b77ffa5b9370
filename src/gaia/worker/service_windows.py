"""What Windows' service manager is told of a worker, as text: PowerShell for an administrator.

Nothing is done here. Windows keeps nobody out of a folder at the top of a drive by itself, and a
service is restarted after a failure only when it is asked to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PureWindowsPath

from gaia.worker.service_unit import AFTER_THE_DRAIN, Service

_DELAYS = (2_000, 10_000, 60_000)
"""Milliseconds before a restart: after the first failure of a day, the second, all others."""

_REGISTRY = "HKLM:\\SYSTEM\\CurrentControlSet\\Services\\"

_SYSTEM, _ADMINISTRATORS = "*S-1-5-18", "*S-1-5-32-544"
_USERS, _EVERYBODY_KNOWN = "*S-1-5-32-545", "*S-1-5-11"
"""By number, as their names are translated."""

_INHERITED = ":(OI)(CI)"


def windows_service(service: Service) -> str:
    """PowerShell that registers `service`, and starts it.

    It is started by a copy of the executable, which no update touches: between the two renames of
    a swap there is no file at the executable's own path.
    """
    return "".join(f"{line}\n" for line in _lines(service))


def _lines(service: Service) -> Iterator[str]:
    program, *arguments = service.command
    copy = str(PureWindowsPath(program).with_suffix(".service.exe"))
    name = _quoted(service.name)
    account = service.user or f"NT SERVICE\\{service.name}"
    line = " ".join(map(_argument, [copy, *arguments]))
    # Accounts of the system's own have no password.
    own = account.upper().startswith("NT ")
    credential = "" if own else f" -Credential (Get-Credential {_quoted(account)})"

    yield "$ErrorActionPreference = 'Stop'"
    yield f"Copy-Item -Force -LiteralPath {_quoted(program)} -Destination {_quoted(copy)}"
    yield (
        f"New-Service -Name {name} -DisplayName {_quoted(f'GAIA worker {service.name}')} "
        f"-StartupType Automatic -BinaryPathName {_quoted(line)}{credential}"
    )
    yield f"sc.exe config {name} start= delayed-auto" + (f" obj= {_quoted(account)}" if own else "")
    actions = "/".join(f"restart/{delay}" for delay in _DELAYS)
    yield f"sc.exe failure {name} reset= 86400 actions= {actions}"
    yield f"sc.exe failureflag {name} 1"
    patience = int(1000 * (service.drain + AFTER_THE_DRAIN))
    yield (
        f"Set-ItemProperty -LiteralPath {_quoted(_REGISTRY + service.name)} "
        f"-Name PreshutdownTimeout -Type DWord -Value {patience}"
    )
    home = _quoted(str(PureWindowsPath(program).parent))
    yield f"icacls.exe {home} /inheritance:d"
    yield f"icacls.exe {home} /remove:g {_quoted(_EVERYBODY_KNOWN)} {_quoted(_USERS)}"
    yield f"icacls.exe {home} /grant {_quoted(f'{_USERS}{_INHERITED}RX')}"
    for folder in service.folders:
        yield f"New-Item -ItemType Directory -Force -Path {_quoted(str(folder))} | Out-Null"
        yield f"icacls.exe {_quoted(str(folder))} /grant {_quoted(f'{account}{_INHERITED}M')}"
    rights = (f"{account}:R", f"{_SYSTEM}:F", f"{_ADMINISTRATORS}:F")
    yield (
        f"icacls.exe {_quoted(str(service.token))} /inheritance:r "
        f"/grant:r {' '.join(map(_quoted, rights))}"
    )
    yield f"Start-Service -Name {name}"


def _argument(text: str) -> str:
    """One argument, for the rules by which C programs take a command line apart."""
    if text and not set(text) & set(' \t"'):
        return text
    slashes, out = 0, '"'
    for character in text:
        if character == "\\":
            slashes += 1
            continue
        out += "\\" * (2 * slashes + 1 if character == '"' else slashes) + character
        slashes = 0
    return out + "\\" * (2 * slashes) + '"'


def _quoted(text: str) -> str:
    """A string of PowerShell, taken as it is. Any of its five single quotes would end it."""
    return "'" + re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", text) + "'"
