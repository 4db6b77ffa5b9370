"""`gaia trust init` and `gaia trust strict`: signing keys that the server never has."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click
from securesystemslib.signer import CryptoSigner

from gaia.cli import output
from gaia.cli.command import Settings, Verb
from gaia.cli.signing import SigningSession
from gaia.cli.signing_options import Signing, signs
from gaia.cli.trust_folder import TrustFolder, signing_folder
from gaia.errors import Conflict, InvalidInput, TrustError
from gaia.trust.bundle import Bundle
from gaia.trust.drafting import Drafter
from gaia.trust.keys import ONLINE, KeyFolder
from gaia.trust.metadata_files import MetadataFiles
from gaia.trust.operator import ceremony
from gaia.trust.operator.archive import Archive
from gaia.trust.operator.ceremony import Cast
from gaia.trust.operator.countersigning import countersigned
from gaia.trust.operator.keyring import KEYS
from gaia.trust.roles import GAIA_WORKER, ROOT, TARGETS, spoken
from gaia.trust.signed_roles import SignedRoles

_SERVER = "server"
"""Folder in the trust folder with what goes to the server's data folder."""

_OFFLINE = "offline, on a medium of its own, two copies"
_AT_HAND = "with whoever releases"


def _casting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say who signs what, as the argument `roles`."""

    @wraps(command)
    def run(
        *arguments: Any,  # noqa: ANN401 - click's own
        root: str,
        targets: str,
        release: str,
        channels: tuple[str, ...],
        **options: Any,  # noqa: ANN401 - click's own
    ) -> Any:  # noqa: ANN401 - click's own
        roles = ceremony.cast(root, targets, release, channels)
        return command(*arguments, roles=roles, **options)

    for option in (
        click.option(
            "--channel",
            "channels",
            metavar="NAME[=M/KEYS]",
            multiple=True,
            default=("stable",),
            show_default="stable",
            help="A channel, and who signs its pointer; left out, those who sign releases. "
            "Repeatable.",
        ),
        click.option(
            "--release",
            metavar="M/KEYS",
            default="1/1",
            show_default=True,
            help="Who signs the files of releases.",
        ),
        click.option(
            "--targets",
            metavar="M/KEYS",
            default="2/3",
            show_default=True,
            help="Who says which keys sign releases and channels.",
        ),
        click.option(
            "--root",
            metavar="M/KEYS",
            default="2/3",
            show_default=True,
            help="Who signs the root: 2/3 for two of three new keys, 2/alice,bob,carol for named "
            "ones. Those that the keyring lacks are made.",
        ),
    ):
        run = option(run)
    return run


@click.command("init", cls=Verb)
@_casting
@signing_folder
@click.pass_obj
def init(settings: Settings, folder: TrustFolder, roles: Cast) -> None:
    """Make the keys and the first signed roles of a new repository. Asks no server.

    Do it on a machine that you trust, best without a network. What the server needs is put into
    the folder `server` of the trust folder.
    """
    archive, server = Archive(folder.path), folder.path / _SERVER
    if not archive.empty:
        raise Conflict(
            "trust-folder-in-use",
            f"{folder.path} belongs to a repository already, and is left as it is.",
            hint="Name another folder: --trust-dir DIR. To change who signs: gaia trust rotate",
        )
    keyring = folder.keyring()
    made = ceremony.make_missing(keyring, roles, folder.new_passphrase)
    online = KeyFolder(server / "keys").obtain(ONLINE)

    def sign(bundle: Bundle, drafts: SignedRoles) -> Bundle:
        return countersigned(bundle, drafts, keyring, folder.passphrase, (), lambda _: None)

    held = ceremony.holders(keyring, roles)
    signed = ceremony.found(held, online.public_key, sign, datetime.now(UTC))
    served = MetadataFiles.open(server / "tuf")
    for name, data in signed.files().items():
        served.write(name, data)
    archive.keep(signed)
    _tell(settings, folder, roles, made, signed.fingerprint)
    if not settings.json:
        click.echo(
            f"""
To the server goes {server}, and nothing else, before its first start:
  mkdir -p gaia-data && cp -r {server}/. gaia-data/ && rm -r {server / "keys"}
  gaia-server --data-dir gaia-data
Then sign a release:
  gaia release publish --tag v0.5.0 FILES
  gaia release sign v0.5.0 FILES"""
        )


@click.command("strict", cls=Verb)
@click.option(
    "--root-keys",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the root keys that the server made: keys/root of its data folder.",
)
@_casting
@signs
@click.pass_obj
def strict(settings: Settings, signing: Signing, roles: Cast, root_keys: Path) -> None:
    """Take the signing keys off a server that has them: from convenience mode to strict.

    Makes new keys, has everything signed by them, and sends it as one bundle. The server then
    deletes its own. Workers notice nothing.
    """
    session = signing.session(settings)
    received = session.received()
    if not session.archive.empty:
        session.archive.check(received, "The server")
    old = _root_signers(root_keys, received)
    roles = {**_unnamed(received, roles), **roles}
    made = ceremony.make_missing(session.keyring, roles, signing.folder.new_passphrase)

    drafter = Drafter(received, datetime.now(UTC))
    for role, held in ceremony.holders(session.keyring, roles).items():
        drafter.hand_over(role, held)
    bundle = drafter.bundle()
    _tell_what_comes_along(received)
    session.explain(bundle, received)
    signed = session.countersigned(bundle.signed_by(old, received), received)
    session.send(signed, received)
    _check_strict(session)
    _tell(settings, signing.folder, roles, made, received.fingerprint)
    if not settings.json:
        click.echo(
            f"\nThe server's mode is strict now. Destroy the old root keys in {root_keys}, and "
            "every copy of them."
        )


def _root_signers(folder: Path, received: SignedRoles) -> list[CryptoSigner]:
    """The root's own keys: that they sign is what shows that the root is the right one."""
    found = KeyFolder(folder).trusted(received.keys(ROOT))
    if len(found) < received.threshold(ROOT):
        raise InvalidInput(
            "root-keys-missing",
            f"{folder} holds {len(found)} of the keys that sign the server's root, and "
            f"{received.threshold(ROOT)} have to. Nothing was changed.",
            hint="A server in convenience mode wrote them to keys/root in its data folder, to be "
            "moved off it. If its mode is strict already: gaia trust rotate",
        )
    return found


def _tell_what_comes_along(received: SignedRoles) -> None:
    releases = received.publication().artifacts
    count = sum(map(len, releases.values()))
    if count:
        output.say(
            f"{count} files of {len(releases)} releases are signed again, with the digests that "
            "the server has signed: gaia release show TAG."
        )


def _unnamed(received: SignedRoles, roles: Cast) -> Cast:
    """Channels that the server has and nobody was named for: with those who sign releases."""
    return {role: roles[GAIA_WORKER] for role in received.delegated if role not in roles}


def _check_strict(session: SigningSession) -> None:
    mode = session.connection.get("/api/trust")["mode"]
    if mode != "strict":
        raise TrustError(
            "still-convenience",
            f"The server has accepted the new keys, and still says that its mode is {mode}.",
            hint="gaia trust status shows which keys sign what; the server's log may say why.",
        )


def _tell(
    settings: Settings, folder: TrustFolder, roles: Cast, made: Collection[str], fingerprint: str
) -> None:
    signs_what = {
        name: [spoken(role) for role, quorum in roles.items() if name in quorum.names]
        for name in ceremony.names_of(roles)
    }
    if settings.json:
        output.json(
            {
                "fingerprint": f"sha256:{fingerprint}",
                "keys": [
                    {"name": name, "signs": signs, "made": name in made}
                    for name, signs in signs_what.items()
                ],
            }
        )
        return
    output.facts([("root fingerprint", f"sha256:{fingerprint}")])
    click.echo()
    output.table(
        ["key", "signs", "file", "keep it"],
        (
            (
                name,
                signs,
                folder.path / KEYS / name if name in made else "as registered",
                _OFFLINE if {ROOT, TARGETS} & set(signs) else _AT_HAND,
            )
            for name, signs in signs_what.items()
        ),
        empty="",
    )
    click.echo()
    for role, quorum in roles.items():
        click.echo(f"{spoken(role)}: {quorum} must sign")
    if made:
        click.echo(
            f"""
Move each offline key to its medium, with its own passphrase (ssh-keygen -p -f FILE); the trust
folder finds it there after: gaia key import NAME /media/NAME. Note the fingerprint: workers are
pinned to it. Back up {folder.path} without {KEYS}: it has what was signed."""
        )
