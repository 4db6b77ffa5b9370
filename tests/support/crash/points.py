"""Which of the enumerated calls are crash points, and which of them stand for others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from support.crash.tracer import Call, Moment

_ROLES = {
    "": "start",
    "run-1": "old version",
    "run-1'": "its self-check",
    "preflight": "its self-check",
    "run-1''": "guard",
    "run-2": "new version",
    "run-1''+": "old version again",
}
_HASH = re.compile(r"[0-9a-f]{32,64}")
_BULK = re.compile(r"(?P<whole>worker/\.gaia/[0-9a-f]{32}\.tmp-[^/]*)/.+")


@dataclass(frozen=True)
class Point:
    """One call to be killed at, before and after.

    Attributes:
        stands_for: calls like it, itself included.
    """

    call: Call
    stands_for: int = 1

    def moment(self, *, after: bool) -> Moment:
        """Right before the call, or right after."""
        call = self.call
        return Moment(call.role, call.call, call.path, call.nth, after)

    @property
    def who(self) -> str:
        """The process, for people."""
        return _ROLES.get(self.call.role, self.call.role)

    @property
    def what(self) -> str:
        """The call, for people."""
        names = [shown(name) for name in (self.call.path, self.call.other) if name]
        return f"{self.call.call} {' to '.join(names)}"


def shown(path: str) -> str:
    """A path without digests."""
    return _HASH.sub("HASH", path)


def crash_points(calls: Iterable[Call]) -> Iterator[Point]:
    """The calls that changed something, in their order.

    Of repeated calls of one kind in one stream of work, namely writes to one file, and what is
    done to the files inside a runtime that is being unpacked or removed, the first, the middle
    and the last stand for all. Every other call stands for itself only.
    """
    changed = [call for call in calls if call.result >= 0]
    streams: dict[tuple[str, ...], list[Call]] = {}
    for call in changed:
        streams.setdefault(_stream(call), []).append(call)
    shares: dict[int, int] = {}
    for stream in streams.values():
        for at in {0, len(stream) // 2, len(stream) - 1}:
            shares[id(stream[at])] = 1
        shares[id(stream[len(stream) // 2])] += max(0, len(stream) - 3)
    return (Point(call, shares[id(call)]) for call in changed if id(call) in shares)


def _stream(call: Call) -> tuple[str, ...]:
    inside = _BULK.fullmatch(call.path)
    if inside:
        return call.role, call.call, inside["whole"]
    if call.call == "write" and not call.path.endswith("gaia-worker.log"):
        return call.role, call.call, call.path
    return call.role, call.call, call.path, str(call.nth)


def of_the_swap(points: Iterable[Point]) -> Iterator[Point]:
    """From the last step before the swap to the commit, in both versions and the guard."""
    begun = False
    for point in points:
        call = point.call
        begun = begun or call.call.startswith("link")
        if begun and call.path.startswith("worker/"):
            yield point
        if begun and call.call == "unlink" and call.path.endswith(".probation"):
            return


def of_the_revert(points: Iterable[Point]) -> Iterator[Point]:
    """From the first call of the new version to the last."""
    begun = False
    for point in points:
        begun = begun or point.who == "new version"
        if begun:
            yield point
