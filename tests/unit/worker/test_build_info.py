from __future__ import annotations

import sys
from pathlib import Path

import pytest

import gaia
from gaia.model.payload import STAMP_FILENAME, Stamp
from gaia.worker.build_info import BuildInfo


def test_from_the_package() -> None:
    assert BuildInfo.load() == BuildInfo(f"v{gaia.__version__}", None, 0.0)


@pytest.mark.parametrize("root", [None, b"", b'{"signed": {}}\n\x00\xff'])
def test_from_the_payload(
    root: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / STAMP_FILENAME).write_bytes(Stamp("1.2.3-rc.1", root, 1.5).encode())
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    assert BuildInfo.load() == BuildInfo("1.2.3-rc.1", root, 1.5)
