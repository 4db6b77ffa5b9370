"""The operator's keyring: public keys by name, and where the private one of each is.

`keyring.json` holds no secrets. A key without a private part is somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from securesystemslib.signer import Signer, SSlibKey

from gaia.errors import Conflict, InvalidInput, NotFound, TrustError
from gaia.trust import files
from gaia.trust.operator import key_files, public_keys
from gaia.trust.operator.signers import FILE, Passphrase, open_signer

KEYRING = "keyring.json"
"""Name of its file in the trust folder."""

KEYS = "keys"
"""Folder of key files in the trust folder."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

_PRIVATE_FOLDER = 0o700


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    public: str
    keyid: str
    uri: str


@dataclass(frozen=True)
class Entry:
    """A key of the keyring.

    Args:
        name: what the operator calls it.
        key: its public part, with the keyid that TUF metadata has for it.
        uri: where its private part is; empty for somebody else's key. Relative paths start from
            the trust folder.
    """

    name: str
    key: SSlibKey
    uri: str

    @property
    def keyid(self) -> str:
        """As in TUF metadata."""
        return self.key.keyid

    @property
    def fingerprint(self) -> str:
        """As OpenSSH prints it: `SHA256:…`."""
        return public_keys.fingerprint(self.key)


class Keyring:
    """The keys in a trust folder."""

    def __init__(self, folder: Path, entries: Mapping[str, Entry]) -> None:
        self.folder = folder
        self._entries = dict(entries)

    @classmethod
    def load(cls, folder: Path) -> Keyring:
        """The keyring of a trust folder; an empty one when there is none yet.

        Raises:
            TrustError: `keyring-damaged`.
            OSError: it cannot be read.
        """
        path = folder / KEYRING
        try:
            records = msgspec.json.decode(path.read_bytes(), type=dict[str, _Record])
            entries = {name: _entry(name, record) for name, record in records.items()}
        except FileNotFoundError:
            return cls(folder, {})
        except (msgspec.MsgspecError, ValueError, InvalidInput) as error:
            raise TrustError(
                "keyring-damaged",
                f"{path} is not a keyring, or damaged: {error}",
                hint="Restore it from a backup, or move it away and register the keys anew: "
                "gaia key import NAME SOURCE",
            ) from error
        return cls(folder, entries)

    def add(self, name: str, public_key: SSlibKey, uri: str = "") -> Entry:
        """Register a key, and write the keyring.

        A key that is registered by this name gets the new `uri`, unless that is empty: so a key
        that moved is found again.

        Raises:
            InvalidInput: `invalid-key-name`.
            Conflict: `key-name-taken` or `key-already-known`.
            OSError: it cannot be written.
        """
        check_name(name)
        for known in self._entries.values():
            if known.name == name and known.keyid != public_key.keyid:
                raise _taken(known)
            if known.keyid == public_key.keyid and known.name != name:
                raise Conflict(
                    "key-already-known",
                    f"This key is in the keyring already, and called {known.name}.",
                    hint=f"Use it by that name. To say where it is now: "
                    f"gaia key import {known.name} SOURCE",
                )
        if name in self._entries:
            uri = uri or self._entries[name].uri
        entry = Entry(name, public_key, uri)
        self._write({**self._entries, name: entry})
        self._entries[name] = entry
        return entry

    def generate(self, name: str, passphrase: str) -> Entry:
        """Make a key, encrypted, in the trust folder, and register it.

        Raises:
            InvalidInput: `invalid-key-name` or `weak-passphrase`.
            Conflict: `key-name-taken` or `key-file-exists`.
            OSError: it cannot be written.
        """
        self.check_free(name)
        public = key_files.generate(self.folder / KEYS / name, passphrase, name)
        return self.add(name, public, f"{FILE}{KEYS}/{name}")

    def check_free(self, name: str) -> None:
        """Look whether a new key may be called `name`.

        Raises:
            InvalidInput: `invalid-key-name`.
            Conflict: `key-name-taken`.
        """
        check_name(name)
        if name in self._entries:
            raise _taken(self._entries[name])

    def names(self) -> list[str]:
        """The names of all keys, sorted."""
        return sorted(self._entries)

    def called(self) -> dict[str, str]:
        """The names of all keys, by key ID."""
        return {entry.keyid: name for name, entry in self._entries.items()}

    def find(self, key: str) -> Entry:
        """The key of that name, keyid or fingerprint.

        Raises:
            NotFound: `no-such-key`.
        """
        for entry in self._entries.values():
            if key in (entry.name, entry.keyid, entry.fingerprint):
                return entry
        raise NotFound(
            "no-such-key",
            f"The keyring in {self.folder} has no key {key!r}.",
            hint="gaia key list shows its keys; gaia key new NAME makes one, gaia key import NAME "
            "SOURCE adds one.",
        )

    def held(self, keyids: Collection[str]) -> list[Entry]:
        """Those of the keys whose private part is said to be somewhere, sorted by name."""
        entries = (self._entries[name] for name in self.names())
        return [entry for entry in entries if entry.uri and entry.keyid in keyids]

    def chosen(self, keyids: Collection[str], only: Collection[str]) -> list[Entry]:
        """Those of the keys that the operator has and wants to use.

        Args:
            keyids: who may sign.
            only: names, keyids or fingerprints; empty for all that are here.

        Raises:
            NotFound: `no-such-key`: one of `only` is not in the keyring.
            InvalidInput: `private-key-elsewhere`: one of `only` is somebody else's.
        """
        wanted = {self._own(name).keyid for name in only}
        return [entry for entry in self.held(keyids) if not only or entry.keyid in wanted]

    def signer(self, entry: Entry, passphrase: Passphrase) -> Signer:
        """The signer of one key.

        Raises:
            InvalidInput: what `open_signer` raises.
            TrustError: what `open_signer` raises.
        """
        return open_signer(entry.uri, entry.key, lambda _: passphrase(entry.name), base=self.folder)

    def _own(self, name: str) -> Entry:
        entry = self.find(name)
        if not entry.uri:
            raise InvalidInput(
                "private-key-elsewhere",
                f"Of the key {entry.name} only the public part is here.",
                hint="Its owner signs with it. If that is you: "
                f"gaia key import {entry.name} SOURCE",
            )
        return entry

    def _write(self, entries: Mapping[str, Entry]) -> None:
        records = {
            name: _Record(public_keys.to_line(entry.key), entry.keyid, entry.uri)
            for name, entry in sorted(entries.items())
        }
        files.make_folder(self.folder, mode=_PRIVATE_FOLDER)
        text = msgspec.json.format(msgspec.json.encode(records), indent=2)
        files.write(self.folder / KEYRING, text + b"\n", mode=0o600)


def _taken(known: Entry) -> Conflict:
    return Conflict(
        "key-name-taken",
        f"Another key is called {known.name}: {known.fingerprint}.",
        hint="Take another name. gaia key list shows those that are taken.",
    )


def check_name(name: str) -> None:
    """Look whether a key may have this name: it is a file's too.

    Raises:
        InvalidInput: `invalid-key-name`.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "invalid-key-name",
            f"{name!r} is no name for a key.",
            hint="Up to 64 lower-case letters, digits, hyphens and underscores: release-alice",
        )


def _entry(name: str, record: _Record) -> Entry:
    check_name(name)
    key = public_keys.from_line(record.public)
    if key.keyid != record.keyid:
        raise ValueError(f"the keyid of {name} is not the one of its public key.")
    return Entry(name, key, record.uri)
