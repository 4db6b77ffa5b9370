"""The worker's side of trust: nothing is installed that this does not vouch for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from gaia.errors import GaiaError, TrustError
from gaia.model.artifact import Artifact
from gaia.model.channel import DEFAULT_CHANNEL, Pointer
from gaia.model.tag import Tag
from gaia.trust import refusal
from gaia.trust.fetcher import Fetcher, MetadataSource, NoSource
from gaia.trust.pin import RootPin
from gaia.trust.roles import TIMESTAMP, artifact_path, lifetime
from gaia.trust.time_floor import BEGINNING, TOLERANCE, TimeFloor
from gaia.trust.verified import HISTORY, VerifiedMetadata

__all__ = ["MetadataSource", "RootPin", "TrustClient"]

_BEFORE_ANY_EXPIRY = datetime.min.replace(tzinfo=UTC)

_CREDIBLE = 2 * lifetime(TIMESTAMP)
"""A timestamp with longer to go than this was signed by another clock than this machine's."""


class TrustClient:
    """Follows a server's trust repository by TUF's client workflow (5.1 to 5.6).

    The last state that was verified stays usable, whatever the server offers later; installing
    also needs it to be fresh. One client for a folder; its methods may be called from any thread.

    Args:
        folder: this machine's trust state; it must survive updates.
        source: where files come from that the heartbeat does not carry.
        pin: the root of trust.
        now: the time, in UTC.
        channel: the channel that `refresh` keeps loaded, so that `pointer` needs no request.
        built_at: when this worker was built, if that is known: it cannot be earlier.
    """

    def __init__(
        self,
        folder: Path,
        source: MetadataSource,
        pin: RootPin,
        now: Callable[[], datetime],
        *,
        channel: str = DEFAULT_CHANNEL,
        built_at: datetime = BEGINNING,
    ) -> None:
        self._folder = folder
        self._source = source
        self._pin = pin
        self._now = now
        self._channel = channel
        self._floor = TimeFloor(folder, built_at)
        self._lock = threading.Lock()
        self._trusted: VerifiedMetadata | None = None
        self._disk_unread = True
        self._seen: tuple[int, str] | None = None

    def refresh(self, root_version: int, timestamp: str) -> None:
        """Verify what a heartbeat has brought, and all that it refers to.

        Also with a wrong clock, so that the worker knows of what is signed; installing waits then.

        With the same arguments as last time, nothing is read, and nothing verified but the clock.

        Args:
            root_version: of the newest root, by the server's word.
            timestamp: text of the signed timestamp.

        Raises:
            TrustError: refused, with the reason; what was verified before stays.
            TransportError: the source could not be read.
        """
        with self._lock:
            new = self._seen != (root_version, timestamp)
            at = max(self._now(), self._floor.value)
            if new:
                # What is not UTF-8 cannot be signed either: it is refused for what it becomes.
                fetcher = Fetcher(self._source, root_version, timestamp.encode(errors="replace"))
                self._trusted = self._follow(fetcher, at)
                self._seen = root_version, timestamp
        self.check()
        if new:
            with self._lock:
                self._floor.raise_to(at)

    def check(self) -> None:
        """Return when something new may be installed now. Costs nothing.

        Raises:
            TrustError: `metadata-expired` or `clock-wrong`.
        """
        trusted, now = self._last(), self._time()
        expiries = {} if trusted is None else dict(trusted.expiries())
        for role, expires in expiries.items():
            if expires <= now:
                raise refusal.expired(role, now)
        timestamp_expires = expiries.get(TIMESTAMP, now)
        if timestamp_expires - now > _CREDIBLE:
            raise refusal.clock_wrong(timestamp_expires, now)

    def pointer(self, channel: str) -> Pointer | None:
        """The channel's pointer as last verified, fresh or not; None when it has none.

        Raises:
            TrustError, TransportError: as `refresh`; never for the client's own channel.
        """
        trusted = self._last()
        return None if trusted is None else trusted.pointer(channel)

    def target(self, tag: Tag, filename: str) -> Artifact:
        """What the signed metadata says of a release's file, to be installed now.

        Two roles have to say the same: the one that signs releases, and the channel's.

        Raises:
            TrustError: `target-not-signed` or `roles-disagree`, or as `check`.
        """
        self.check()
        trusted = self._last()
        if trusted is None:
            raise refusal.not_signed(artifact_path(tag, filename))
        artifact, pointer = trusted.artifact(tag, filename), trusted.pointer(self._channel)
        digest = None if pointer is None else pointer.tags.get(tag, {}).get(filename)
        if digest is None:
            raise refusal.not_on_channel(artifact_path(tag, filename), self._channel)
        if digest != artifact.sha256:
            raise refusal.disagreement(artifact_path(tag, filename), self._channel)
        return artifact

    def _time(self) -> datetime:
        """The time, never below the floor."""
        clock, floor = self._now(), self._floor.value
        if clock < floor - TOLERANCE:
            raise refusal.clock_behind(floor, clock)
        return max(clock, floor)

    def _last(self) -> VerifiedMetadata | None:
        """What was verified last, by an earlier process if not by this one."""
        if self._trusted is None and self._disk_unread:
            with self._lock:
                if self._trusted is None:
                    self._trusted = self._from_disk()
                self._disk_unread = False
        return self._trusted

    def _from_disk(self) -> VerifiedMetadata | None:
        try:
            timestamp = (self._folder / f"{TIMESTAMP}.json").read_bytes()
            return self._verify(Fetcher(NoSource(), 0, timestamp), _BEFORE_ANY_EXPIRY)
        except (OSError, GaiaError):
            return None

    def _follow(self, fetcher: Fetcher, at: datetime) -> VerifiedMetadata:
        try:
            return self._verify(fetcher, at)
        except TrustError as error:
            if error.code == "metadata-expired":
                self._time()  # the clock is the better reason
            raise

    def _verify(self, fetcher: Fetcher, at: datetime) -> VerifiedMetadata:
        root = self._pin.resolve(self._folder / HISTORY, fetcher.first_root)
        return VerifiedMetadata(self._folder, fetcher, root=root, at=at, channel=self._channel)
