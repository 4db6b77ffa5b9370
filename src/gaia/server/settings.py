"""What the operator may set."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gaia.errors import InvalidInput

DEFAULT_PORT = 7434
DEFAULT_MAX_UPLOAD = "4GiB"

_SIZE = re.compile(r"(?P<number>\d{1,15})\s*(?P<unit>[KMGT]i?)?B?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY_UNITS = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


@dataclass(frozen=True)
class Settings:
    """All settings of one server.

    Attributes:
        port: 0 takes a free one.
        token: the start-up token, of role admin.
        database: URL; empty for SQLite in the data folder.
        blobs: URL; empty for a folder in the data folder.
        max_upload_size: bytes.
        min_heartbeat_interval: seconds that workers must leave between heartbeats.
    """

    host: str
    port: int
    data_dir: Path
    token: str
    database: str
    blobs: str
    max_upload_size: int
    min_heartbeat_interval: float

    @property
    def database_url(self) -> str:
        """Where the database is."""
        return self.database or f"sqlite:///{self.data_dir / 'gaia.db'}"

    @property
    def blobs_folder(self) -> Path:
        """Where the blobs are.

        Raises:
            InvalidInput: `unsupported-blobs`.
        """
        if not self.blobs:
            return self.data_dir / "blobs"
        url = urlsplit(self.blobs)
        if url.scheme != "file" or url.netloc or not url.path:
            raise InvalidInput(
                "unsupported-blobs",
                "Only a local folder can hold the blobs as yet.",
                hint="Use --blobs file:///absolute/path, or leave the option out.",
            )
        return Path(unquote(url.path))


def parse_size(text: str) -> int:
    """Bytes in `4GiB`, `500MB` or `1048576`.

    Raises:
        InvalidInput: `invalid-size`.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InvalidInput("invalid-size", f"{text!r} is not a size.", hint="Write 4GiB or 500MB.")
    unit = (match["unit"] or "").lower()
    return int(match["number"]) * {**_UNITS, **_BINARY_UNITS}[unit]


def check_token(token: str) -> str:
    """Return `token` when it can be sent in a header.

    Raises:
        InvalidInput: `invalid-token`.
    """
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidInput(
            "invalid-token",
            "The token holds characters that cannot be sent in a header.",
            hint="Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return token
