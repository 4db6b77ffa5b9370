"""An `exec` that the system refuses leaves the process as it was."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gaia.errors import InstallError
from gaia.model.worker import FailureReason
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


def test_a_file_that_is_no_program_is_to_blame(refused: Launch) -> None:
    refused.path.chmod(0o755)
    with pytest.raises(InstallError) as error:
        refused.execute({})
    assert error.value.code == FailureReason.EXEC


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE])
def test_a_machine_without_room_is_not_the_files_fault(
    number: int, refused: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "execve", refuse)
    with pytest.raises(InstallError) as error:
        refused.execute({})
    assert error.value.code == FailureReason.BUSY


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
