"""Where the trust client's metadata comes from."""

from __future__ import annotations

from urllib.parse import quote

from gaia.worker.transport import Transport


class TufSource:
    """Reads the server's TUF repository. A `gaia.trust.client.MetadataSource`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def read(self, path: str, *, limit: int) -> bytes | None:
        """The file `path` of the repository, or None when there is none.

        Raises:
            TransportError: no useful answer within the deadline, or more than `limit` bytes.
        """
        return self._transport.get(f"/tuf/{quote(path)}", limit=limit)
