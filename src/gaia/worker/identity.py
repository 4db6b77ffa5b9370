"""Who this machine is. None of this ever fails: a worker without a GPU or an ID still works."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import platform
import re
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SALT = b"gaia-worker machine v1"
_MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_ID = re.compile(r"[0-9a-f]{32}")
_FAMILIES = {"win32": "windows", "darwin": "macos"}
_ARCHITECTURES = {"x86_64": "", "amd64": "", "arm64": "aarch64"}
GPU_DEADLINE = 2.0
"""Seconds that the driver may take to describe the GPUs."""


def machine_id(state: Path) -> str:
    """A stable identity of this machine: 32 hexadecimal digits.

    Derived from the system's own machine ID, which should not leave the machine as it is
    (machine-id(5)); where there is none, from a random one that is kept in the folder `state`.
    """
    secret = _system_id() or _kept_id(state / "machine-id") or default_name()
    return hmac.new(secret.encode(), _SALT, hashlib.sha256).hexdigest()[:32]


def platform_name() -> str:
    """What a worker's executable must be built for: `linux`, `windows`, `linux-aarch64`, …"""
    family = _FAMILIES.get(sys.platform, sys.platform)
    machine = re.sub(r"[^a-z0-9_]", "", platform.machine().lower())
    architecture = _ARCHITECTURES.get(machine, machine)
    return f"{family}-{architecture}" if architecture else family


def default_name() -> str:
    """The host's name."""
    return socket.gethostname() or "worker"


def gpu(environment: Mapping[str, str]) -> dict[str, Any]:
    """The first GPU's name and memory (`vram_mb`) and how many there are; empty without any.

    Args:
        environment: to run the driver's tool in.
    """
    tool = shutil.which("nvidia-smi", path=environment.get("PATH"))
    if tool is None:
        return {}
    query = ["--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    rows = [row.rsplit(",", 1) for row in _output([tool, *query], environment).splitlines()]
    try:
        (name, memory), *_ = rows
        return {"name": name.strip(), "vram_mb": int(memory), "count": len(rows)}
    except ValueError:
        return {}


def _output(command: list[str], environment: Mapping[str, str]) -> str:
    try:
        process = subprocess.Popen(  # noqa: S603 - found in the owner's own PATH
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
    except OSError:
        return ""
    try:
        output, _ = process.communicate(timeout=GPU_DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        # A tool that hangs in the driver cannot be killed, and must not hold the worker either.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        return ""
    finally:
        if process.stdout is not None:
            process.stdout.close()
    return output if process.returncode == 0 else ""


def _system_id() -> str | None:
    if sys.platform == "win32":
        return _registry_id()
    for file in _MACHINE_ID_FILES:
        with contextlib.suppress(OSError, ValueError):
            text = file.read_text(encoding="ascii").strip()
            if _ID.fullmatch(text):
                return text
    return None


def _registry_id() -> str | None:
    if sys.platform != "win32":
        return None
    import winreg  # noqa: PLC0415 - exists on Windows only

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SOFTWARE\Microsoft\Cryptography") as key:
            return str(winreg.QueryValueEx(key, "MachineGuid")[0])
    except OSError:
        return None


def _kept_id(file: Path) -> str | None:
    with contextlib.suppress(OSError, ValueError):
        text = file.read_text(encoding="ascii").strip()
        if _ID.fullmatch(text):
            return text
    fresh = uuid.uuid4().hex
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"{file.name}.{fresh}")
        draft.write_text(fresh, encoding="ascii")
        draft.replace(file)
    except OSError:
        return None
    return fresh
