"""Access tokens as they travel: in one header, and nowhere else."""

from __future__ import annotations

import re

from gaia.errors import InvalidInput

_TOKEN = re.compile(r"[\x21-\x7e]+")


def authorization(token: str) -> str:
    """The value of the `Authorization` header for `token`.

    Raises:
        InvalidInput: `invalid-token`. The token is not shown.
    """
    if not _TOKEN.fullmatch(token):
        raise InvalidInput(
            "invalid-token",
            "The access token has characters that no token has.",
            hint="Look for spaces or line breaks that came along when it was copied.",
        )
    return f"Bearer {token}"
