"""What python-tuf reads: the heartbeat's timestamp, and the server's other files when needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol
from urllib.parse import unquote

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface

from gaia.errors import TransportError, TrustError
from gaia.trust.roles import FIRST_ROOT, ROOT, TARGETS, TIMESTAMP, longest


class MetadataSource(Protocol):
    """The server's trust repository, over whatever transport."""

    def read(self, path: str, *, limit: int) -> bytes | None:
        """The file of that name, None when there is none.

        Args:
            path: such as `5.snapshot.json`.
            limit: bytes; a longer answer need not be read to its end.

        Raises:
            TransportError: no useful answer.
        """


class NoSource:
    """Nothing but what is on this machine."""

    def read(self, path: str, *, limit: int) -> None:
        """None."""


class Fetcher(FetcherInterface):
    """Answers from the heartbeat where it can: an unchanged role or root costs no request.

    Attributes:
        role: the role that was asked for last.
    """

    def __init__(self, source: MetadataSource, root_version: int, timestamp: bytes) -> None:
        self._source = source
        self._root_version = root_version
        self._timestamp = timestamp
        self.role = ROOT

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """The metadata file at the end of `url`.

        Raises:
            DownloadHTTPError: there is no such root, by the heartbeat's word.
            TransportError: no useful answer, or no such file.
            TrustError: `metadata-oversize`.
        """
        name = unquote(url.rpartition("/")[2])
        version, _, role = name.removesuffix(".json").partition(".")
        if not version.isdecimal():
            role = name.removesuffix(".json")
        self.role = role
        if role == TIMESTAMP:
            return _bounded(name, self._timestamp, max_length)
        if role == ROOT and int(version) > self._root_version:
            raise DownloadHTTPError(f"no {name}", 404)
        return fetch(self._source, name, max_length)

    def first_root(self) -> bytes:
        """The server's first root.

        Raises:
            TransportError: no useful answer, or no such file.
            TrustError: `metadata-oversize`.
        """
        return fetch(self._source, FIRST_ROOT, longest(ROOT))

    def _fetch(self, url: str) -> Iterator[bytes]:
        # Only `download_file` would come here, and that is for targets.
        raise NotImplementedError(url)


def fetch(source: MetadataSource, name: str, limit: int) -> bytes:
    """The file `name`, of `limit` bytes at most.

    Raises:
        TransportError: no useful answer, or no such file.
        TrustError: `metadata-oversize`.
    """
    # More than any role's: what is merely longer than signed is refused here, with a reason.
    data = source.read(name, limit=longest(TARGETS))
    if data is None:
        raise TransportError(
            "metadata-missing",
            f"The server does not have the signed file {name}.",
            hint="It may be publishing just now; this worker tries again.",
        )
    return _bounded(name, data, limit)


def _bounded(name: str, data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise TrustError(
            "metadata-oversize",
            f"The server's {name} is longer than the {limit} bytes that are signed or allowed.",
            hint="Tell the server's operator: this is an attack or a damaged server.",
        )
    return data
