"""When the operator hears of an expiry, and of what."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gaia.trust import roles
from gaia.trust.expiry import ExpiryWarning, advice, warning
from support.trust import START


@pytest.mark.parametrize(
    ("role", "left", "expected"),
    [
        ("root", {"days": 365}, None),
        ("root", {"days": 90, "seconds": 1}, None),
        ("root", {"days": 90}, "90-days"),
        ("root", {"days": 31}, "90-days"),
        ("targets", {"days": 30}, "30-days"),
        ("targets", {"days": 7, "seconds": 1}, "30-days"),
        ("targets", {"days": 7}, "7-days"),
        ("targets", {"seconds": 1}, "7-days"),
        ("root", {"days": 0}, "expired"),
        ("root", {"days": -900}, "expired"),
        # 180 days of life: its first mark is the one at 30.
        ("gaia-worker", {"days": 90}, None),
        ("gaia-worker", {"days": 31}, None),
        ("gaia-worker", {"days": 30}, "30-days"),
        ("channel-stable", {"days": 7}, "7-days"),
        ("channel-beta", {"days": -1}, "expired"),
        # The server renews these: half of the life, and each hour, and an hour of trying.
        ("snapshot", {"days": 15}, None),
        ("snapshot", {"days": 14, "hours": 23}, "not-renewed"),
        ("timestamp", {"hours": 22, "seconds": 1}, None),
        ("timestamp", {"hours": 22}, "not-renewed"),
        ("timestamp", {"hours": 0}, "expired"),
    ],
)
def test_warnings(role: str, left: dict[str, float], expected: str | None) -> None:
    assert warning(role, START + timedelta(**left), START) == expected


@pytest.mark.parametrize(
    ("days", "expected"), [(365, [90, 30, 7]), (181, [90, 30, 7]), (180, [30, 7]), (90, [30, 7])]
)
def test_marks_count_in_the_second_half_of_a_life(
    monkeypatch: pytest.MonkeyPatch, days: int, expected: list[int]
) -> None:
    monkeypatch.setitem(roles._LIFETIMES, "root", timedelta(days=days))
    said = {warning("root", START + timedelta(days=left), START) for left in range(1, days)}
    assert said == {None, *(f"{mark}-days" for mark in expected)}


def test_only_that_which_can_wait_is_not_urgent() -> None:
    patient = {level for level in ExpiryWarning if not level.urgent}
    assert patient == {"90-days", "30-days"}


def test_the_advice_is_a_command() -> None:
    assert advice("channel-beta").endswith("gaia trust renew channel-beta")
    assert advice("gaia-worker").endswith("gaia trust renew release")
    assert advice("timestamp").endswith("gaia trust rotate online")
