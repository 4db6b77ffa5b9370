"""Row 37: killed at any step of a swap, the next start finds one bundle or the other, whole."""

import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from gaia.errors import InstallError
from gaia.worker.experiments import Experiments
from support.bundles import contents, experiments, install, pack_files, stage

OLD = {
    "run_all.py": "old",
    "experiments/same.py": "same",
    "experiments/changed.py": "old",
    "experiments/edited.py": "old",
    "experiments/gone/deep/file.py": "old",
    "experiments/was_folder/inner.py": "old",
    "experiments/was_file": "old",
}
NEW = {
    "run_all.py": "new",
    "experiments/same.py": "same",
    "experiments/changed.py": "new",
    "experiments/edited.py": "new",
    "experiments/fresh/file.py": "new",
    "experiments/was_folder": "new",
    "experiments/was_file/inner.py": "new",
    "experiments/occupied.py": "new",
}
OWN = {
    "experiments/edited.py": "mine",
    "experiments/occupied.py": "mine",
    "experiments/gone/results.csv": "mine",
    "results/1.csv": "mine",
}
BEFORE = OLD | OWN
STEPS = ("rename", "replace", "unlink", "rmdir", "mkdir", "fsync")


def after(sha256: str) -> dict[str, str]:
    ending = f".user-{sha256[:8]}"
    return NEW | {
        f"experiments/edited.py{ending}": "mine",
        f"experiments/occupied.py{ending}": "mine",
        "experiments/gone/results.csv": "mine",
        "results/1.csv": "mine",
    }


def prepare(tmp_path: Path) -> str:
    target = experiments(tmp_path)
    install(target, OLD)
    for name, text in OWN.items():
        path = tmp_path / "place" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return stage(target, pack_files(NEW))


def kill_at(step: int) -> None:
    """Let this process be killed right before its `step`-th change of the file system."""
    left = step

    def armed(change: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object, **options: object) -> object:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return change(*arguments, **options)

        return run

    for name in STEPS:
        setattr(os, name, armed(getattr(os, name)))


def in_child(tmp_path: Path, sha256: str, step: int, act: Callable[[Experiments], None]) -> int:
    """Act on a staged bundle in a process that is killed at `step`; returns its wait status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forks beside pytest-xdist's threads
        child = os.fork()
    if child == 0:
        try:
            target = experiments(tmp_path)
            target.stage(target.archive, sha256)
            kill_at(step)
            act(target)
        except BaseException:  # noqa: BLE001 - a forked copy of the test must not go on
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def test_killed_at_every_step(tmp_path: Path) -> None:
    step, finished, seen = 0, False, set()
    while not finished:
        machine = tmp_path / str(step)
        machine.mkdir()
        sha256 = prepare(machine)
        status = in_child(machine, sha256, step, Experiments.swap)
        finished = os.WIFEXITED(status)
        assert status in (0, signal.SIGKILL)

        target = experiments(machine)
        target.recover()
        assert target.consistent
        found = contents(machine / "place")
        if target.digest == sha256:
            assert found == after(sha256), step
        else:
            assert found == BEFORE, step
        seen.add(target.digest == sha256)
        assert not [path for path in (machine / "place").rglob("*") if "gaia-old" in path.name]
        assert not [p for p in (machine / "place" / ".gaia-experiments").iterdir() if p.is_dir()]
        step += 1
    assert step > 40
    assert seen == {True, False}


def test_killed_again_while_it_recovers(tmp_path: Path) -> None:
    sha256 = prepare(tmp_path)
    assert in_child(tmp_path, sha256, 8, Experiments.swap) == signal.SIGKILL
    assert not experiments(tmp_path).consistent
    assert experiments(tmp_path).digest is None
    step = 1
    while in_child(tmp_path, sha256, step, Experiments.recover) != 0:
        step += 1
    target = experiments(tmp_path)
    assert target.consistent
    assert target.digest == sha256
    assert contents(tmp_path / "place") == after(sha256)


def fail_at(step: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the `step`-th rename, and only that, fail for want of space; returns the renames."""
    rename, done = os.rename, []

    def failing(source: object, target: object) -> None:
        done.append(str(target))
        if len(done) == step + 1:
            raise OSError(28, "No space left on device", str(target))
        rename(source, target)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "rename", failing)
    return done


def test_a_failure_at_every_rename_leaves_the_old_bundle_or_the_new(tmp_path: Path) -> None:
    step, complete = 0, False
    while not complete:
        machine = tmp_path / str(step)
        machine.mkdir()
        sha256 = prepare(machine)
        target = experiments(machine)
        target.stage(target.archive, sha256)
        with pytest.MonkeyPatch.context() as monkeypatch:
            renames = fail_at(step, monkeypatch)
            refused = ""
            try:
                target.swap()
            except InstallError as error:
                refused = error.code
            complete = len(renames) <= step
        assert target.consistent
        assert refused == ("" if target.digest == sha256 else "no-space")
        if refused:
            assert contents(machine / "place") == BEFORE, step
            stage(target, pack_files(NEW))
            target.swap()
        target.recover()
        assert contents(machine / "place") == after(sha256), step
        step += 1
    assert step > 10


def test_a_swap_that_can_go_neither_way_is_said_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = prepare(tmp_path)
    target = experiments(tmp_path)
    target.stage(target.archive, sha256)
    rename, count = os.rename, 0

    def failing(source: object, place: object) -> None:
        nonlocal count
        count += 1
        if count > 5:
            raise OSError(5, "Input/output error")
        rename(source, place)  # type: ignore[arg-type]

    with monkeypatch.context() as broken:
        broken.setattr(os, "rename", failing)
        with pytest.raises(InstallError) as caught:
            target.swap()
    assert caught.value.code == "experiments-inconsistent"
    assert not target.consistent
    target.recover()
    assert target.consistent
    assert target.digest == sha256
    assert contents(tmp_path / "place") == after(sha256)


def test_staging_does_not_touch_what_runs(tmp_path: Path) -> None:
    prepare(tmp_path)
    assert contents(tmp_path / "place") == BEFORE
