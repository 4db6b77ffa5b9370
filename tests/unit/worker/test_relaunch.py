"""An `exec` that the system refuses leaves the process as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gaia.errors import InstallError
from gaia.worker.relaunch import Launch, close_on_exec


@pytest.fixture
def refused(tmp_path: Path) -> Launch:
    """The launch of a file that cannot be executed, from a folder of its own."""
    folder = tmp_path / "started-here"
    folder.mkdir()
    program = tmp_path / "program"
    program.write_bytes(b"no program")
    return Launch(program, ("program",), str(folder), {})


def test_the_working_directory_stays(
    refused: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with pytest.raises(InstallError):
        refused.execute({})
    assert Path.cwd() == elsewhere


def test_descriptors_are_handed_down_again() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    try:
        with close_on_exec():
            assert not os.get_inheritable(reader)
        assert (os.get_inheritable(reader), os.get_inheritable(writer)) == (True, False)
    finally:
        os.close(reader)
        os.close(writer)
