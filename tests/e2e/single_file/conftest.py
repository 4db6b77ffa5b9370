"""Single-file executables of a small test program, built for real."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gaia.cli.build import Builder
from support.single_file import PROBE, TESTS, Program


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """The probe, built once for all test processes."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    builder = Builder(shared / "probe-build", entry=PROBE, source=TESTS)
    with (shared / "probe-build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        builder.prepare()
    return builder


@pytest.fixture
def release(builder: Builder, tmp_path: Path) -> Callable[[str], Path]:
    """Make an executable of a version."""
    return lambda version: builder.stamp(version, None, tmp_path / "releases" / version)


@pytest.fixture
def installed(release: Callable[[str], Path], tmp_path: Path) -> Program:
    """Version 1.0.0 in an own folder."""
    folder = tmp_path / "install"
    folder.mkdir()
    path = folder / "gaia-worker"
    shutil.copy2(release("v1.0.0"), path)
    home = tmp_path / "home"
    home.mkdir()
    return Program(
        path,
        {"PATH": os.environ["PATH"], "HOME": str(home), "LD_LIBRARY_PATH": "/opt/users/lib"},
    )
