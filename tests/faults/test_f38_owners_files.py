"""Row 38: what the machine's owner made or changed is never lost."""

import os
from pathlib import Path

from structlog.testing import capture_logs

from support.bundles import contents, experiments, install

A = {"run_all.py": "1", "experiments/a.py": "1", "experiments/sub/b.py": "1"}
B = {"run_all.py": "2", "experiments/a.py": "2", "experiments/sub/b.py": "1"}


def write(tmp_path: Path, name: str, text: str = "mine") -> None:
    path = tmp_path / "place" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_files_beside_and_inside_stay(tmp_path: Path) -> None:
    own = {
        "results/1.csv": "mine",
        "notes.txt": "mine",
        "experiments/checkpoint.pt": "mine",
        "experiments/sub/cache/x": "mine",
    }
    for name in own:
        write(tmp_path, name)
    target = experiments(tmp_path)
    install(target, A)
    assert contents(tmp_path / "place") == A | own
    install(target, B)
    assert contents(tmp_path / "place") == B | own
    install(target, {"run_all.py": "3"})
    assert contents(tmp_path / "place") == {"run_all.py": "3"} | own


def test_a_file_in_the_way_is_kept_under_another_name_and_said(tmp_path: Path) -> None:
    write(tmp_path, "run_all.py")
    write(tmp_path, "experiments/sub", "mine too")
    with capture_logs() as logs:
        sha256 = install(experiments(tmp_path), A)
    ending = f".user-{sha256[:8]}"
    assert contents(tmp_path / "place") == A | {
        f"run_all.py{ending}": "mine",
        f"experiments/sub{ending}": "mine too",
    }
    said = {entry["kept_as"] for entry in logs if "kept_as" in entry}
    assert said == {f"run_all.py{ending}", f"sub{ending}"}


def test_a_folder_in_the_way_is_kept_with_all_that_is_in_it(tmp_path: Path) -> None:
    write(tmp_path, "run_all.py/deep/file")
    sha256 = install(experiments(tmp_path), A)
    assert contents(tmp_path / "place") == A | {f"run_all.py.user-{sha256[:8]}/deep/file": "mine"}


def test_the_same_bytes_are_nobodys(tmp_path: Path) -> None:
    write(tmp_path, "run_all.py", "1")
    install(experiments(tmp_path), A)
    assert contents(tmp_path / "place") == A


def test_an_edited_file_stays_as_long_as_the_bundle_does_not_change_it(tmp_path: Path) -> None:
    target = experiments(tmp_path)
    install(target, A)
    write(tmp_path, "experiments/sub/b.py")
    install(target, B)
    assert contents(tmp_path / "place") == B | {"experiments/sub/b.py": "mine"}
    changed = B | {"experiments/sub/b.py": "2"}
    sha256 = install(target, changed)
    assert contents(tmp_path / "place") == changed | {
        f"experiments/sub/b.py.user-{sha256[:8]}": "mine"
    }


def test_an_edited_file_that_leaves_the_bundle_stays(tmp_path: Path) -> None:
    target = experiments(tmp_path)
    install(target, A)
    write(tmp_path, "experiments/sub/b.py")
    install(target, {"run_all.py": "2"})
    assert contents(tmp_path / "place") == {"run_all.py": "2", "experiments/sub/b.py": "mine"}
    assert not (tmp_path / "place/experiments/a.py").exists()


def test_a_kept_file_is_never_overwritten_by_the_next(tmp_path: Path) -> None:
    target = experiments(tmp_path)
    first = install(target, {"run_all.py": "1"})
    write(tmp_path, "run_all.py", "mine 1")
    second = install(target, {"run_all.py": "2"})
    install(target, {"run_all.py": "1"})
    write(tmp_path, "run_all.py", "mine 2")
    install(target, {"run_all.py": "2"})
    assert first != second
    assert contents(tmp_path / "place") == {
        "run_all.py": "2",
        f"run_all.py.user-{second[:8]}": "mine 1",
        f"run_all.py.user-{second[:8]}-2": "mine 2",
    }


def test_links_of_the_owner(tmp_path: Path) -> None:
    place, disk = tmp_path / "place", tmp_path / "disk"
    (place / "experiments").mkdir(parents=True)
    disk.mkdir()
    (disk / "precious").write_text("mine")
    (place / "experiments" / "sub").symlink_to(disk)
    (place / "run_all.py").symlink_to(disk / "precious")
    sha256 = install(experiments(tmp_path), A)
    assert (place / "experiments" / "sub").readlink() == disk
    assert contents(disk) == {"precious": "mine", "b.py": "1"}
    assert (place / "run_all.py").read_text() == "1"
    assert (place / f"run_all.py.user-{sha256[:8]}").readlink() == disk / "precious"


def test_a_fifo_in_the_way_blocks_nothing(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    os.mkfifo(tmp_path / "place" / "run_all.py")
    sha256 = install(experiments(tmp_path), A)
    assert contents(tmp_path / "place") == A
    assert (tmp_path / "place" / f"run_all.py.user-{sha256[:8]}").is_fifo()
