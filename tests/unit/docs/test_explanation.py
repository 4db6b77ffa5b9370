"""Diagrams and closed lists in the docs are those of the code."""

from pathlib import Path

from gaia.model.directive import Reason
from gaia.model.worker import FailureReason
from gaia.planning.update import diagram

DOCS = Path(__file__).parents[3] / "docs"


def test_the_diagram_of_an_update_is_drawn_from_the_table() -> None:
    text = (DOCS / "explanation" / "update.md").read_text()
    assert f"```mermaid\n{diagram()}\n```" in text


def test_every_reason_is_explained() -> None:
    text = (DOCS / "reference" / "reasons.md").read_text()
    for reason in (*Reason, *FailureReason):
        assert f"| `{reason}` |" in text


def test_the_docs_say_which_failures_blame_the_release() -> None:
    rows = {
        cells[1].strip(" `"): cells[-2].strip()
        for line in (DOCS / "reference" / "reasons.md").read_text().splitlines()
        if len(cells := line.split("|")) == 5
    }
    for reason in FailureReason:
        assert rows[reason] == ("yes" if reason.blames_release else "no")
