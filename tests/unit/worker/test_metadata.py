"""Following the server's metadata: when it is asked for, and what a failure leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gaia.errors import TransportError
from gaia.protocol.worker import Tuf
from gaia.trust.client import TrustClient
from gaia.trust.pin import RootPin
from gaia.trust.repository import Repository
from gaia.worker.background import Background
from gaia.worker.metadata import RETRY, Metadata


class Follower:
    """A real repository, a real client, and a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.repository = Repository.open(
            folder / "tuf", folder / "keys", lambda: datetime.now(UTC)
        )
        self.fault: Exception | None = None
        self.reads = 0
        self.time = 0.0
        self.followed = 0
        self.background = Background()
        client = TrustClient(
            folder / "state", self, RootPin.on_first_use(), lambda: datetime.now(UTC)
        )
        self.metadata = Metadata(client, "stable", self.background, lambda: self.time)

    def read(self, path: str, *, limit: int) -> bytes | None:
        self.reads += 1
        if self.fault is not None:
            raise self.fault
        return self.repository.read(path)

    def follow(self) -> None:
        offered = Tuf(self.repository.root_version, self.repository.timestamp)
        self.metadata.follow(offered, self._count)
        self.background.wait(10)
        self.background.poll()

    def _count(self) -> None:
        self.followed += 1


@pytest.fixture
def follower(tmp_path: Path) -> Follower:
    return Follower(tmp_path)


def test_what_is_known_is_not_asked_for_again(follower: Follower) -> None:
    assert not follower.metadata.verified
    follower.follow()
    assert follower.metadata.verified
    reads = follower.reads
    assert reads > 0
    for _ in range(5):
        follower.follow()
    assert (follower.reads, follower.followed) == (reads, 6)


FAULTS: list[Callable[[], Exception]] = [
    lambda: TransportError("not-connected", "The network is gone."),
    lambda: ZeroDivisionError("a fault of ours"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_is_an_alarm_and_is_tried_again_later(
    follower: Follower, fault: Callable[[], Exception]
) -> None:
    follower.fault = fault()
    follower.follow()
    assert str(follower.fault) in follower.metadata.alarm
    assert not follower.metadata.verified
    reads = follower.reads
    follower.fault = None
    follower.follow()
    assert follower.reads == reads, "too early to try again"
    follower.time += RETRY
    follower.follow()
    assert follower.metadata.verified
    assert follower.metadata.alarm == ""
    assert follower.followed == 1
