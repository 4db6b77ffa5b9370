"""`gaia trust status` and `gaia trust export`: the repository as it is served."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.filesize import decimal
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from gaia.cli import output
from gaia.cli.command import Settings, Verb
from gaia.cli.trust_folder import TrustFolder, trust_folder
from gaia.errors import TrustError
from gaia.protocol.trust import RoleEntry, TrustStatus
from gaia.trust import files
from gaia.trust.operator.archive import Archive
from gaia.trust.roles import FIRST_ROOT, spoken


@click.command("status", cls=Verb)
@trust_folder
@click.pass_obj
def status(settings: Settings, folder: TrustFolder) -> None:
    """Show the mode, who signs which role, when each expires, and what waits for signatures.

    As the server tells it; workers verify all of this for themselves. Keys go by the names that
    the trust folder has for them.
    """
    answer = settings.connect().get("/api/trust")
    if settings.json:
        output.json(answer)
        return
    found = msgspec.convert(answer, TrustStatus)
    names = {key.keyid: "the server's" for key in found.online_keys} | folder.keyring().called()
    output.facts([("mode", found.mode), ("root fingerprint", f"sha256:{found.fingerprint}")])
    click.echo()
    output.table(
        ["role", "version", "expires", "signed by"],
        (
            (
                spoken(role.name),
                role.version,
                f"{role.expires[:10]} ({output.until(role.expires)})",
                _signed_by(role, names),
            )
            for role in found.roles
        ),
        empty="",
    )
    for advice in _advice(found, Archive(folder.path)):
        click.echo(advice)


@click.command("export", cls=Verb)
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
    content = settings.connect().fetch(f"/tuf/{FIRST_ROOT}")
    _check_root(content)
    fingerprint = f"sha256:{hashlib.sha256(content).hexdigest()}"
    files.write(file, content)
    if settings.json:
        output.json({"file": str(file), "fingerprint": fingerprint})
        return
    output.facts([("file", file), ("root fingerprint", fingerprint)])
    output.say(
        "Compare the fingerprint with the one that gaia trust init, or the server at its start, "
        "printed."
    )


def _signed_by(role: RoleEntry, names: dict[str, str]) -> str:
    keys = sorted(names.get(keyid, keyid[:16]) for keyid in role.keyids)
    return f"{role.threshold} of {', '.join(keys)}"


def _advice(found: TrustStatus, archive: Archive) -> Iterator[str]:
    """What is to be done, with the command for it."""
    for role in found.roles:
        if role.days_left <= 0:
            yield (
                f"\n{spoken(role.name)} HAS EXPIRED: workers run on, and install nothing new.\n"
                f"  gaia trust renew {_renewed_as(role.name)}"
            )
        elif role.warning:
            yield (
                f"\n{spoken(role.name)} expires {output.until(role.expires)}.\n"
                f"  gaia trust renew {_renewed_as(role.name)}"
            )
    for key in found.online_keys:
        if not key.trusted:
            yield (
                f"\nThe server has a key that no root names: {key.keyid[:16]}.\n"
                "  gaia trust rotate online, or a draft of it waits for signatures"
            )
    for pending in found.pending:
        yield (
            f"\n{pending.tag}/{pending.filename} ({decimal(pending.size)}, SHA-256 "
            f"{pending.sha256}) waits for its signatures.\n"
            f"  gaia release sign {pending.tag} FILE --channel {pending.channel}"
        )
    for draft in archive.drafts({role.name: role.version for role in found.roles}):
        yield f"\nThis draft waits for signatures: {draft}\n  gaia trust sign {draft}"


def _renewed_as(role: str) -> str:
    return "online" if role in ("snapshot", "timestamp") else spoken(role)


def _check_root(content: bytes) -> None:
    try:
        root: Any = Metadata[Root].from_bytes(content).signed
    except RepositoryError:
        root = None
    if not isinstance(root, Root):
        raise TrustError(
            "invalid-metadata",
            f"{FIRST_ROOT} as sent by the server is no TUF root.",
            hint="Check the address given with --server.",
        )
