"""A build that cannot work says what to install."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gaia.cli.build import Builder, build_worker, native, tools
from gaia.cli.build.system import Linux
from gaia.cli.main import main
from gaia.errors import InvalidInput, Refused


def _run(code: str, folder: Path) -> None:
    tool = tools.start([sys.executable, "-c", code], folder=folder, env=os.environ)
    tools.finish(tool, folder=folder, what="The tool")


def _check(code: str, folder: Path, told: list[str]) -> None:
    command = [sys.executable, "-c", code]
    tools.check(command, folder=folder, env=os.environ, what="The check", report=told.append)


def test_a_tool_that_succeeds(tmp_path: Path) -> None:
    _run("print('made')", tmp_path / "new")
    assert (tmp_path / "new" / "tool.log").read_text() == "made\n"


def test_a_tool_that_fails_shows_the_end_of_its_output(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="The tool failed with status 3") as caught:
        _run("print('start'); print('x\\n' * 30); raise SystemExit(3)", tmp_path)
    assert caught.value.code == "build-failed"
    assert "start" not in caught.value.message


@pytest.mark.parametrize(
    ("failure", "tail", "starts"),
    [
        ("raise SystemExit(1)", r"\(It printed nothing\.\)", 2),
        ("print('no ssl'); raise SystemExit(1)", "no ssl", 1),
    ],
)
def test_a_check_that_fails_without_a_word_is_made_once_more(
    failure: str, tail: str, starts: int, tmp_path: Path
) -> None:
    counted = tmp_path / "starts"
    counted.touch()
    code = f"open({str(counted)!r}, 'a').write('x')\n{failure}"
    told: list[str] = []
    with pytest.raises(Refused, match=f"The check failed with status 1:\n{tail}"):
        _check(code, tmp_path, told)
    assert len(counted.read_text()) == starts
    assert len(told) == starts - 1


def test_a_check_that_succeeds_the_second_time(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = (
        f"import os\nif not os.path.exists({str(mark)!r}):\n open({str(mark)!r}, 'w'); os._exit(1)"
    )
    told: list[str] = []
    _check(code, tmp_path, told)
    assert told == ["The check failed with status 1 and printed nothing; trying again"]


def test_the_compiler_is_ended_itself_and_not_a_python_that_waits_for_it(tmp_path: Path) -> None:
    compiler = native.start("windows", tmp_path)
    tools.stop(compiler)
    command = compiler.args
    assert isinstance(command, list)
    assert Path(command[0]).name == "zig"


def test_a_python_without_its_shared_library(tmp_path: Path) -> None:
    code = "from PyInstaller.exceptions import PythonLibraryNotFoundError as E; raise E()"
    with pytest.raises(Refused, match="apt-get install libpython3") as caught:
        _run(code, tmp_path)
    assert caught.value.code == "build-tools-missing"


def test_missing_binutils(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="apt-get install binutils"):
        Builder(tmp_path / "build").prepare()
    assert not (tmp_path / "build").exists()


def test_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ziglang", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Refused, match=r'pip install "gaia-autoupdate\[build\]"') as caught:
        tools.check_modules()
    assert "pyinstaller and ziglang" in caught.value.message


@pytest.mark.parametrize("platform", ["windows-aarch64", "linux-aarch64", "solaris"])
def test_other_platforms(platform: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        build_worker("v1.0.0", None, tmp_path, platform)
    assert caught.value.code == "unsupported-platform"


def test_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(InvalidInput, match="aarch64"):
        Linux().check()


def test_a_useless_trust_root_is_refused_before_the_build(tmp_path: Path) -> None:
    for root in (b"", b"{}", b'{"signed": {"_type": "targets"}}'):
        with pytest.raises(InvalidInput) as caught:
            Builder(tmp_path / "build").stamp("v1.0.0", root, tmp_path)
        assert caught.value.code == "invalid-trust-root"
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--version", "one"], "'one' is not a semantic version"),
        (["--version", "v1.0.0", "--platform", "beos"], "'beos' cannot be built"),
        (["--version", "v1.0.0", "--trust-root", "/nowhere"], "does not exist"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["worker", "build", *arguments, "-o", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_windows_needs_wine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="apt-get install wine") as caught:
        build_worker("v1.0.0", None, tmp_path, "windows")
    assert caught.value.code == "build-tools-missing"
