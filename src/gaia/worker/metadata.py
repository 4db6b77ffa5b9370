"""Following the trust repository: refresh when the heartbeat's signed timestamp is a new one."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from gaia.errors import GaiaError, TrustError
from gaia.model.artifact import Artifact
from gaia.model.channel import Pointer
from gaia.model.tag import Tag
from gaia.protocol.worker import Tuf
from gaia.trust.client import TrustClient
from gaia.worker.background import Background

log = structlog.get_logger()

RETRY = 30.0
"""Seconds until metadata that was refused, or could not be fetched, is asked for again."""


class Metadata:
    """Keeps the trust client in step with the server, and remembers why when it cannot.

    Attributes:
        alarm: why the metadata is not what the server offers, in words; empty when all is well.
    """

    def __init__(
        self,
        trust: TrustClient,
        channel: str,
        background: Background,
        clock: Callable[[], float],
    ) -> None:
        self._trust = trust
        self._channel = channel
        self._background = background
        self._clock = clock
        self._seen: Tuf | None = None
        self._tried: Tuf | None = None
        self._retry_at = 0.0
        self.alarm = ""

    def follow(self, offered: Tuf, then: Callable[[], None]) -> None:
        """Call `then` once the local metadata is what the server offers.

        At once when nothing changed; after a refresh in the background otherwise; not at all when
        the refresh fails.
        """
        if offered == self._seen:
            self._look_at_the_clock()
            then()
            return
        if offered == self._tried and self._clock() < self._retry_at:
            return
        self._tried = offered
        self._retry_at = self._clock() + RETRY

        def refreshed(_: None) -> None:
            self._seen = offered
            self._clear()
            then()

        self._background.start(
            lambda: self._trust.refresh(offered.root, offered.timestamp), refreshed, self._failed
        )

    @property
    def verified(self) -> bool:
        """Whether what a server offered has been verified since this start."""
        return self._seen is not None

    def pointer(self) -> Pointer | None:
        """The verified pointer of the worker's channel."""
        return self._trust.pointer(self._channel)

    def target(self, tag: Tag, filename: str) -> Artifact:
        """The artifact as signed.

        Raises:
            TrustError: the signed metadata does not vouch for it, or has expired.
        """
        return self._trust.target(tag, filename)

    def _look_at_the_clock(self) -> None:
        """What was fresh when it was verified may have expired: a server that is frozen says so."""
        try:
            self._trust.check()
        except TrustError as error:
            self._failed(error)
        else:
            self._clear()

    def _clear(self) -> None:
        if self.alarm:
            log.info("trust restored")
        self.alarm = ""

    def _failed(self, error: Exception) -> None:
        if isinstance(error, GaiaError):
            if str(error) != self.alarm:
                log.error("metadata refused or not fetched", code=error.code, reason=str(error))
            self.alarm = str(error)
        else:
            # Even a fault of ours is no reason for the worker to end.
            log.error("metadata not followed", exc_info=error)
            self.alarm = f"A fault in the worker itself: {error!r}."
