"""However it is called, the worker is one ordinary process that knows where it is installed."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from support.single_file import Program

pytestmark = pytest.mark.needs_worker_build

IGNORED_HERE = [n for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN]
"""By Python, which every worker inherits; and by whoever started the tests, as nohup does."""


def test_by_absolute_path(installed: Program, tmp_path: Path) -> None:
    seen = installed.report("a b", "", "--", "ü", cwd=tmp_path)
    assert seen["argv"] == [str(installed.path), "report", "a b", "", "--", "ü"]
    assert seen["install_path"] == str(installed.path)
    assert seen["cwd"] == str(tmp_path)
    assert seen["version"] == "v1.0.0"


def test_by_relative_path(installed: Program) -> None:
    seen = installed.report(called="./gaia-worker", cwd=installed.path.parent)
    assert seen["argv"][0] == "./gaia-worker"
    assert seen["install_path"] == str(installed.path)


def test_through_a_symlink(installed: Program, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(installed.path)
    seen = installed.report(called=str(link))
    assert seen["argv"][0] == str(link)
    assert seen["install_path"] == str(installed.path)


def test_by_path_variable(installed: Program, tmp_path: Path) -> None:
    search = f"{installed.path.parent}:{installed.env['PATH']}"
    done = installed.run(
        "-c", "gaia-worker report", called="/bin/sh", cwd=tmp_path, env={"PATH": search}
    )
    assert f'"install_path": "{installed.path}"' in done.stdout.decode()


def test_in_a_folder_with_spaces_and_other_letters(installed: Program, tmp_path: Path) -> None:
    folder = tmp_path / "Müllers Rechner 計算"
    folder.mkdir()
    path = folder / "gaia worker"
    shutil.copy2(installed.path, path)
    installed.path = path
    assert installed.report(env={"LC_ALL": "C"})["install_path"] == str(path)


def test_it_is_one_process_with_nothing_added(installed: Program) -> None:
    with installed.waiting() as process:
        program = Path(f"/proc/{process.pid}/exe").readlink()
        process.terminate()
        assert process.wait() == -signal.SIGTERM
    assert program.parents[1] == installed.path.parent / ".gaia"
    seen = installed.report()
    assert seen["parent"] == os.getpid()
    assert seen["children"] == []
    # The fourth is the one that lists the folder.
    assert seen["descriptors"] == ["0", "1", "2", "3"]
    assert seen["blocked_signals"] == 0
    assert seen["ignored_signals"] == sorted(IGNORED_HERE)


@pytest.mark.parametrize("libraries", ["/opt/users/lib", None])
def test_a_child_gets_the_users_environment(installed: Program, libraries: str | None) -> None:
    del installed.env["LD_LIBRARY_PATH"]
    if libraries is not None:
        installed.env["LD_LIBRARY_PATH"] = libraries
    assert installed.report()["child_environment"] == installed.env


def test_started_by_another_frozen_program(installed: Program) -> None:
    leaked = {
        "_PYI_ARCHIVE_FILE": "/elsewhere/program",
        "_PYI_APPLICATION_HOME_DIR": "/elsewhere",
        "_PYI_PARENT_PROCESS_LEVEL": "1",
        "_MEIPASS2": "/elsewhere",
        "LD_LIBRARY_PATH": "/elsewhere/lib",
        "LD_LIBRARY_PATH_ORIG": "/opt/users/lib",
    }
    assert installed.report(env=leaked)["child_environment"] == installed.env


def test_input_output_and_exit_code_pass_through(installed: Program) -> None:
    data = bytes(range(256)) * 100
    assert installed.run("copy", stdin=data).stdout == data
    assert installed.run("exit", "7").returncode == 7


def test_text_is_utf8_whatever_the_locale(installed: Program) -> None:
    assert installed.report(env={"LC_ALL": "POSIX"})["encoding"] == "utf-8"


def test_a_name_that_was_replaced_meanwhile(
    installed: Program, release: Callable[[str], Path]
) -> None:
    """Fault 15: what counts is the path at the start, which the new file has by now."""
    with installed.waiting() as process:
        release("v1.1.0").replace(installed.path)
        environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        process.kill()
    assert f"_GAIA_EXE={installed.path}".encode() in environment
    assert installed.report()["version"] == "v1.1.0"
