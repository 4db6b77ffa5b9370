"""Keeping the experiments bundle current."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from gaia.errors import GaiaError, InstallError, TrustError
from gaia.model.artifact import EXPERIMENTS
from gaia.model.tag import Tag
from gaia.planning.backoff import full_jitter
from gaia.protocol.worker import Experiments as Offer
from gaia.worker.background import Background
from gaia.worker.download import download
from gaia.worker.durable import unlink_quietly
from gaia.worker.experiments import Experiments
from gaia.worker.metadata import Metadata
from gaia.worker.transport import Transport

log = structlog.get_logger()

FIRST_RETRY = 5.0
LONGEST_RETRY = 300.0
"""Seconds between tries of a bundle that could not be fetched, unpacked or put in place."""

_ALARMING = frozenset({"unsafe-bundle", "damaged-bundle", "experiments-failed"})


class ExperimentsSync:
    """Fetches, verifies and stages the bundle that the signed pointer names.

    Attributes:
        staged: a bundle is ready to be put in place.
        settled: nothing stands between the workload and its start: the current bundle is in place,
            there is none, or it cannot be had for now.
        alarm: why the offered bundle was refused; empty when it was not.
    """

    def __init__(
        self,
        experiments: Experiments,
        transport: Transport,
        background: Background,
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self._experiments = experiments
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

    def recover(self) -> None:
        """Finish what an earlier process began to put in place. Call it before anything else."""
        try:
            self._experiments.recover()
        except GaiaError as error:
            log.error("experiments not recovered", code=error.code, reason=str(error))

    def follow(self, offer: Offer | None, metadata: Metadata) -> None:
        """Start fetching what the server offers, when it is new and signed."""
        if offer is None or offer.sha256 == self.digest:
            self.settled = True
            return
        if self.staged or self._background.busy:
            return
        if offer.sha256 != self._tried:
            self._tried, self._failures, self._retry_at = offer.sha256, 0, 0.0
        if self._clock() >= self._retry_at:
            self._background.start(lambda: self._stage(offer, metadata), self._done, self._failed)

    def swap(self) -> None:
        """Put the staged bundle in place. Call it while the workload is stopped."""
        self.staged = False
        try:
            self._experiments.swap()
        except GaiaError as error:
            self._failed(error)
        else:
            self.settled = True

    def work_with_what_is_there(self) -> None:
        """Nothing newer is to be had for now."""
        self.settled |= self.digest is not None

    def _stage(self, offer: Offer, metadata: Metadata) -> None:
        tag = Tag.parse(offer.tag)
        pointer = metadata.pointer()
        signed = {} if pointer is None else pointer.tags.get(tag, {})
        if signed.get(EXPERIMENTS) != offer.sha256:
            raise TrustError(
                "target-not-signed",
                f"The server offers experiments of {tag} that the channel's role has not signed.",
            )
        artifact = metadata.target(tag, EXPERIMENTS)
        archive = self._experiments.archive
        download(self._transport, f"/releases/{tag}/{EXPERIMENTS}", archive, artifact)
        self._experiments.stage(archive, artifact.sha256)
        unlink_quietly(archive)

    def _done(self, _: None) -> None:
        self.staged = True
        self.alarm = ""

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, GaiaError):
            # Even a fault of ours is no reason for the worker to end.
            log.error("experiments not followed", exc_info=error)
            error = InstallError("experiments-failed", f"A fault in the worker itself: {error!r}.")
        # A bundle that is half in place must not be worked with.
        self.settled = self._experiments.consistent
        if isinstance(error, TrustError) or error.code in _ALARMING:
            self.alarm = str(error)
        wait = full_jitter(self._failures, self._chance(), base=FIRST_RETRY, cap=LONGEST_RETRY)
        self._failures += 1
        self._retry_at = self._clock() + wait
        log.warning("experiments not synced", code=error.code, reason=str(error), retry_in=wait)
