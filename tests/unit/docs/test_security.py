"""The threat model says nothing that no test shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
PAGE = TESTS.parent / "docs" / "explanation" / "security.md"
SHOWN_BY = re.compile(r"`([a-z0-9_/]+\.py)::([^`]+)`")


def claims() -> list[str]:
    """The rows of the tables that say what someone can do."""
    found, shown = [], False
    for line in PAGE.read_text().splitlines():
        if not line.startswith("|"):
            shown = False
        elif "| shown by |" in line:
            shown = True
        elif shown and not line.startswith("| ---"):
            found.append(line)
    return found


def test_the_tables_are_found() -> None:
    assert len(claims()) >= 20


@pytest.mark.parametrize("row", claims(), ids=lambda row: row.split("|")[1].strip())
def test_each_row_has_its_test(row: str) -> None:
    named = SHOWN_BY.findall(row.split("|")[-2])
    assert named, row
    for path, name in named:
        text = (TESTS / path).read_text()
        assert f"def {name}(" in text or f'"{name}"' in text, f"{path} has no {name}"
