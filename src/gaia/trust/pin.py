"""The root of trust: pinned by its file, by its fingerprint, or on first use."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from gaia.errors import InvalidInput, TrustError
from gaia.model.artifact import check_sha256
from gaia.trust.roles import FIRST_ROOT, ROOT

log = structlog.get_logger()

_FINGERPRINT = "sha256:"


@dataclass(frozen=True)
class RootPin:
    """What a worker trusts to begin with. Make one by a class method.

    Attributes:
        root: a root's file, baked in at build or given by the machine's owner; of any version.
        fingerprint: SHA-256 of the first root's file, hexadecimal.
    """

    root: bytes | None = None
    fingerprint: str | None = None

    @classmethod
    def of_file(cls, root: bytes) -> RootPin:
        """Trust this root."""
        return cls(root=root)

    @classmethod
    def of_fingerprint(cls, fingerprint: str) -> RootPin:
        """Trust the repository whose first root has this SHA-256.

        Raises:
            InvalidInput: `invalid-digest`.
        """
        return cls(fingerprint=check_sha256(fingerprint.lower()))

    @classmethod
    def on_first_use(cls) -> RootPin:
        """Trust the first root that the server shows, and from then on no other."""
        return cls()

    @classmethod
    def built_in(cls, root: bytes | None) -> RootPin:
        """What was built into the worker; without that, trust on first use."""
        return cls.on_first_use() if root is None else cls.of_file(root)

    @classmethod
    def parse(cls, text: str) -> RootPin:
        """Read `--trust-root`: `sha256:HEX`, or the path of a root.json.

        Raises:
            InvalidInput: `invalid-digest`, `trust-root-unreadable`.
        """
        if text.startswith(_FINGERPRINT):
            return cls.of_fingerprint(text.removeprefix(_FINGERPRINT))
        try:
            return cls.of_file(Path(text).read_bytes())
        except (OSError, ValueError) as error:
            raise InvalidInput(
                "trust-root-unreadable",
                f"The trust root {text!r} cannot be read: {error}.",
                hint="Give the path of a root.json, or sha256:HEX as the server prints it.",
            ) from error

    def resolve(self, history: Path, fetch_first: Callable[[], bytes]) -> bytes:
        """The root to start from (5.2).

        Args:
            history: folder of the roots that were verified before, `{N}.root.json`.
            fetch_first: asks the server for its first root; only called when that is not known.

        Raises:
            TrustError: `root-pin-mismatch`, `root-pin-invalid`.
            TransportError: from `fetch_first`.
        """
        if self.root is not None:
            return _given(self.root, history)
        if self.fingerprint is not None:
            return _matching(self.fingerprint, history, fetch_first)
        return _first_used(history, fetch_first)


def _given(root: bytes, history: Path) -> bytes:
    signed = _parse(root)
    if signed is None:
        raise TrustError(
            "root-pin-invalid",
            "The pinned trust root is not a TUF root that is signed by its own keys.",
            hint="Get root.json from the server's operator anew.",
        )
    known = _stored(history / f"{signed.version}.{ROOT}.json")
    if known is not None and _parse(known) != signed:
        raise _conflict(known, history)
    return root


def _matching(fingerprint: str, history: Path, fetch_first: Callable[[], bytes]) -> bytes:
    known = _stored(history / FIRST_ROOT)
    if known is not None:
        if _digest(known) != fingerprint:
            raise _conflict(known, history)
        return known
    root = fetch_first()
    if _digest(root) != fingerprint:
        raise TrustError(
            "root-pin-mismatch",
            f"The server's trust root has the SHA-256 {_digest(root)}, "
            f"but {fingerprint} is pinned.",
            hint="This is another server than the pinned one, or the fingerprint is mistyped: "
            "compare it with what the server's operator has.",
        )
    return root


def _first_used(history: Path, fetch_first: Callable[[], bytes]) -> bytes:
    roots = sorted(history.glob(f"*.{ROOT}.json"), key=_number)
    known = next((data for path in roots if (data := _stored(path)) is not None), None)
    if known is not None:
        return known
    root = fetch_first()
    if _parse(root) is None:
        raise TrustError(
            "root-pin-invalid",
            "The server's first root is not signed by its own keys.",
            hint="Tell the server's operator: its trust repository is damaged.",
        )
    log.warning(
        "trusting this server's root on first use; pin it with --trust-root",
        fingerprint=_FINGERPRINT + _digest(root),
    )
    return root


def _number(path: Path) -> int:
    text = path.name.partition(".")[0]
    return int(text) if text.isdecimal() else 0


def _stored(path: Path) -> bytes | None:
    """A root that was verified before; None when there is none, or the disk has damaged it."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return None if _parse(data) is None else data


def _parse(data: bytes) -> Root | None:
    """The root in `data`; None when it is none, or not signed by its own keys."""
    try:
        metadata: Metadata[Root] = Metadata.from_bytes(data)
        if not isinstance(metadata.signed, Root):
            return None
        metadata.signed.verify_delegate(ROOT, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError):
        return None
    return metadata.signed


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _conflict(known: bytes, history: Path) -> TrustError:
    return TrustError(
        "root-pin-mismatch",
        f"This machine has trusted another root before (SHA-256 {_digest(known)}) "
        "than the one that is pinned now.",
        hint=f"If the change is meant, stop the worker and remove the folder {history.parent}.",
    )
