"""Delta debugging: the fewest events of a schedule that still break a rule (Zeller's ddmin)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def shrink(events: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """A part of `events` that still fails, and of which no single event can be left out.

    Args:
        events: fail as they are.
        fails: whether some of them do, in their order.
    """
    kept = list(events)
    size = max(1, len(kept) // 2)
    while True:
        for start in range(0, len(kept), size):
            fewer = kept[:start] + kept[start + size :]
            if fails(fewer):
                kept = fewer
                break
        else:
            if size == 1:
                return kept
            size = max(1, size // 2)
        size = max(1, min(size, len(kept)))
