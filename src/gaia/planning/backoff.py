"""Waiting times: exponential back-off with full jitter, never zero."""

from __future__ import annotations


def full_jitter(attempt: int, chance: float, *, base: float, cap: float) -> float:
    """Seconds to wait before retry number `attempt`.

    Full jitter spreads a herd evenly over the whole window. The lower end is a tenth of `base`
    rather than zero: a client must never retry at once, and not at the cap either.

    Args:
        attempt: 0 for the first retry.
        chance: a random number in [0, 1).
        base: window of the first retry, seconds.
        cap: largest window, seconds.
    """
    window: float = min(cap, base * 2 ** min(attempt, 32))
    least = base / 10
    return least + chance * (window - least)


def jittered(interval: float, chance: float, *, spread: float = 0.1) -> float:
    """`interval` seconds, moved by up to ± `spread` of itself."""
    return interval * (1 - spread + 2 * spread * chance)
