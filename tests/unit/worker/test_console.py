from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, sys
from pathlib import Path
from gaia.worker.console import Console
console = Console.adopt(os.environ)
if len(sys.argv) == 3:
    print("after", os.environ.get("_GAIA_STDIO"), flush=True)
    assert not os.get_inheritable(console.stdout)
    before = console.stdout, console.stderr
    os.write(console.stdout, b"workload\\n")
    console.restore()
    assert (console.stdout, console.stderr) == before
    assert not os.get_inheritable(console.stdout)
    print("restored")
    print("errors", file=sys.stderr)
    os.closerange(3, 20)
    print(sorted(int(n) for n in os.listdir("/proc/self/fd")))
else:
    print("before")
    console.redirect(Path(sys.argv[1]))
    console.redirect(Path("/nowhere/is/not/opened/twice"))
    print("redirected", flush=True)
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:], "again"],
              {**os.environ, **console.hand_on()})
"""


def test_originals_come_back_after_exec(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, log], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "before\nworkload\nrestored\n[0, 1, 2, 3, 20, 21]\n"
    assert done.stderr == "errors\n"
    assert log.read_text() == "redirected\nafter None\n"


def test_daemon_without_standard_descriptors(tmp_path: Path) -> None:
    log, seen = tmp_path / "log", tmp_path / "seen"
    program = f"""
import os
from pathlib import Path
from gaia.worker.console import Console
console = Console.adopt(os.environ)
console.redirect(Path({str(log)!r}))
os.write(1, b"captured")
console.restore()
os.write(2, b"lost")
Path({str(seen)!r}).write_text(" ".join(os.readlink(f"/proc/self/fd/{{n}}") for n in range(3)))
"""
    closed = '"$0" -c "$1" <&- >&- 2>&-'
    done = subprocess.run(["/bin/sh", "-c", closed, sys.executable, program], check=False)
    assert done.returncode == 0
    assert log.read_text() == "captured"
    assert seen.read_text() == "/dev/null /dev/null /dev/null"
