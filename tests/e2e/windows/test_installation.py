"""The swap on Windows, without a build: files that run, files that somebody holds (7, 8, 9)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.wine import run_python

pytestmark = pytest.mark.timeout(600)

PREPARE = """
import hashlib, os, shutil, subprocess, threading, time
from pathlib import Path
from gaia.errors import InstallError
from gaia import renames
from gaia.worker.durable import digest_of
from gaia.worker.installation_windows import WindowsInstallation
from gaia.worker.journal import Target

def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("python.exe"))

root = Path("install").absolute()
shutil.copytree(Path(sys.executable).parent, root, copy_function=shutil.copyfile)
exe = root / "python.exe"
running = subprocess.Popen(
    [exe, "-c", "print('up', flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
)
running.stdout.readline()
place = WindowsInstallation(exe)
assert place.obstacle() == ""
new = exe.read_bytes() + b"another version"
old_digest, new_digest = digest_of(exe), hashlib.sha256(new).hexdigest()
place.begin_staging(resume=False)
place.staged.write_bytes(new)
place.seal(Target("v1", new_digest, len(new)))

def swap():
    place.back_up(old_digest)
    place.install(new_digest)
    place.check(live=new_digest, backup=old_digest)
"""

REFUSED = """
try:
    swap()
except InstallError as error:
    assert error.code == "swap", error
else:
    raise AssertionError("swapped")
assert digest_of(exe) == old_digest
running.communicate(b"go on\\n")
print("done")
"""


def test_a_running_executable_is_renamed_aside_and_brought_back(tmp_path: Path) -> None:
    code = """
swap()
assert names(root) == ["python.exe", "python.exe.bak"]
newer = subprocess.Popen(
    [exe, "-c", "print('up', flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
)
newer.stdout.readline()
place.restore(old_digest)
assert digest_of(exe) == old_digest and names(root) == ["python.exe"]
for process in (running, newer):
    process.communicate(b"go on\\n")
place.tidy()
assert list(place.private.iterdir()) == []
print("done")
"""
    assert run_python(PREPARE + code, tmp_path).endswith("done\n")


def test_a_scanner_that_holds_the_new_file_is_waited_for(tmp_path: Path) -> None:
    code = """
scanner = place.staged.open("rb")
threading.Timer(1.0, scanner.close).start()
swap()
assert scanner.closed
running.communicate(b"go on\\n")
print("done")
"""
    assert run_python(PREPARE + code, tmp_path).endswith("done\n")


def test_a_scanner_that_never_lets_go_leaves_the_old_version(tmp_path: Path) -> None:
    code = """
renames.PATIENCE = 0.5
scanner = place.staged.open("rb")
"""
    assert run_python(PREPARE + code + REFUSED, tmp_path).endswith("done\n")


def test_a_new_file_that_vanishes_in_the_swap_leaves_the_old_version(tmp_path: Path) -> None:
    code = """
replace = renames.replace
def take(source, target):
    replace(source, target)
    if target == place.backup:
        place.staged.rename(root / "quarantine")
renames.replace = take
"""
    assert run_python(PREPARE + code + REFUSED, tmp_path).endswith("done\n")
