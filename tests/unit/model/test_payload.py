from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaia.errors import InvalidInput
from gaia.model.payload import (
    FOOTER_SIZE,
    Entry,
    Footer,
    decode_index,
    encode_index,
)

part = st.text(st.characters(exclude_characters="/.\0", codec="utf-8"), min_size=1, max_size=12)
entry = st.builds(
    Entry,
    path=st.lists(part, min_size=1, max_size=4).map("/".join),
    mode=st.sampled_from([0o644, 0o755]),
    size=st.integers(0, 2**63),
)


@given(st.lists(entry, max_size=8))
def test_the_index_is_read_as_written(entries: list[Entry]) -> None:
    assert decode_index(encode_index(entries)) == tuple(entries)


@given(st.lists(entry, min_size=1, max_size=3), st.data())
def test_a_cut_index_is_refused_unless_cut_between_entries(
    entries: list[Entry], data: st.DataObject
) -> None:
    index = encode_index(entries)
    cut = index[: data.draw(st.integers(0, len(index) - 1))]
    whole = [encode_index(entries[:count]) for count in range(len(entries))]
    if cut in whole:
        assert decode_index(cut) == tuple(entries[: whole.index(cut)])
    else:
        with pytest.raises(InvalidInput, match="damaged"):
            decode_index(cut)


@pytest.mark.parametrize("path", ["", ".", "/etc/passwd", "../up", "a/../../up"])
def test_paths_that_leave_the_folder_are_refused(path: str) -> None:
    with pytest.raises(InvalidInput):
        encode_index([Entry(path, 0o644, 0)])


def test_the_footer_is_read_as_written() -> None:
    footer = Footer(1 << 40, 99, bytes(range(32)))
    encoded = footer.encode()
    assert len(encoded) == FOOTER_SIZE
    assert Footer.decode(encoded) == footer
    assert footer.runtime_id == bytes(range(16)).hex()


@pytest.mark.parametrize("data", [b"", b"GAIAPKG1", bytes(FOOTER_SIZE)])
def test_other_ends_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        Footer.decode(data)
    assert caught.value.code == "no-payload"
