"""Receiving a file: streamed to disk, hashed on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from gaia.errors import InvalidInput
from gaia.model.artifact import check_filename, check_sha256
from gaia.model.channel import check_channel
from gaia.model.tag import Tag
from gaia.protocol.release import Uploaded
from gaia.server.auth import Role
from gaia.server.blobs import Blobs, BlobWriter
from gaia.server.deeds import Author
from gaia.server.endpoints import Call, Endpoint, json_answer
from gaia.server.metrics import Metrics
from gaia.server.publishing import Publisher, Upload
from gaia.server.store.releases import State, Stored

PARAMETERS = {
    "tag": "The release, such as v0.5.0.",
    "filename": "gaia-worker-linux, gaia-worker-windows.exe, … or experiments.tar.gz.",
    "notes": "Text for people; replaces what the release has.",
    "channel": "Channel of a new release; default stable.",
    "sha256": "Digest that the file must have, in hexadecimal.",
}

_CHUNK = 1024 * 1024
_MAX_NOTES = 16 * 1024


@dataclass(frozen=True)
class Uploads:
    """The upload call.

    Attributes:
        limit: bytes of the largest file.
    """

    publisher: Publisher
    blobs: Blobs
    metrics: Metrics
    limit: int

    def endpoints(self) -> list[Endpoint]:
        """What this offers."""
        return [
            Endpoint(
                "POST",
                "/api/releases/upload",
                self.upload,
                frozenset({Role.PUBLISHER, Role.ADMIN}),
                "Upload and publish a file of a release.",
                parameters=PARAMETERS,
                body="application/octet-stream",
                answer=Uploaded,
            )
        ]

    async def upload(self, call: Call) -> Response:
        """Receive, store, sign, publish."""
        upload = _wanted(call)
        expected = call.query.get("sha256")
        if expected is not None:
            check_sha256(expected)
        self._check_headers(call.request)
        await asyncio.to_thread(self.publisher.check, upload)
        blob = await asyncio.to_thread(self.blobs.writer)
        try:
            await self._receive(call.request.stream(), blob)
            await asyncio.to_thread(blob.seal)
            if expected not in (None, blob.sha256):
                raise InvalidInput(
                    "digest-mismatch",
                    f"The file that arrived has SHA-256 {blob.sha256}; nothing was changed.",
                    hint="Check the file and the sha256 parameter, then upload again.",
                )
            stored = await asyncio.to_thread(self.publisher.accept, upload, blob)
        finally:
            await asyncio.to_thread(blob.discard)
        self.metrics.uploads.inc()
        self.metrics.uploaded_bytes.inc(stored.artifact.size)
        return self._answer(stored)

    def _answer(self, stored: Stored) -> Response:
        artifact, published = stored.artifact, stored.state is State.PUBLISHED
        answer = Uploaded(
            status="ok" if published else "pending",
            tag=str(stored.tag),
            filename=artifact.filename,
            size=artifact.size,
            sha256=artifact.sha256,
            channel=stored.channel,
            published=published,
        )
        if not published:
            answer.missing = self.publisher.missing(stored)
            answer.next = (
                f"gaia release sign {stored.tag} {artifact.filename} --channel {stored.channel}"
            )
        return json_answer(answer, status=200 if published else 202)

    def _check_headers(self, request: Request) -> None:
        length = request.headers.get("content-length")
        if length == "0":
            raise _empty()
        if length is not None and int(length) > self.limit:
            raise self._too_large()
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise InvalidInput(
                "unsupported-body",
                "An upload is stored as it comes, so it cannot come compressed.",
                hint="Send the file itself, without Content-Encoding.",
            )
        if request.headers.get("content-type", "").lower().startswith("multipart/"):
            raise InvalidInput(
                "unsupported-body",
                "An upload is the bare file, not a form.",
                hint="With curl, use --data-binary @FILE instead of -F.",
            )

    async def _receive(self, chunks: AsyncIterator[bytes], blob: BlobWriter) -> None:
        """Fill the next chunk while the last one is being written."""
        received = 0
        gathered = bytearray()
        writing: list[asyncio.Task[None]] = []
        try:
            async for chunk in chunks:
                received += len(chunk)
                if received > self.limit:
                    raise self._too_large()
                gathered += chunk
                if len(gathered) >= _CHUNK:
                    await asyncio.gather(*writing)
                    writing = [asyncio.create_task(asyncio.to_thread(blob.write, gathered))]
                    gathered = bytearray()
            if received == 0:
                raise _empty()
            await asyncio.gather(*writing)
            await asyncio.to_thread(blob.write, gathered)
        finally:
            # The thread must be done with the file before anyone closes it.
            await asyncio.gather(*writing, return_exceptions=True)

    def _too_large(self) -> InvalidInput:
        return InvalidInput(
            "body-too-large",
            f"The file is larger than this server takes ({self.limit} bytes).",
            hint="The operator can raise it: gaia-server --max-upload-size.",
        )


def _wanted(call: Call) -> Upload:
    for name in ("tag", "filename"):
        if not call.query.get(name):
            raise InvalidInput(
                "missing-parameter",
                f"The upload does not say its {name}.",
                hint="POST /api/releases/upload?tag=v0.5.0&filename=gaia-worker-linux",
            )
    channel, notes = call.query.get("channel"), call.query.get("notes")
    if notes is not None and len(notes.encode()) > _MAX_NOTES:
        raise InvalidInput("notes-too-long", f"Notes may hold {_MAX_NOTES} bytes at most.")
    return Upload(
        tag=Tag.parse(call.query["tag"]),
        filename=check_filename(call.query["filename"]),
        channel=None if channel is None else check_channel(channel),
        notes=notes,
        by=Author(call.by, call.client),
    )


def _empty() -> InvalidInput:
    return InvalidInput(
        "empty-body", "The upload holds no bytes.", hint="With curl, --data-binary @FILE sends it."
    )
