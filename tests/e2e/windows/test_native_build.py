"""`gaia worker build` on Windows itself, but for the compiler: `script/prove native-windows`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gaia.cli.build.frozen import LIBRARIES
from gaia.model.payload import FOOTER_SIZE, STAMP_FILENAME, Footer, decode_index
from support.wine import run_python

pytestmark = [pytest.mark.needs_worker_build, pytest.mark.timeout(900)]


def test_windows_collects_the_bytes_that_wine_collects(
    tmp_path: Path, build: Callable[[str], Path]
) -> None:
    code = """
from pathlib import Path
from gaia.cli.build import frozen
from gaia.cli.build.builder import system_for

system = system_for("windows")
folder = Path("made").absolute()
payload = frozen.collect(system, folder, "gaia.worker.main:main", Path(sys.path[0]))
print(type(system).__name__, payload.relative_to(folder).as_posix())
"""
    kind, payload = run_python(code, tmp_path).split()[-2:]
    assert kind == "NativeWindows"
    root = tmp_path / "made" / payload
    collected = {p.relative_to(root).as_posix(): p.read_bytes() for p in _files(root)}
    packed = _content(build("v0.5.0").read_bytes())
    packed.pop(f"{LIBRARIES}/{STAMP_FILENAME}")
    assert sorted(collected) == sorted(packed)
    assert [name for name in packed if collected[name] != packed[name]] == []


def test_what_a_scanner_holds_is_waited_for(tmp_path: Path) -> None:
    code = """
import threading
from pathlib import Path
from gaia.cli.build import tools

made, wanted = Path("made.exe"), Path("wanted.exe")
wanted.write_bytes(b"the last build")
made.write_bytes(b"made")
scanner = made.open("rb")
try:
    made.replace(wanted)
except PermissionError:
    threading.Timer(0.5, scanner.close).start()
tools.replace(made, wanted)
assert scanner.closed
assert wanted.read_bytes() == b"made" and not made.exists()
print("done")
"""
    assert run_python(code, tmp_path).endswith("done\n")


def test_what_a_scanner_never_lets_go_is_told(tmp_path: Path) -> None:
    code = """
from pathlib import Path
from gaia.cli.build import tools

tools._PATIENCE = 0.5
made = Path("made.exe")
made.write_bytes(b"made")
with made.open("rb"):
    try:
        tools.replace(made, Path("wanted.exe"))
    except PermissionError:
        print("told")
"""
    assert run_python(code, tmp_path).endswith("told\n")


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def _content(executable: bytes) -> dict[str, bytes]:
    footer = Footer.decode(executable[-FOOTER_SIZE:])
    body = executable[-FOOTER_SIZE - footer.length : -FOOTER_SIZE]
    at, found = footer.index_length, {}
    for entry in decode_index(body[:at]):
        found[entry.path] = body[at : at + entry.size]
        at += entry.size
    return found
