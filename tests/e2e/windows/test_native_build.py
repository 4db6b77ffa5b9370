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
