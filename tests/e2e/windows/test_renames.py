"""Files that somebody holds for a moment, such as a virus scanner: renamed a moment later."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.wine import run_python

pytestmark = pytest.mark.timeout(600)

PREPARE = """
import threading
from pathlib import Path
from gaia import renames
from gaia.trust import files

made, wanted = Path("made"), Path("wanted")
made.write_bytes(b"made")
wanted.write_bytes(b"before")
"""


def test_a_file_that_somebody_holds_is_waited_for(tmp_path: Path) -> None:
    code = """
scanner = made.open("rb")
try:
    made.replace(wanted)
except PermissionError:
    threading.Timer(0.5, scanner.close).start()
renames.replace(made, wanted)
assert scanner.closed
assert wanted.read_bytes() == b"made" and not made.exists()
print("done")
"""
    assert run_python(PREPARE + code, tmp_path).endswith("done\n")


def test_a_file_that_is_never_let_go_is_told(tmp_path: Path) -> None:
    code = """
renames.PATIENCE = 0.5
with made.open("rb"):
    try:
        renames.replace(made, wanted)
    except PermissionError:
        print("told")
assert wanted.read_bytes() == b"before"
"""
    assert run_python(PREPARE + code, tmp_path).endswith("told\n")


def test_metadata_that_somebody_reads_is_written_once_they_have(tmp_path: Path) -> None:
    code = """
reader = wanted.open("rb")
threading.Timer(0.5, reader.close).start()
files.write(wanted, b"newer")
assert reader.closed
assert wanted.read_bytes() == b"newer"
assert sorted(p.name for p in Path().iterdir()) == ["made", "script.py", "wanted"]
print("done")
"""
    assert run_python(PREPARE + code, tmp_path).endswith("done\n")
