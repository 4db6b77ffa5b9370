"""Heartbeats: what a worker says is noted, and answered with the directive for it.

The answer depends on little (version, platform, channel, failed releases, and what is published),
so it is encoded once for all the workers that get the same.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gaia.errors import InvalidInput
from gaia.model.artifact import EXPERIMENTS, worker_filename
from gaia.model.channel import Pointer
from gaia.planning.directive import decide
from gaia.planning.latest import bundle, resolve
from gaia.protocol.worker import (
    DirectiveMessage,
    Experiments,
    Heartbeat,
    HeartbeatAnswer,
    Tuf,
)
from gaia.server.catalogue import Catalogue
from gaia.server.fleet import Fleet, Worker, bounded

_SMALL = 2048
"""Bytes. A body up to this length is within all bounds of what is kept for a worker."""

_MAX_ANSWERS = 4096
"""Different answers kept. A fleet has some dozens; only invented versions make more."""


class HeartbeatService:
    """Answers heartbeats from memory.

    Args:
        catalogue: what is published now.
        interval: seconds that a worker waits for its next heartbeat.
    """

    def __init__(self, fleet: Fleet, catalogue: Callable[[], Catalogue], interval: float) -> None:
        self._fleet = fleet
        self._catalogue = catalogue
        self._interval = interval
        self._decoder = msgspec.json.Decoder(Heartbeat)
        self._encoder = msgspec.json.Encoder()
        self._answered = catalogue()
        self._answers: dict[tuple[str, str, str, tuple[str, ...]], bytes] = {}

    def answer(self, worker_id: str, body: bytes | bytearray) -> bytes:
        """Note the heartbeat in `body` and return the encoded `HeartbeatAnswer`.

        Raises:
            InvalidInput: `invalid-json`.
            NotFound: `unknown-worker`.
        """
        if b"\\u0000" in body:
            # PostgreSQL stores no NUL, and a log tail may hold some.
            body = body.replace(b"\\u0000", b"\\ufffd")
        try:
            heartbeat = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(
                "invalid-json",
                f"The body is not the JSON of a heartbeat: {str(error)[:200]}.",
                hint="GAIA 0.4 workers use GET; others send at least version and platform.",
            ) from None
        if len(body) > _SMALL:
            heartbeat = bounded(heartbeat)
        return self._answer(self._fleet.beat(worker_id, heartbeat))

    def legacy(self, worker_id: str) -> bytes:
        """Note a heartbeat of a GAIA 0.4 worker, which sends no body; the same answer.

        Raises:
            NotFound: `unknown-worker`.
        """
        return self._answer(self._fleet.legacy_beat(worker_id))

    def _answer(self, worker: Worker) -> bytes:
        catalogue = self._catalogue()
        if catalogue is not self._answered or len(self._answers) >= _MAX_ANSWERS:
            self._answers.clear()
            self._answered = catalogue
        key = (worker.version, worker.platform, worker.channel, worker.failed)
        answer = self._answers.get(key)
        if answer is None:
            answer = self._encoder.encode(self._decide(catalogue, *key))
            self._answers[key] = answer
        return answer

    def _decide(
        self,
        catalogue: Catalogue,
        version: str,
        platform: str,
        channel: str,
        failed: tuple[str, ...],
    ) -> HeartbeatAnswer:
        pointer = catalogue.pointers.get(channel)
        directive = decide(
            version=version, platform=platform, pointer=pointer, failed=frozenset(failed)
        )
        latest = None if pointer is None else resolve(pointer, worker_filename(platform))
        return HeartbeatAnswer(
            status="ok",
            latest_version=None if latest is None else str(latest),
            force_update=False,
            directive=DirectiveMessage(
                action=directive.action,
                reason=directive.reason,
                tag=directive.tag,
                filename=directive.filename,
                sha256=directive.sha256,
            ),
            experiments=None if pointer is None else _experiments(catalogue, pointer),
            tuf=Tuf(root=catalogue.root_version, timestamp=catalogue.timestamp),
            interval=self._interval,
        )


def _experiments(catalogue: Catalogue, pointer: Pointer) -> Experiments | None:
    tag = bundle(pointer)
    artifact = None if tag is None else catalogue.artifact(tag, EXPERIMENTS)
    if artifact is None:
        return None
    return Experiments(tag=str(tag), sha256=artifact.sha256, size=artifact.size)
