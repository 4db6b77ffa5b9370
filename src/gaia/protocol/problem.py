"""Errors on the wire: RFC 9457 problem documents."""

from __future__ import annotations

import msgspec

CONTENT_TYPE = "application/problem+json"


class Problem(msgspec.Struct, omit_defaults=True):
    """A problem document (RFC 9457, section 3.1) with a stable `code` and a `hint`.

    Attributes:
        type: a URI reference below `/problems/`, ending in the code.
        code: stable kebab-case identifier (`docs/reference/errors.md`).
        hint: what to do next.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str = ""
