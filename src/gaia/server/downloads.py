"""Downloads: what a request for an artifact is answered with, and the bytes.

`plan` is pure and decides everything; `ArtifactResponse` sends what it says. The only validator is
the strong entity tag, the SHA-256 of the bytes. There is no modification date, so a date in
`If-Range` never matches and `If-Modified-Since` is not looked at (RFC 9110, section 13).
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gaia.errors import Refused
from gaia.model.artifact import EXPERIMENTS, Artifact
from gaia.protocol.problem import CONTENT_TYPE, Problem
from gaia.server.sendfile import EXTENSION, SendFile, ShortFile

log = structlog.get_logger(__name__)

CHUNK = 256 * 1024
"""Bytes read at a time where the connection has no sendfile."""

_FOREVER = "private, max-age=31536000, immutable"
_LATEST = "/releases/latest/"

_CONDITIONS = ("if-match", "if-none-match", "range", "if-range")
_ENTITY_TAG = re.compile(r'(?P<weak>W/)?(?P<tag>"[^"]*")')
_RANGE = re.compile(r"bytes=\s*(?P<first>[0-9]*)-(?P<last>[0-9]*)\s*", re.IGNORECASE)
_FARTHEST = 18
"""Digits. A position with more lies behind the end of any file."""


@dataclass(frozen=True)
class Plan:
    """An answer before it is sent.

    Attributes:
        headers: names in lower case.
        offset: where in the file the content begins.
        count: bytes of the file to send.
        body: sent in place of the file.
    """

    status: int
    headers: Mapping[str, str]
    offset: int = 0
    count: int = 0
    body: bytes = b""


def plan(method: str, conditions: Mapping[str, str], artifact: Artifact, *, cache: str) -> Plan:
    """What to answer to `GET` or `HEAD`.

    Several ranges in one request are answered with the whole file, as RFC 9110 permits.

    Args:
        conditions: headers of the request, names in lower case.
        cache: value of `Cache-Control` for a success.
    """
    etag, size = f'"{artifact.sha256}"', artifact.size
    common = {"etag": etag, "cache-control": cache, "accept-ranges": "bytes"}
    if "if-match" in conditions and not _lists(conditions["if-match"], etag, weak=False):
        return _problem(412, "precondition-failed", "The file is not the one in If-Match.")
    if "if-none-match" in conditions and _lists(conditions["if-none-match"], etag, weak=True):
        return Plan(304, common)
    wanted = None
    if method == "GET" and conditions.get("if-range", etag) == etag:
        wanted = parse_range(conditions.get("range", ""), size)
    if wanted is not None and not wanted:
        return _problem(
            416,
            "range-not-satisfiable",
            f"The file has {size} bytes; the range begins behind its end.",
            {"content-range": f"bytes */{size}", "accept-ranges": "bytes"},
        )
    headers = {
        **common,
        "content-type": _content_type(artifact.filename),
        "content-length": str(size if wanted is None else len(wanted)),
        "repr-digest": f"sha-256=:{base64.b64encode(bytes.fromhex(artifact.sha256)).decode()}:",
        "x-content-type-options": "nosniff",
    }
    if wanted is None:
        return Plan(200, headers, 0, size if method == "GET" else 0)
    headers["content-range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
    return Plan(206, headers, wanted.start, len(wanted))


def parse_range(header: str, size: int) -> range | None:
    """The bytes that a `Range` header asks for, of a file of `size` bytes.

    Returns:
        None when it is to be ignored (absent, not understood, or more than one range); an empty
        range when it cannot be satisfied.
    """
    match = _RANGE.fullmatch(header)
    if match is None or match["first"] == match["last"] == "":
        return None
    last = _position(match["last"])
    if match["first"] == "":
        return range(max(0, size - last), size) if size else None
    first = _position(match["first"])
    if match["last"] == "":
        last = size
    elif last < first:
        return None
    return range(min(first, size), min(last + 1, size))


class ArtifactResponse(Response):
    """An artifact as an answer, by sendfile where the connection offers it.

    Between it and the connection there may be ASGI middleware, but none that passes the messages
    on later than they were sent (as Starlette's `BaseHTTPMiddleware` does).

    Args:
        path: of the blob.
    """

    def __init__(self, path: Path, artifact: Artifact, request: Request) -> None:
        conditions = {
            name: ", ".join(request.headers.getlist(name))
            for name in _CONDITIONS
            if name in request.headers
        }
        latest = request.scope["path"].startswith(_LATEST)
        self._plan = plan(
            request.method, conditions, artifact, cache="no-cache" if latest else _FOREVER
        )
        self._path = path
        self._artifact = artifact
        super().__init__(self._plan.body, self._plan.status, dict(self._plan.headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer over ASGI.

        Raises:
            Refused: `storage-unavailable`, before anything was sent.
            ShortFile: the file shrank meanwhile; the connection has to be closed.
        """
        if self._plan.status not in (200, 206):
            await super().__call__(scope, receive, send)
            return
        with self._open() as file:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            if self._plan.count:
                sendfile: SendFile | None = scope.get("extensions", {}).get(EXTENSION)
                if sendfile is not None:
                    await sendfile(file.fileno(), self._plan.offset, self._plan.count)
                else:
                    await self._send_chunks(file, receive, send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _open(self) -> BinaryIO:
        try:
            file = self._path.open("rb", buffering=0)
        except OSError as error:
            raise self._unavailable(error.strerror or "cannot be opened") from error
        size = os.fstat(file.fileno()).st_size
        if size != self._artifact.size:
            file.close()
            raise self._unavailable(f"has {size} bytes in place of {self._artifact.size}")
        return file

    def _unavailable(self, reason: str) -> Refused:
        log.error("blob missing or damaged", path=str(self._path), reason=reason)
        return Refused(
            "storage-unavailable",
            f"The server's copy of {self._artifact.filename} is missing or damaged: {reason}.",
            hint="Its operator can repair it by uploading the same file again.",
        )

    async def _send_chunks(self, file: BinaryIO, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            file.seek(self._plan.offset)
            left = self._plan.count
            while left and not gone.done():
                data = await asyncio.to_thread(file.read, min(left, CHUNK))
                if not data:
                    raise ShortFile(f"{left} bytes are missing at the end of {self._path}")
                left -= len(data)
                await send({"type": "http.response.body", "body": data, "more_body": True})
        finally:
            gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _lists(header: str, etag: str, *, weak: bool) -> bool:
    if header.strip() == "*":
        return True
    return any(
        found["tag"] == etag and (weak or not found["weak"])
        for found in _ENTITY_TAG.finditer(header)
    )


def _position(digits: str) -> int:
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= _FARTHEST else 10**_FARTHEST


def _content_type(filename: str) -> str:
    return "application/gzip" if filename == EXPERIMENTS else "application/octet-stream"


def _problem(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> Plan:
    title = {412: "Precondition Failed", 416: "Range Not Satisfiable"}[status]
    problem = Problem(f"/problems/{code}", title, status, detail, code)
    fixed = {"content-type": CONTENT_TYPE, "cache-control": "no-store"}
    return Plan(status, {**fixed, **(headers or {})}, body=msgspec.json.encode(problem))
