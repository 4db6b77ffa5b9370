"""Artifacts: the files of a release, and what their names mean."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gaia.errors import InvalidInput

EXPERIMENTS = "experiments.tar.gz"
"""File name of the experiments bundle in every release."""

DEFAULT_PLATFORM = "linux"
"""Platform of workers that do not name theirs: GAIA 0.4 ran on Linux first."""

_WORKER_NAME = re.compile(r"gaia-worker-(?P<platform>[a-z0-9]+(?:[_-][a-z0-9]+)*)(?:\.exe)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_NAME_LENGTH = 64


@dataclass(frozen=True)
class Artifact:
    """One file of a release.

    Attributes:
        filename: `gaia-worker-linux`, `gaia-worker-windows.exe`, … or `experiments.tar.gz`.
        size: bytes.
        sha256: lower-case hexadecimal, 64 characters.
    """

    filename: str
    size: int
    sha256: str


def check_filename(filename: str) -> str:
    """Return `filename` when an artifact may bear it.

    Only names under which the trust roles delegate can be signed, so no other is accepted.

    Raises:
        InvalidInput: `invalid-filename`.
    """
    if filename == EXPERIMENTS or platform_of(filename) is not None:
        return filename
    shown = filename if len(filename) <= _MAX_NAME_LENGTH else filename[:_MAX_NAME_LENGTH] + "…"
    raise InvalidInput(
        "invalid-filename",
        f"A release cannot hold a file named {shown!r}.",
        hint=f"Use gaia-worker-linux, gaia-worker-windows.exe or {EXPERIMENTS}.",
    )


def check_sha256(text: str) -> str:
    """Return `text` when it is a SHA-256 in lower-case hexadecimal.

    Raises:
        InvalidInput: `invalid-digest`.
    """
    if not _SHA256.fullmatch(text):
        raise InvalidInput("invalid-digest", f"{text[:80]!r} is not a SHA-256 in hexadecimal.")
    return text


def platform_of(filename: str) -> str | None:
    """The platform that a worker file is for, or None for any other file."""
    match = _WORKER_NAME.fullmatch(filename)
    if match is None or len(filename) > _MAX_NAME_LENGTH:
        return None
    platform = match["platform"]
    if filename != worker_filename(platform):
        return None
    return platform


def worker_filename(platform: str) -> str:
    """The name of the worker's executable for `platform`, such as `gaia-worker-linux`."""
    suffix = ".exe" if platform.startswith("windows") else ""
    return f"gaia-worker-{platform}{suffix}"
