"""Who this machine is."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import pytest

from gaia.model.artifact import platform_of, worker_filename
from gaia.worker import identity


def test_the_machine_is_the_same_each_time_and_not_the_raw_id(tmp_path: Path) -> None:
    first, second = identity.machine_id(tmp_path), identity.machine_id(tmp_path)
    assert first == second
    assert len(first) == 32
    raw = Path("/etc/machine-id")
    assert not raw.exists() or first != raw.read_text().strip()


@pytest.fixture
def no_system_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty-machine-id"
    empty.write_text("uninitialized\n")
    monkeypatch.setattr(identity, "_MACHINE_ID_FILES", (empty, tmp_path / "none"))


@pytest.mark.usefixtures("no_system_id")
def test_without_a_system_id_a_random_one_is_kept(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert identity.machine_id(here) == identity.machine_id(here)
    assert identity.machine_id(here) != identity.machine_id(there)
    assert [file.name for file in here.iterdir()] == ["machine-id"]


@pytest.mark.usefixtures("no_system_id")
def test_a_damaged_id_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "machine-id").write_bytes(b"\xff\x00 half")
    assert identity.machine_id(tmp_path) == identity.machine_id(tmp_path)


@pytest.mark.usefixtures("no_system_id")
def test_a_state_folder_that_cannot_be_is_no_failure(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert identity.machine_id(blocked) == identity.machine_id(blocked)


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("linux", "x86_64", "linux"),
        ("linux", "aarch64", "linux-aarch64"),
        ("linux", "arm64", "linux-aarch64"),
        ("linux", "armv7l", "linux-armv7l"),
        ("win32", "AMD64", "windows"),
        ("win32", "ARM64", "windows-aarch64"),
        ("linux", "", "linux"),
    ],
)
def test_platforms_name_an_artifact(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, expected: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert identity.platform_name() == expected
    assert platform_of(worker_filename(expected)) == expected


def tool(folder: Path, script: str) -> dict[str, str]:
    file = folder / "nvidia-smi"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_gpus_are_described(tmp_path: Path) -> None:
    environment = tool(tmp_path, 'printf "NVIDIA RTX 4090, 24564\\nNVIDIA RTX 4090, 24564\\n"')
    described = identity.gpu(environment)
    assert described == {"name": "NVIDIA RTX 4090", "vram_mb": 24564, "count": 2}
    assert json.dumps(described)


@pytest.mark.parametrize(
    "script", ["exit 9", "echo 'No devices were found'", "printf '\\377'", "echo 'a, [N/A]'"]
)
def test_a_tool_that_does_not_work_means_no_gpu(tmp_path: Path, script: str) -> None:
    assert identity.gpu(tool(tmp_path, script)) == {}


def test_a_tool_that_hangs_means_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "GPU_DEADLINE", 0.2)
    assert identity.gpu(tool(tmp_path, "exec sleep 600")) == {}


def test_no_tool_means_no_gpu(tmp_path: Path) -> None:
    assert identity.gpu({"PATH": str(tmp_path)}) == {}


def test_a_worker_always_has_a_name() -> None:
    assert identity.default_name()
