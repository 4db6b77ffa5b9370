"""Keeping the experiments bundle current."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import structlog

from gaia.errors import GaiaError, InstallError, InvalidInput, TrustError
from gaia.model.artifact import EXPERIMENTS
from gaia.model.directive import Action, Reason
from gaia.model.tag import Tag
from gaia.planning.backoff import full_jitter
from gaia.planning.directive import admit_bundle, decide_bundle
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

_STRANDED = (
    "The experiments in place were withdrawn, and the channel has no others. Publish a bundle."
)


class ExperimentsSync:
    """Fetches, verifies and stages the bundle that the signed pointer names.

    Attributes:
        staged: a bundle is ready to be put in place.
        settled: nothing stands between the workload and its start: the current bundle is in place,
            there is none, or it cannot be had for now.
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
        self._refusal = ""
        self._stranded = False

    @property
    def alarm(self) -> str:
        """Why the offered bundle was refused, or the one in place is not good; empty otherwise."""
        return self._refusal or (_STRANDED if self._stranded else "")

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
        """Start fetching what the server offers, when it is signed and the way that the channel's
        pointer leads."""
        own, pointer = self._own(metadata), metadata.pointer()
        self._stranded = decide_bundle(own=own, pointer=pointer).reason is Reason.NOWHERE_TO_GO
        if offer is None or offer.sha256 == self.digest:
            self.settled = True
            return
        if self.staged or self._background.busy:
            return
        decision = admit_bundle(offer.tag, offer.sha256, own=own, pointer=pointer)
        if decision.reason is Reason.NEWER_THAN_CHANNEL:
            self.settled = True
            return
        if offer.sha256 != self._tried:
            self._tried, self._failures, self._retry_at = offer.sha256, 0, 0.0
        if self._clock() < self._retry_at:
            return
        if decision.action is Action.STAY:
            self._failed(_refused(offer, decision.reason))
        else:
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

    def _own(self, metadata: Metadata) -> Tag | None:
        """The release whose bundle is in place, if it is known."""
        with contextlib.suppress(InvalidInput):
            return Tag.parse(self._experiments.tag)
        pointer = metadata.pointer()
        tags = {} if pointer is None or self.digest is None else pointer.tags
        same = (tag for tag, files in tags.items() if files.get(EXPERIMENTS) == self.digest)
        return max(same, default=None)

    def _stage(self, offer: Offer, metadata: Metadata) -> None:
        tag = Tag.parse(offer.tag)
        artifact = metadata.target(tag, EXPERIMENTS)
        archive = self._experiments.archive
        download(self._transport, f"/releases/{tag}/{EXPERIMENTS}", archive, artifact)
        self._experiments.stage(archive, artifact.sha256, str(tag))
        unlink_quietly(archive)

    def _done(self, _: None) -> None:
        self.staged = True
        self._refusal = ""

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, GaiaError):
            # Even a fault of ours is no reason for the worker to end.
            log.error("experiments not followed", exc_info=error)
            error = InstallError("experiments-failed", f"A fault in the worker itself: {error!r}.")
        # A bundle that is half in place must not be worked with.
        self.settled = self._experiments.consistent
        if isinstance(error, TrustError) or error.code in _ALARMING:
            self._refusal = str(error)
        wait = full_jitter(self._failures, self._chance(), base=FIRST_RETRY, cap=LONGEST_RETRY)
        self._failures += 1
        self._retry_at = self._clock() + wait
        log.warning("experiments not synced", code=error.code, reason=str(error), retry_in=wait)


def _refused(offer: Offer, reason: Reason) -> TrustError:
    return TrustError(
        "target-not-signed",
        f"The server offers experiments of {offer.tag} that this worker's channel does not send it "
        f"to: {reason}.",
        hint="Tell the server's operator: a server that is in order does not do that.",
    )
