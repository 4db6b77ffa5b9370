"""`gaia key`: the operator's signing keys."""

from __future__ import annotations

from pathlib import Path

import click

from gaia.cli import output
from gaia.cli.command import Settings, Verbs
from gaia.cli.trust_folder import TrustFolder, signing_folder, trust_folder
from gaia.trust.operator import key_files, public_keys
from gaia.trust.operator.keyring import Entry
from gaia.trust.operator.signers import AGENT, ENVIRONMENT, FILE, find_signer


@click.group("key", cls=Verbs)
def key() -> None:
    """Signing keys, Ed25519, in OpenSSH's format. They never go to the server."""


@key.command("new")
@click.argument("name")
@signing_folder
@click.pass_obj
def new_key(settings: Settings, folder: TrustFolder, name: str) -> None:
    """Make the key NAME: an encrypted file in the trust folder, and its public part beside it."""
    keyring = folder.keyring()
    keyring.check_free(name)
    entry = keyring.generate(name, folder.new_passphrase([name]))
    _tell(entry, settings, folder)


@key.command("import")
@click.argument("name")
@click.argument("source")
@signing_folder
@click.pass_obj
def import_key(settings: Settings, folder: TrustFolder, name: str, source: str) -> None:
    """Register an existing key as NAME, or say where the key NAME is now.

    SOURCE is a file, private or public (.pub); ssh-agent:SHA256:FINGERPRINT for a key that
    ssh-agent holds; or env:VARIABLE for one whose text is in an environment variable. Nothing is
    copied: a private key is read where it is, each time that it signs.
    """
    keyring = folder.keyring()
    if source.startswith((AGENT, ENVIRONMENT)):
        uri = source
        public = find_signer(uri, lambda _: folder.passphrase(name)).public_key
    else:
        path = Path(source.removeprefix(FILE)).absolute()
        text = key_files.read(path)
        if public_keys.is_line(text):
            uri, public = "", public_keys.from_line(text.decode(errors="replace"))
        else:
            uri = f"{FILE}{path}"
            public = find_signer(uri, lambda _: folder.passphrase(name)).public_key
    _tell(keyring.add(name, public, uri), settings, folder)


@key.command("list")
@trust_folder
@click.pass_obj
def list_keys(settings: Settings, folder: TrustFolder) -> None:
    """List the keys of the trust folder: names, fingerprints, and where the private ones are."""
    keyring = folder.keyring()
    entries = [keyring.find(name) for name in keyring.names()]
    if settings.json:
        output.json({"keys": [_described(entry) for entry in entries]})
        return
    output.table(
        ["name", "fingerprint", "key ID", "private key"],
        (
            (entry.name, entry.fingerprint, entry.keyid[:16], entry.uri or "with somebody else")
            for entry in entries
        ),
        empty=f"There are no keys in {folder.path}. gaia key new NAME makes one, gaia trust init "
        "all that a new repository needs.",
    )


def _described(entry: Entry) -> dict[str, str]:
    return {
        "name": entry.name,
        "fingerprint": entry.fingerprint,
        "keyid": entry.keyid,
        "public": public_keys.to_line(entry.key, entry.name),
        "uri": entry.uri,
    }


def _tell(entry: Entry, settings: Settings, folder: TrustFolder) -> None:
    if settings.json:
        output.json(_described(entry))
        return
    output.facts(
        [
            ("key", entry.name),
            ("fingerprint", entry.fingerprint),
            ("private key", entry.uri and _place(entry, folder)),
            ("public key", public_keys.to_line(entry.key, entry.name)),
        ]
    )


def _place(entry: Entry, folder: TrustFolder) -> str:
    if entry.uri.startswith(FILE):
        return str(folder.path / entry.uri.removeprefix(FILE))
    return entry.uri
