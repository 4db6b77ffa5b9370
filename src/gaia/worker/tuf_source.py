"""Where the trust client's metadata comes from."""

from __future__ import annotations

from urllib.parse import quote

from gaia.errors import TransportError, TrustError
from gaia.worker.transport import Transport


class TufSource:
    """Reads the server's TUF repository. A `gaia.trust.client.MetadataSource`.

    Args:
        below: path of the repository on the server.
    """

    def __init__(self, transport: Transport, below: str = "/tuf") -> None:
        self._transport = transport
        self._below = below

    def read(self, path: str, *, limit: int) -> bytes | None:
        """The file `path` of the repository, or None when there is none.

        Raises:
            TrustError: `metadata-too-long`: more than `limit` bytes (endless data, TUF 5.1).
            TransportError: no useful answer within the deadline.
        """
        try:
            return self._transport.get(f"{self._below}/{quote(path, safe='')}", limit=limit)
        except TransportError as error:
            if error.code != "answer-too-long":
                raise
            raise TrustError(
                "metadata-too-long",
                f"The server's {path} is longer than the signed metadata says.",
                hint="Look for tampering on the server or on the way to it.",
            ) from None
