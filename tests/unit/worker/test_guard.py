from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BLOCKED_READER = """
import os, sys
from pathlib import Path
from gaia.worker.guard import _LogTap
log = Path(sys.argv[1])
log.write_bytes(b"of an earlier trial ")
reader, writer = os.pipe()
os.dup2(writer, 2)
tap = _LogTap(log)
said = bytes(range(256)) * 2000
with log.open("ab") as file:
    file.write(said)
heard = b""
while len(heard) < len(said):
    tap.forward()
    heard += os.read(reader, 10_000)
assert heard == said
"""

LONG_LOG = """
import os, sys
from pathlib import Path
from gaia.worker.guard import _BACKLOG_LIMIT, _LOG_LIMIT, _LogTap
log, output, limit = Path(sys.argv[1]), sys.argv[2], {"heard": _LOG_LIMIT, "stuck": _BACKLOG_LIMIT}
reader, writer = os.pipe()
os.dup2(os.open(os.devnull, os.O_WRONLY) if output == "heard" else writer, 2)
log.touch()
tap = _LogTap(log)
with log.open("ab", buffering=0) as file:
    for _ in range(5 * limit[output] // _LOG_LIMIT):
        file.write(b"x" * _LOG_LIMIT + b"the end")
        tap.forward()
        assert log.stat().st_size <= limit[output]
        assert log.read_bytes().endswith(b"xthe end")
"""


def run(program: str, *arguments: str | Path) -> None:
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    # standard error is what the program plays with
    assert done.returncode == 0, done.stderr[-2000:]


def test_reader_that_takes_its_time_does_not_hold_the_guard(tmp_path: Path) -> None:
    run(BLOCKED_READER, tmp_path / "log")


@pytest.mark.parametrize("output", ["heard", "stuck"])
def test_log_of_a_long_probation_is_bounded(tmp_path: Path, output: str) -> None:
    run(LONG_LOG, tmp_path / "log", output)
