"""Windows as the system to build for."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaia.cli.build.builder import system_for
from gaia.cli.build.windows import Wine
from gaia.errors import InvalidInput


def test_programs_under_wine_see_this_machine_as_a_drive(tmp_path: Path) -> None:
    system = Wine(tmp_path)
    assert system.path(Path("/srv/gaia/src")) == r"Z:\srv\gaia\src"
    assert system.environment()["WINEPREFIX"] == str(tmp_path / "wine")
    assert list(system.command(Path("/x/python.exe"), "-m", "a b"))[-4:] == [
        *("wine", "/x/python.exe", "-m", "a b"),
    ]


def test_what_can_be_executed_is_a_matter_of_names() -> None:
    system = system_for("windows")
    assert system.mode(Path("gaia-worker.exe")) == 0o755
    assert system.mode(Path("python313.dll")) == 0o644


def test_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(InvalidInput, match="aarch64") as caught:
        system_for("windows").check()
    assert caught.value.code == "unsupported-platform"
