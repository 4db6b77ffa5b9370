"""`gaia trust`: the server's TUF repository, as it is served."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec

from gaia.cli import output
from gaia.cli.command import Settings, Verbs
from gaia.cli.connection import Connection
from gaia.errors import NotFound, TrustError

FIRST_ROOT = "1.root.json"


@click.group("trust", cls=Verbs)
def trust() -> None:
    """Trust: what workers verify releases with."""


@trust.command("status")
@click.pass_obj
def status(settings: Settings) -> None:
    """Show the root's fingerprint and when each role expires, as the server tells it.

    Workers verify all of this for themselves; here it is only read.
    """
    connection = settings.connect()
    first = _fetch(connection, FIRST_ROOT)
    roles = _roles(connection)
    fingerprint = f"sha256:{hashlib.sha256(first).hexdigest()}"
    if settings.json:
        output.json({"fingerprint": fingerprint, "roles": roles})
        return
    output.facts([("root fingerprint", fingerprint)])
    click.echo()
    output.table(
        ["role", "version", "expires"],
        (
            (role["name"], role["version"], f"{role['expires']} ({output.until(role['expires'])})")
            for role in roles
        ),
        empty="",
    )


@trust.command("export")
@click.option(
    "-o",
    "--output",
    "file",
    default="root.json",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.",
)
@click.pass_obj
def export(settings: Settings, file: Path) -> None:
    """Write the first root to a file, to pin or to build into workers."""
    content = _fetch(settings.connect(), FIRST_ROOT)
    _signed(content, FIRST_ROOT)
    fingerprint = f"sha256:{hashlib.sha256(content).hexdigest()}"
    _write(file, content)
    if settings.json:
        output.json({"file": str(file), "fingerprint": fingerprint})
        return
    output.facts([("file", file), ("root fingerprint", fingerprint)])
    output.say("Compare the fingerprint with the one that the server printed at its start.")


def _roles(connection: Connection) -> list[dict[str, Any]]:
    timestamp = _signed(_fetch(connection, "timestamp.json"), "timestamp.json")
    version = timestamp["meta"]["snapshot.json"]["version"]
    snapshot = _read(connection, version, "snapshot")
    targets = [
        _read(connection, meta["version"], name.removesuffix(".json"))
        for name, meta in snapshot["meta"].items()
    ]
    named = [("root", _newest_root(connection)), ("timestamp", timestamp), ("snapshot", snapshot)]
    named += [
        (name.removesuffix(".json"), role)
        for name, role in zip(snapshot["meta"], targets, strict=True)
    ]
    return [
        {"name": name, "version": role["version"], "expires": role["expires"]}
        for name, role in named
    ]


def _newest_root(connection: Connection) -> dict[str, Any]:
    version = 1
    root = _read(connection, version, "root")
    while True:
        try:
            root = _read(connection, version + 1, "root")
        except NotFound:
            return root
        version += 1


def _read(connection: Connection, version: int, role: str) -> dict[str, Any]:
    name = f"{version}.{role}.json"
    return _signed(_fetch(connection, name), name)


def _fetch(connection: Connection, name: str) -> bytes:
    return connection.fetch(f"/tuf/{quote(name)}")


def _signed(content: bytes, name: str) -> dict[str, Any]:
    try:
        signed: dict[str, Any] = msgspec.json.decode(content)["signed"]
        if not {"version", "expires"} <= signed.keys():
            raise KeyError
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError):
        raise TrustError(
            "invalid-metadata", f"{name} as sent by the server is no TUF metadata."
        ) from None
    return signed


def _write(file: Path, content: bytes) -> None:
    descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        Path(draft).chmod(0o644)
        Path(draft).replace(file)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
