"""Waiting times never reach zero and never pass the cap."""

from hypothesis import given
from hypothesis import strategies as st

from gaia.planning.backoff import full_jitter, jittered

chances = st.floats(min_value=0, max_value=1, exclude_max=True)
seconds = st.floats(min_value=0.1, max_value=1000)


@given(st.integers(min_value=0, max_value=10_000), chances, seconds, seconds)
def test_full_jitter_is_bounded(attempt: int, chance: float, base: float, more: float) -> None:
    cap = base + more
    wait = full_jitter(attempt, chance, base=base, cap=cap)
    assert base / 10 <= wait <= cap


@given(chances, seconds)
def test_jitter_stays_near_the_interval(chance: float, interval: float) -> None:
    assert 0.89 * interval <= jittered(interval, chance) <= 1.11 * interval
