"""Each row of the fault catalogue has a test, or says why it has none."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "faults.md"
ROWS = {
    int(cells[1]): cells[4].strip()
    for line in PAGE.read_text().splitlines()
    if len(cells := line.split("|")) == 6 and cells[1].strip().isdecimal()
}


def test_the_catalogue_is_whole() -> None:
    assert list(ROWS) == list(range(1, 53))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_a_test_or_says_why_not(row: int) -> None:
    linked = re.findall(r"\]\(([^)]+)\)", ROWS[row])
    assert linked or ROWS[row].startswith("no test")
    for path in linked:
        assert (PAGE.parent / path).is_file(), path


def test_a_test_is_in_the_rows_that_it_is_named_after() -> None:
    named = {path.name: int(path.name[6:8]) for path in (ROOT / "tests/faults").glob("test_f*.py")}
    missing = [name for name, row in named.items() if row and f"/{name}" not in ROWS[row]]
    assert missing == []
