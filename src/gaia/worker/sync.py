"""Keeping the experiments bundle current."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog

from gaia.errors import GaiaError, InvalidInput, TrustError
from gaia.model.artifact import EXPERIMENTS
from gaia.model.channel import Pointer
from gaia.model.tag import Tag
from gaia.planning.backoff import full_jitter
from gaia.protocol.worker import Experiments as Offer
from gaia.trust.client import TrustClient
from gaia.worker.background import Background
from gaia.worker.download import download
from gaia.worker.experiments import Experiments
from gaia.worker.transport import Transport

log = structlog.get_logger()

FIRST_RETRY = 5.0
LONGEST_RETRY = 300.0
"""Seconds between tries of a bundle that could not be fetched or unpacked."""


class ExperimentsSync:
    """Fetches, verifies and stages the bundle that the signed pointer names.

    Attributes:
        settled: nothing stands between the workload and its start: the current bundle is in place,
            there is none, or it cannot be had for now.
        alarm: why the offered bundle was refused; empty when it was not.
    """

    def __init__(
        self,
        experiments: Experiments,
        trust: TrustClient,
        transport: Transport,
        background: Background,
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self._experiments = experiments
        self._trust = trust
        self._transport = transport
        self._background = background
        self._clock = clock
        self._chance = chance
        self._tried: str | None = None
        self._failures = 0
        self._retry_at = 0.0
        self.settled = False
        self.staged = False
        self.alarm = ""

    @property
    def digest(self) -> str | None:
        """SHA-256 of the bundle in place."""
        return self._experiments.digest

    def follow(self, offer: Offer | None, pointer: Pointer | None) -> None:
        """Start fetching what the server offers, when it is new and signed."""
        if offer is None or offer.sha256 == self.digest:
            self.settled = True
            return
        if self.staged or self._background.busy:
            return
        if offer.sha256 != self._tried:
            self._tried, self._failures, self._retry_at = offer.sha256, 0, 0.0
        if self._clock() < self._retry_at:
            return
        self._background.start(lambda: self._stage(offer, pointer), self._done, self._failed)

    def swap(self) -> None:
        """Put the staged bundle in place. Call it while the workload is stopped."""
        self.staged, self.settled = False, True
        try:
            self._experiments.swap()
        except GaiaError as error:
            self._failed(error)
        else:
            log.info("experiments in place", sha256=self.digest)

    def give_up_for_now(self) -> None:
        """The server cannot be reached: work with the bundle that is in place, if one is."""
        if self.digest is not None:
            self.settled = True

    def _stage(self, offer: Offer, pointer: Pointer | None) -> None:
        tag = Tag.parse(offer.tag)
        signed = {} if pointer is None else pointer.tags.get(tag, {})
        if signed.get(EXPERIMENTS) != offer.sha256:
            raise TrustError(
                "target-not-signed",
                f"The server offers experiments of {tag} that the channel's role has not signed.",
            )
        artifact = self._trust.target(tag, EXPERIMENTS)
        archive: Path = self._experiments.archive
        download(self._transport, f"/releases/{tag}/{EXPERIMENTS}", archive, artifact)
        self._experiments.stage(archive, artifact.sha256)

    def _done(self, _: None) -> None:
        self.staged = True
        self.alarm = ""

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, GaiaError):
            raise error
        self.settled = True
        if isinstance(error, TrustError | InvalidInput):
            self.alarm = str(error)
        wait = full_jitter(self._failures, self._chance(), base=FIRST_RETRY, cap=LONGEST_RETRY)
        self._failures += 1
        self._retry_at = self._clock() + wait
        log.warning("experiments not synced", code=error.code, reason=str(error), retry_in=wait)
