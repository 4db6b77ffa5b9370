"""The experiments folder: staging, swapping, sharing, and what can be in the way."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gaia.errors import InstallError
from gaia.worker.experiments import Experiments
from support.bundles import contents, experiments, install, pack, pack_files, stage

ONE = {"run_all.py": "1", "experiments/a.py": "1"}
TWO = {"run_all.py": "2", "experiments/b/c.py": "2"}


def test_nothing_is_installed_at_first(tmp_path: Path) -> None:
    target = experiments(tmp_path)
    target.recover()
    assert target.digest is None
    assert target.consistent
    assert target.parent == tmp_path / "place"
    assert not (tmp_path / "place").exists()


def test_staged_is_not_yet_in_place(tmp_path: Path) -> None:
    target = experiments(tmp_path)
    sha256 = stage(target, pack_files(ONE))
    assert target.digest is None
    assert contents(tmp_path / "place") == {}
    target.swap()
    assert target.digest == sha256
    assert contents(tmp_path / "place") == ONE


def test_one_bundle_after_another(tmp_path: Path) -> None:
    target = experiments(tmp_path)
    for files in (ONE, TWO, ONE):
        sha256 = install(target, files)
        assert target.digest == experiments(tmp_path).digest == sha256
        assert contents(tmp_path / "place") == files
    folders = {path.name for path in (tmp_path / "place").rglob("*") if path.is_dir()}
    assert folders == {"experiments", ".gaia-experiments"}


def test_the_same_bundle_again_changes_nothing(tmp_path: Path) -> None:
    target = experiments(tmp_path)
    install(target, ONE)
    before = (tmp_path / "place" / "run_all.py").stat()
    install(target, ONE)
    after = (tmp_path / "place" / "run_all.py").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_deleted_file_comes_back_with_the_next_bundle(tmp_path: Path) -> None:
    target = experiments(tmp_path)
    install(target, ONE)
    shutil.rmtree(tmp_path / "place" / "experiments")
    more = ONE | {"experiments/new.py": "2"}
    install(target, more)
    assert contents(tmp_path / "place") == more


def test_a_run_bit_alone_is_a_change(tmp_path: Path) -> None:
    target = experiments(tmp_path)
    install(target, ONE)
    stage(target, pack_files(ONE, executable=["run_all.py"]))
    target.swap()
    assert (tmp_path / "place" / "run_all.py").stat().st_mode & 0o777 == 0o755
    assert contents(tmp_path / "place") == ONE


def test_swap_without_stage(tmp_path: Path) -> None:
    with pytest.raises(InstallError) as caught:
        experiments(tmp_path).swap()
    assert caught.value.code == "not-staged"


def test_a_folder_of_another_name(tmp_path: Path) -> None:
    target = Experiments(tmp_path / "place" / "exp", cache=tmp_path)
    install(target, ONE)
    assert contents(tmp_path / "place") == {"run_all.py": "1", "exp/a.py": "1"}
    with pytest.raises(InstallError) as caught:
        install(target, {"experiments/a.py": "1", "exp/a.py": "2"})
    assert caught.value.code == "unsafe-bundle"


def test_two_folders_with_one_parent_do_not_mix(tmp_path: Path) -> None:
    first = Experiments(tmp_path / "place" / "first", cache=tmp_path)
    install(first, ONE)
    second = Experiments(tmp_path / "place" / "second", cache=tmp_path)
    assert second.digest is None
    install(second, ONE)
    assert contents(tmp_path / "place") == {
        "run_all.py": "1",
        "first/a.py": "1",
        "second/a.py": "1",
    }


def test_two_workers_with_one_folder(tmp_path: Path) -> None:
    first, second = experiments(tmp_path), experiments(tmp_path)
    install(first, ONE)
    sha256 = stage(first, pack_files(TWO))
    assert stage(second, pack_files(TWO)) == sha256
    first.swap()
    assert second.digest == sha256
    before = (tmp_path / "place" / "run_all.py").stat().st_ino
    second.swap()
    assert (tmp_path / "place" / "run_all.py").stat().st_ino == before
    assert contents(tmp_path / "place") == TWO


def test_another_workers_staged_bundle_may_be_gone(tmp_path: Path) -> None:
    first, second = experiments(tmp_path), experiments(tmp_path)
    stage(second, pack_files(ONE))
    install(first, TWO)
    with pytest.raises(InstallError) as caught:
        second.swap()
    assert caught.value.code == "not-staged"
    assert contents(tmp_path / "place") == TWO
    install(second, ONE)
    assert contents(tmp_path / "place") == ONE


def test_a_swap_waits_for_another_workers(tmp_path: Path) -> None:
    target = experiments(tmp_path)
    stage(target, pack_files(ONE))
    lock = tmp_path / "place" / ".gaia-experiments" / "swap.lock"
    holder = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{holder}; print('held', flush=True); sys.stdin.read()", lock],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.MonkeyPatch.context() as impatient:
            impatient.setattr("gaia.worker.experiments._SWAP_PATIENCE", 0.0)
            with pytest.raises(InstallError) as caught:
                target.swap()
        assert caught.value.code == "experiments-busy"
        other.kill()
        other.wait()
    target.swap()
    assert contents(tmp_path / "place") == ONE


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_space(tmp_path: Path) -> None:
    target = experiments(tmp_path)
    sha256 = install(target, ONE)
    bundle = pack_files({"run_all.py": "2", "experiments/large": "2" * 100_000})
    target.archive.write_bytes(bundle)
    with no_file_larger_than(50_000), pytest.raises(InstallError) as caught:
        stage(target, bundle)
    assert caught.value.code == "no-space"
    assert target.digest == sha256
    assert contents(tmp_path / "place") == ONE
    private = tmp_path / "place" / ".gaia-experiments"
    assert not [path for path in private.iterdir() if path.is_dir()]


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may write anywhere; be nobody for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def opened(tmp_path: Path) -> None:
    """Let everybody in, down to `tmp_path`."""
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder) not in ("/", "/tmp"):
            folder.chmod(0o777)


def test_a_place_that_may_not_be_written(tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / "place").mkdir(mode=0o555)
    target = experiments(tmp_path)
    (tmp_path / "cache").chmod(0o777)
    with without_privileges(), pytest.raises(InstallError) as caught:
        stage(target, pack_files(ONE))
    assert caught.value.code == "not-writable"
    assert str(tmp_path / "place") in str(caught.value)


def test_a_folder_inside_that_may_not_be_written_is_found_before_anything_moves(
    tmp_path: Path,
) -> None:
    opened(tmp_path)
    with without_privileges():
        target = experiments(tmp_path)
        install(target, ONE)
        sealed = tmp_path / "place" / "experiments"
        sealed.chmod(0o555)
        stage(target, pack_files(TWO))
        with pytest.raises(InstallError) as caught:
            target.swap()
        assert caught.value.code == "not-writable"
        assert str(sealed) in str(caught.value)
        assert contents(tmp_path / "place") == ONE
        assert target.consistent
        sealed.chmod(0o755)


@pytest.mark.skipif(
    not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == Path("/tmp").stat().st_dev,
    reason="needs a second file system",
)
def test_an_experiments_folder_linked_to_another_disk(tmp_path: Path) -> None:
    disk = Path("/dev/shm") / f"gaia-test-{os.getpid()}"
    disk.mkdir()
    try:
        (tmp_path / "place").mkdir()
        (tmp_path / "place" / "experiments").symlink_to(disk)
        target = experiments(tmp_path)
        install(target, ONE)
        assert contents(disk) == {"a.py": "1"}
        assert target.parent == tmp_path / "place"
        install(target, TWO)
        assert contents(disk) == {"b/c.py": "2"}
    finally:
        shutil.rmtree(disk)


def test_a_staged_bundle_that_vanished_in_mid_swap(tmp_path: Path) -> None:
    target = experiments(tmp_path)
    old = install(target, ONE)
    sha256 = stage(target, pack_files(TWO))
    private = tmp_path / "place" / ".gaia-experiments"
    with pytest.MonkeyPatch.context() as killed:
        killed.setattr("gaia.worker.bundle_swap.BundleSwap.forward", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            target.swap()
    assert not target.consistent
    shutil.rmtree(private / sha256)
    again = experiments(tmp_path)
    again.recover()
    assert again.digest == old
    install(again, TWO)
    assert contents(tmp_path / "place") == TWO


@pytest.mark.parametrize("content", [b"", b"{", b'{"installed": 7}', b"\xff"])
def test_a_damaged_state_installs_anew_and_loses_nothing(tmp_path: Path, content: bytes) -> None:
    install(experiments(tmp_path), ONE)
    (tmp_path / "place" / ".gaia-experiments" / "state.json").write_bytes(content)
    target = experiments(tmp_path)
    assert target.digest is None
    install(target, ONE)
    assert contents(tmp_path / "place") == ONE


def test_a_bundle_without_experiments_folder(tmp_path: Path) -> None:
    target = experiments(tmp_path)
    install(target, ONE)
    install(target, {"run_all.py": "2", "lib/x.py": "2"})
    assert contents(tmp_path / "place") == {"run_all.py": "2", "lib/x.py": "2"}
    assert (tmp_path / "place" / "experiments").is_dir()


def test_an_empty_archive_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InstallError) as caught:
        stage(experiments(tmp_path), pack([]))
    assert caught.value.code == "damaged-bundle"
