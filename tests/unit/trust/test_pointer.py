from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from tuf.api.metadata import TargetFile

from gaia.errors import TrustError
from gaia.trust.pointer import from_target

GOOD = {"current": "v0.5.0", "floor": "v0.4.0", "tags": {"v0.5.0": {"gaia-worker-x": "a" * 64}}}


def target(custom: Any) -> TargetFile:
    fields = {} if custom is ... else {"custom": custom}
    return TargetFile(0, {"sha256": "0" * 64}, "channels/stable/pointer.json", fields)


def test_good() -> None:
    pointer = from_target("stable", target(GOOD))
    assert (str(pointer.current), str(pointer.floor)) == ("v0.5.0", "v0.4.0")


def test_fields_of_a_newer_server_are_ignored() -> None:
    assert from_target("stable", target({**GOOD, "rings": 3})) == from_target(
        "stable", target(GOOD)
    )


def bad(field: str, values: Iterable[Any]) -> list[Any]:
    return [{**GOOD, field: value} for value in values]


@pytest.mark.parametrize(
    "custom",
    [
        *(..., None, 5, "v0.5.0", [], {}),
        *bad("current", [None, 5, "latest", "", "v0.3.0"]),
        *bad("floor", [None, 5, "latest", "v0.6.0"]),
        *bad("tags", [None, 5, [], "x", {"x": {}}, {"v0.5.0": []}]),
        *bad("tags", [{"v0.5.0": {"x": digest}} for digest in (None, 5, "", "A" * 64, "a" * 63)]),
    ],
)
def test_malformed(custom: Any) -> None:
    with pytest.raises(TrustError) as refusal:
        from_target("stable", target(custom))
    assert refusal.value.code == "pointer-malformed"
    assert "stable" in refusal.value.message
