"""`gaia trust online-key` and `gaia trust seed`: another server of the same repository, one that
this machine's network does not reach.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from gaia.cli import output
from gaia.cli.anchor import Anchor, anchored
from gaia.cli.command import Settings, Verb
from gaia.errors import Conflict
from gaia.trust.keys import ONLINE, KeyFolder
from gaia.trust.metadata_files import TIMESTAMP_FILE, MetadataFiles
from gaia.trust.online import check_named
from gaia.trust.operator import public_keys
from gaia.trust.operator.continuity import check_continues, check_fresh
from gaia.trust.operator.parcel import Parcel
from gaia.trust.roles import FIRST_ROOT
from gaia.trust.signed_roles import SignedRoles, load_newest

_data_dir = click.argument("data_dir", type=click.Path(file_okay=False, path_type=Path))


@click.command("online-key", cls=Verb)
@_data_dir
@click.pass_obj
def online_key(settings: Settings, data_dir: Path) -> None:
    """Print the public online key of the server with this DATA_DIR; made, if there is none yet.

    Asks no server: run it on the server's machine, as the server's user. The private key stays
    there; the line that is printed goes to whoever holds the root keys.
    """
    key = KeyFolder(data_dir / "keys").obtain(ONLINE).public_key
    line = public_keys.to_line(public_keys.from_raw(bytes.fromhex(key.keyval["public"])))
    if settings.json:
        output.json({"keyid": key.keyid, "public": line})
        return
    click.echo(line)
    output.say(
        "Where the root keys are: gaia key import NAME FILE, with this line in FILE; then\n"
        "  gaia trust rotate online NAME --beside"
    )


@click.command("seed", cls=Verb)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_data_dir
@anchored
@click.pass_obj
def seed(settings: Settings, anchor: Anchor, file: Path, data_dir: Path) -> None:
    """Give the signed roles in the parcel FILE to a server that has never started, in DATA_DIR.

    Asks no server. The root must name the online key of that folder, and be the one that was
    pinned: this is where the server begins to trust.
    """
    anchor.require()
    with Parcel.open(file) as parcel:
        roles = parcel.roles
    anchor.check_parcel(roles)
    check_fresh(roles, datetime.now(UTC))
    _check_unused(MetadataFiles(data_dir / "tuf"), roles)
    check_named(KeyFolder(data_dir / "keys"), roles.root)
    folder = MetadataFiles.open(data_dir / "tuf")
    # The first root comes last: a server takes a folder without it for damaged, never for its own.
    for name, data in reversed(roles.files().items()):
        folder.write(name, data)
    if settings.json:
        output.json({"fingerprint": f"sha256:{roles.fingerprint}", "roles": roles.versions})
        return
    output.facts([("data folder", data_dir), ("root fingerprint", f"sha256:{roles.fingerprint}")])
    click.echo(
        f"\nStart the server: gaia-server --data-dir {data_dir}\n"
        f"Then give it the files, before workers ask for them: gaia release import {file}"
    )


def _check_unused(folder: MetadataFiles, roles: SignedRoles) -> None:
    if folder.read(TIMESTAMP_FILE) is not None:
        raise Conflict(
            "data-dir-begun",
            f"The server of {folder.folder.parent} has a repository already. Nothing was changed.",
            hint="gaia release import brings it a parcel. Is it of another repository: take an "
            "empty data folder.",
        )
    if folder.read(FIRST_ROOT) is not None:
        check_continues(roles, load_newest(folder), f"the folder {folder.folder}")
