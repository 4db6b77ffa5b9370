"""Properties of pointers and of the times at which roles are signed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import TargetFile

from gaia.model.channel import Pointer
from gaia.model.tag import Tag
from gaia.trust.pointer import from_target, to_target
from gaia.trust.roles import due, lifetime, next_version

START = datetime(2026, 1, 1, tzinfo=UTC)

tags = st.builds(
    lambda *numbers: Tag.parse("v{}.{}.{}".format(*numbers)),
    *[st.integers(0, 30)] * 3,
)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
files = st.dictionaries(st.sampled_from(["gaia-worker-linux", "experiments.tar.gz"]), digests)
times = st.integers(0, 70 * 365).map(lambda days: START + timedelta(days=days))
roles = st.sampled_from(["targets", "gaia-worker", "channel-x", "snapshot", "timestamp"])


@st.composite
def pointers(draw: st.DrawFn) -> Pointer:
    floor, current = sorted([draw(tags), draw(tags)])
    return Pointer(current, floor, draw(st.dictionaries(tags, files, max_size=5)))


@given(pointers())
def test_a_pointer_survives_signing(pointer: Pointer) -> None:
    target = to_target("stable", pointer)
    again = TargetFile.from_dict(target.to_dict(), target.path)
    assert from_target("stable", again) == pointer


@given(st.integers(0, 2**53), st.lists(times, min_size=1, max_size=10))
def test_versions_always_grow(last: int, clock: list[datetime]) -> None:
    for now in clock:
        version = next_version(last, now)
        assert version > last
        assert version >= int(now.timestamp())
        last = version


@given(roles, times, st.integers(0, 400 * 86400))
def test_renewed_before_it_expires(role: str, signed_at: datetime, seconds: int) -> None:
    now = signed_at + timedelta(seconds=seconds)
    expires = signed_at + lifetime(role)
    if now >= expires:
        assert due(role, expires, now)
    if now == signed_at:
        assert not due(role, expires, now)
