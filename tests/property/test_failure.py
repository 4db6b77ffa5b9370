"""Whatever a server answers, it becomes one of our errors, fit to be shown."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gaia.errors import GaiaError, InvalidInput, TransportError
from gaia.protocol.address import Address
from gaia.protocol.failure import LONGEST_RETRY_AFTER, of_answer, plain
from gaia.protocol.problem import Problem

NOW = datetime(2026, 11, 24, tzinfo=UTC)

problems = st.builds(
    Problem,
    type=st.text(),
    title=st.text(),
    status=st.integers(0, 999),
    detail=st.text(),
    code=st.text(),
    hint=st.text(),
).map(msgspec.json.encode)


@given(
    status=st.integers(400, 599),
    body=st.binary() | problems,
    retry_after=st.text() | st.floats().map(str) | st.integers().map(str),
    date=st.text() | st.just("Tue, 24 Nov 2026 00:00:00 GMT"),
)
def test_any_answer_becomes_an_error(status: int, body: bytes, retry_after: str, date: str) -> None:
    error = of_answer(status, {"retry-after": retry_after, "date": date}, body, now=NOW)
    assert isinstance(error, GaiaError)
    assert str(error).isprintable()
    if status >= 500:
        assert isinstance(error, TransportError)
        assert error.retry_after is None or 0 <= error.retry_after <= LONGEST_RETRY_AFTER


@given(st.text())
def test_plain_text_is_one_printable_line_of_bounded_length(text: str) -> None:
    assert plain(text).isprintable()
    assert len(plain(text)) <= 501


@given(st.text() | st.text().map("http://".__add__) | st.text().map("https://h:1".__add__))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = Address.parse(text)
    except InvalidInput:
        return
    assert Address.parse(str(address)) == address
