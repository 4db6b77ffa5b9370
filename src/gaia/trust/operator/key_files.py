"""Private keys as text, in files or variables: OpenSSH's format, or PEM (PKCS #8, RFC 5958)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from securesystemslib.signer import SSlibKey

from gaia.errors import Conflict, InvalidInput
from gaia.trust import files
from gaia.trust.operator import public_keys

PUBLIC = ".pub"
"""Suffix of the public key's file beside a private one."""

SHORTEST_PASSPHRASE = 8
"""Characters that a new passphrase has at least."""

_LONGEST_PASSPHRASE = 1023
"""Bytes that the library takes."""

_LARGEST_FILE = 64 * 1024
"""Bytes. An Ed25519 key has less than one kilobyte."""

_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700


def generate(path: Path, passphrase: str, comment: str) -> SSlibKey:
    """Make a key: the encrypted private one at `path`, the public one beside it (`.pub`).

    Args:
        path: a file that does not exist; its folder is made when missing, for its owner only.
        passphrase: what the private key is encrypted with, 8 characters or more.
        comment: what the public key's file says of it, one line.

    Raises:
        Conflict: `key-file-exists`: nothing is ever overwritten.
        InvalidInput: `weak-passphrase`.
        OSError: it cannot be written.
    """
    check_new_passphrase(passphrase)
    for taken in (path, path.with_name(path.name + PUBLIC)):
        if taken.exists():
            raise Conflict(
                "key-file-exists",
                f"{taken} exists, and keys are never overwritten.",
                hint=f"Take another name, or register that key: gaia key import NAME {path}",
            )
    private = Ed25519PrivateKey.generate()
    public = public_keys.from_raw(private.public_key().public_bytes_raw())
    text = private.private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, BestAvailableEncryption(passphrase.encode())
    )
    files.make_folder(path.parent, mode=_PRIVATE_FOLDER)
    files.write(path, text, mode=_PRIVATE_FILE)
    line = public_keys.to_line(public, " ".join(comment.split()))
    files.write(path.with_name(path.name + PUBLIC), f"{line}\n".encode())
    return public


def check_new_passphrase(passphrase: str) -> None:
    """Look whether a new key may be encrypted with `passphrase`.

    Raises:
        InvalidInput: `weak-passphrase`.
    """
    if (
        len(passphrase) < SHORTEST_PASSPHRASE
        or len(passphrase.encode()) > _LONGEST_PASSPHRASE
        or not passphrase.strip()
    ):
        raise InvalidInput(
            "weak-passphrase",
            f"A passphrase has at least {SHORTEST_PASSPHRASE} characters, and at most "
            f"{_LONGEST_PASSPHRASE} bytes.",
            hint="Five or six words that chance picked are good, and can be written down.",
        )


def read(path: Path) -> bytes:
    """The content of a key's file, private or public.

    Raises:
        InvalidInput: `key-file-missing` or `key-file-unreadable`.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise InvalidInput(
            "key-file-missing",
            f"The key file {path} is not there.",
            hint="Connect the medium that it is on; if it was moved for good: "
            "gaia key import NAME FILE",
        ) from None
    except (OSError, ValueError) as error:  # the latter of a path with a NUL
        raise InvalidInput(
            "key-file-unreadable",
            f"The key file {path} cannot be read: {getattr(error, 'strerror', error)}.",
            hint="It is a file that only you may read: chmod 600 FILE",
        ) from error
    if len(text) > _LARGEST_FILE:
        raise InvalidInput(
            "key-file-unreadable",
            f"{path} is no key file: it has more than {_LARGEST_FILE} bytes.",
            hint="Give the file that gaia key new, or ssh-keygen -t ed25519, made.",
        )
    return text


def decrypt(text: bytes, where: str, passphrase: Callable[[], str]) -> Ed25519PrivateKey:
    """The private key in `text`.

    Args:
        where: what to call it in messages.
        passphrase: asked when the key is encrypted, and only then.

    Raises:
        InvalidInput: `invalid-private-key`, `wrong-passphrase` or `not-ed25519`.
    """
    load = load_ssh_private_key if _OPENSSH in text else load_pem_private_key
    try:
        key = load(text, None)
    except TypeError:  # how the library says that it is encrypted
        try:
            key = load(text, passphrase().encode())
        except (ValueError, TypeError):  # likewise, that it is the wrong passphrase, or none
            raise InvalidInput(
                "wrong-passphrase",
                f"The passphrase does not open {where}, or the key is damaged.",
                hint="Repeat the command. Whether it is the file: ssh-keygen -y -f FILE",
            ) from None
        except UnsupportedAlgorithm as error:
            raise _not_a_key(where) from error
    except (ValueError, UnsupportedAlgorithm):
        raise _not_a_key(where) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput(
            "not-ed25519",
            f"{where} holds a key of another kind than Ed25519.",
            hint="gaia key new NAME makes one, and so does ssh-keygen -t ed25519.",
        )
    return key


def _not_a_key(where: str) -> InvalidInput:
    return InvalidInput(
        "invalid-private-key",
        f"{where} holds no private key that can be read.",
        hint="It begins with -----BEGIN OPENSSH PRIVATE KEY----- or, as PEM (PKCS #8), with "
        "-----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY-----",
    )
