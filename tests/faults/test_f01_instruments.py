"""Row 1, its instruments: the tracer kills where it says, and a power cut loses what it may."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from support.crash import power, tracer
from support.crash.tracer import Call, Moment, Setup
from support.single_file import TESTS

only_where_it_traces = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the tracer knows x86-64's calls"
)
SCRIPT = "mkdir first; echo text >file; sync file; mv file renamed; mkdir last"
TOOLS = ("sh", "mkdir", "mv", "sync")


def trace(folder: Path, kill: Moment | None = None) -> tuple[int, list[Call]]:
    """Run the script by tools of its own, as others count as a workload; exit code and log."""
    root, log = folder / "root", folder / "log"
    (root / "bin").mkdir(parents=True)
    for tool in TOOLS:
        shutil.copy(Path("/bin", tool).resolve(), root / "bin" / tool)
    setup = Setup(str(root), "/none", str(log), kill=kill)
    shell = [str(root / "bin/sh"), "-c", SCRIPT]
    done = subprocess.run(
        [sys.executable, "-m", tracer.__name__, json.dumps(asdict(setup)), *shell],
        cwd=root,
        env={**os.environ, "PATH": str(root / "bin"), "PYTHONPATH": str(TESTS)},
        check=False,
    )
    calls = [Call(**json.loads(line)) for line in log.read_text().splitlines()]
    return done.returncode, [call for call in calls if call.call != "execve"]


@only_where_it_traces
def test_every_call_is_named(tmp_path: Path) -> None:
    code, calls = trace(tmp_path)
    assert code == 0
    assert [(call.call.rstrip("at2"), call.path, call.other) for call in calls] == [
        ("mkdir", "first", ""),
        ("open", "file", ""),
        ("write", "file", ""),
        ("fsync", "file", ""),
        ("rename", "file", "renamed"),
        ("mkdir", "last", ""),
    ]


@only_where_it_traces
@pytest.mark.parametrize(
    ("after", "left"), [(False, {"first", "file"}), (True, {"first", "renamed"})]
)
def test_killed_before_a_call_and_after_it(tmp_path: Path, after: bool, left: set[str]) -> None:
    """Of a descendant; its parent ends too, and does not get to what it would do next."""
    (rename,) = [call for call in trace(tmp_path / "whole")[1] if call.other]
    moment = Moment(rename.role, rename.call, "file", 1, after)
    code, _ = trace(tmp_path / "killed", moment)
    assert code == tracer.KILLED
    assert {path.name for path in (tmp_path / "killed" / "root").iterdir()} == {"bin", *left}


def call(name: str, path: str, other: str = "", *, flags: int = 0, synced: str = "") -> Call:
    return Call("", name, path, 1, other=other, flags=flags, synced=synced)


@pytest.fixture
def disk(tmp_path: Path) -> power.Disk:
    """`folder/old`, safely there, and what was fsynced later is in contents/1."""
    (tmp_path / "tree" / "folder").mkdir(parents=True)
    (tmp_path / "tree" / "folder" / "old").write_text("old")
    (tmp_path / "contents").mkdir()
    (tmp_path / "contents" / "1").write_text("new")
    return power.Disk(tmp_path / "tree", tmp_path / "contents")


def told(disk: power.Disk, choice: power.Choice) -> dict[str, str]:
    """What the files hold that a power cut leaves."""
    return {
        path.removeprefix("folder/"): content.read_text() if isinstance(content, Path) else ""
        for path, content in disk.after(choice).items()
        if content != power.FOLDER
    }


def test_a_replacement_is_safe_step_by_step(disk: power.Disk) -> None:
    """Data by the fsync of the file, names by that of the folder."""
    steps = [
        (call("open", "folder/new", flags=os.O_CREAT), {"old": "old"}, {"old": "old", "new": ""}),
        (call("write", "folder/new"), {"old": "old"}, {"old": "old", "new": ""}),
        (call("fsync", "folder/new", synced="1"), {"old": "old"}, {"old": "old", "new": "new"}),
        (call("rename", "folder/new", "folder/old"), {"old": "old"}, {"old": "new"}),
        (call("fsync", "folder"), {"old": "new"}, {"old": "new"}),
    ]
    for step, nothing_unsynced, names_without_data in steps:
        disk.apply(step)
        assert told(disk, power.nothing_unsynced) == nothing_unsynced
        assert told(disk, power.names_without_data) == names_without_data


def test_a_rename_before_the_fsync_may_leave_an_empty_file(disk: power.Disk) -> None:
    for step in (
        call("open", "folder/new", flags=os.O_CREAT),
        call("write", "folder/new"),
        call("rename", "folder/new", "folder/old"),
    ):
        disk.apply(step)
    assert told(disk, power.names_without_data) == {"old": ""}


def test_truncated_is_lost(disk: power.Disk) -> None:
    disk.apply(call("open", "folder/old", flags=os.O_TRUNC))
    assert told(disk, power.nothing_unsynced) == {"old": "old"}
    assert told(disk, power.names_without_data) == {"old": ""}
