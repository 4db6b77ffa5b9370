"""Unpacking: once, whole, beside the executable or where it can be; never by half."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.single_file import Program

pytestmark = pytest.mark.needs_worker_build

DAMAGED = 65
NO_RUNTIME = 73
NOBODY = 65534
NO_MOUNT = 99


def test_it_is_unpacked_once(installed: Program) -> None:
    installed.report()
    (runtime,) = installed.runtimes
    before = {path: path.stat().st_ctime_ns for path in runtime.rglob("*")}
    installed.report()
    assert {path: path.stat().st_ctime_ns for path in runtime.rglob("*")} == before
    assert installed.runtimes == [runtime]


@pytest.mark.parametrize("harm", ["missing", "short", "not-executable"])
def test_a_harmed_runtime_is_unpacked_anew(installed: Program, harm: str) -> None:
    """Cleaners of temporary files, and power cuts (fault 3)."""
    installed.report()
    (runtime,) = installed.runtimes
    program = runtime / "gaia-worker"
    match harm:
        case "missing":
            (runtime / "_internal" / "base_library.zip").unlink()
        case "short":
            os.truncate(runtime / "_internal" / "base_library.zip", 1000)
        case _:
            program.chmod(0o644)
    installed.report()
    assert installed.runtimes == [runtime]
    assert os.access(program, os.X_OK)


def test_what_a_dead_process_left_is_removed(installed: Program) -> None:
    leftover = installed.path.parent / ".gaia" / f"{'0a' * 16}.tmp-12345"
    leftover.mkdir(parents=True)
    (leftover / "half").write_bytes(b"x" * 100)
    installed.report()
    assert not leftover.exists()
    assert len(installed.runtimes) == 1


def test_killed_while_unpacking(installed: Program) -> None:
    """Fault 1, for the runtime: the next start finishes what a killed one began."""
    killed = subprocess.run(
        ["prlimit", "--fsize=3000000", "--core=0", installed.path, "report"],
        env=installed.env,
        check=False,
    )
    assert killed.returncode == -signal.SIGXFSZ
    (half,) = installed.runtimes
    assert ".tmp-" in half.name
    installed.report()
    (runtime,) = installed.runtimes
    assert ".tmp-" not in runtime.name


def test_many_first_starts_at_once(installed: Program) -> None:
    processes = [
        subprocess.Popen([installed.path, "exit", "3"], env=installed.env) for _ in range(6)
    ]
    assert [process.wait(timeout=120) for process in processes] == [3] * 6
    assert len(installed.runtimes) == 1


def test_a_changed_byte_is_refused(installed: Program) -> None:
    with installed.path.open("r+b") as file:
        middle = file.seek(0, os.SEEK_END) // 2
        file.seek(middle)
        (byte,) = file.read(1)
        file.seek(middle)
        file.write(bytes([byte ^ 1]))
    done = installed.run("report")
    assert done.returncode == DAMAGED
    assert b"SHA-256 is wrong" in done.stderr
    assert installed.runtimes == []


@pytest.mark.parametrize("kept", [0.3, 0.9999999])
def test_a_cut_file_is_refused(installed: Program, kept: float) -> None:
    os.truncate(installed.path, int(installed.path.stat().st_size * kept))
    done = installed.run("report")
    assert done.returncode == DAMAGED
    assert b"damaged" in done.stderr


def test_the_folder_can_be_chosen(installed: Program, tmp_path: Path) -> None:
    chosen = tmp_path / "deep" / "runtimes"
    seen = installed.report(env={"GAIA_RUNTIME_DIR": str(chosen)})
    assert Path(seen["program"]).parents[1] == chosen
    assert not (installed.path.parent / ".gaia").exists()


def test_a_folder_that_others_can_write_to_is_refused(installed: Program, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    done = installed.run("report", env={"GAIA_RUNTIME_DIR": str(shared)})
    assert done.returncode == NO_RUNTIME
    assert b"others can write to it" in done.stderr


@pytest.fixture
def read_only(installed: Program) -> Iterator[Path]:
    """Where `installed` is: everybody can start it, `NOBODY` can write only to home/."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = folder / "home"
        home.mkdir()
        installed.path = Path(shutil.copy2(installed.path, folder / "gaia-worker"))
        if os.geteuid() == 0:
            os.chown(home, NOBODY, NOBODY)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


def _start_unprivileged(
    program: Program, env: dict[str, str]
) -> subprocess.CompletedProcess[bytes]:
    user = NOBODY if os.geteuid() == 0 else None
    return subprocess.run(
        [program.path, "exit", "5"],
        env={"PATH": program.env["PATH"], **env},
        cwd="/",
        capture_output=True,
        timeout=120,
        check=False,
        user=user,
        group=user,
    )


def test_a_read_only_folder_means_the_users_cache(installed: Program, read_only: Path) -> None:
    """Fault 11: an installation that only the administrator can write to."""
    done = _start_unprivileged(installed, {"HOME": str(read_only / "home")})
    assert (done.returncode, done.stderr) == (5, b"")
    cache = read_only / "home" / ".cache" / "gaia-worker"
    assert cache.stat().st_mode & 0o777 == 0o700
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1
    assert not (read_only / ".gaia").exists()


def test_a_runtime_made_by_the_administrator_serves_all(
    installed: Program, read_only: Path
) -> None:
    read_only.chmod(0o755)
    installed.report()
    read_only.chmod(0o555)
    done = _start_unprivileged(installed, {"HOME": str(read_only / "home")})
    assert (done.returncode, done.stderr) == (5, b"")
    assert list((read_only / "home").iterdir()) == []


def test_nowhere_to_write_is_said(installed: Program, read_only: Path) -> None:
    done = _start_unprivileged(installed, {"GAIA_RUNTIME_DIR": str(read_only / "no")})
    assert done.returncode == NO_RUNTIME
    assert b"Set GAIA_RUNTIME_DIR" in done.stderr
    assert b"Permission denied" in done.stderr


def test_no_space_left(installed: Program, tmp_path: Path) -> None:
    """Fault 4: given up cleanly, with nothing left behind."""
    small = tmp_path / "small"
    small.mkdir()
    script = (
        f'mount -t tmpfs -o size=4m,mode=755 none "{small}" || exit {NO_MOUNT}; '
        f'GAIA_RUNTIME_DIR="{small}" "{installed.path}" exit 0; echo $?; ls -A "{small}"'
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c", script],
        env=installed.env,
        capture_output=True,
        timeout=120,
        check=False,
    )
    if done.returncode == NO_MOUNT or b"unshare" in done.stderr:
        pytest.skip("this machine lets no one mount a small file system")
    assert b"No space left" in done.stderr
    assert done.stdout.decode().split() == [str(NO_RUNTIME), "unpack.lock"]
