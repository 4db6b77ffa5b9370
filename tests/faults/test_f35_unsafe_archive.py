"""Row 35: whatever is not a plain file or folder with a plain name refuses the whole bundle."""

import tarfile
from pathlib import Path

import pytest

from gaia.errors import InstallError
from gaia.worker.experiments import Experiments
from support.bundles import experiments, pack, stage

Entry = tuple[tarfile.TarInfo, bytes]


def entry(name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, link: str = "") -> Entry:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname = kind, mode, link
    return info, b"content" if kind == tarfile.REGTYPE else b""


def snapshot(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


NAMES = {
    "absolute": "/etc/passwd",
    "absolute after a dot": ".//etc/passwd",
    "parent": "../outside",
    "parent inside": "experiments/../../outside",
    "parent that stays inside": "experiments/../run_all.py",
    "current folder inside": "experiments/./a",
    "empty component": "experiments//a",
    "drive": "C:/a",
    "drive relative": "C:a",
    "stream": "run_all.py:stream",
    "backslash": "experiments\\a",
    "parent with backslash": "..\\a",
    "question mark": "a?",
    "device": "experiments/nul",
    "device with suffix": "experiments/Com1.txt",
    "device with superscript": "LPT¹",
    "trailing dot": "experiments/a.",
    "trailing blank": "experiments/a ",
    "dots": "experiments/...",
    "newline": "experiments/a\nb",
    "escape": "experiments/\x1b[2J",
    "right to left": "experiments/a\u202egpj.py",
    "not UTF-8": "experiments/\udcff",
    "long component": "experiments/" + "a" * 201,
    "long path": "/".join(["a" * 150] * 8),
    "deep": "/".join("a" * 33),
    "ours": ".gaia-experiments/state.json",
    "ours in other letters": ".GAIA/state",
    "displaced": "experiments/.a.gaia-old",
    "another spelling of experiments": "Experiments/a",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_names(tmp_path: Path, name: str) -> None:
    refused(tmp_path, [entry("experiments/good.py"), entry(name)])


@pytest.mark.parametrize(
    "bad",
    [
        entry("a", tarfile.SYMTYPE, link="/etc/passwd"),
        entry("a", tarfile.SYMTYPE, link="experiments/good.py"),
        entry("a", tarfile.LNKTYPE, link="experiments/good.py"),
        entry("a", tarfile.CHRTYPE),
        entry("a", tarfile.BLKTYPE),
        entry("a", tarfile.FIFOTYPE),
        entry("a", tarfile.CONTTYPE),
        entry("a", tarfile.GNUTYPE_SPARSE),
        entry("a", b"?"),
        entry("a", mode=0o4755),
        entry("a", mode=0o2755),
        entry("a", mode=0o1644),
        entry("d", tarfile.DIRTYPE, mode=0o2755),
        entry("d", tarfile.DIRTYPE, mode=0o1777),
    ],
    ids=[
        "symlink out",
        "symlink in",
        "hard link",
        "character device",
        "block device",
        "fifo",
        "contiguous",
        "sparse",
        "unknown",
        "setuid",
        "setgid",
        "sticky",
        "setgid folder",
        "sticky folder",
    ],
)
def test_kinds(tmp_path: Path, bad: Entry) -> None:
    refused(tmp_path, [entry("experiments/good.py"), bad])


@pytest.mark.parametrize(
    "pair",
    [
        [entry("run_all.py"), entry("run_all.py")],
        [entry("run_all.py"), entry("./run_all.py")],
        [entry("run_all.py"), entry("RUN_ALL.py")],
        [entry("experiments/Stra\u00dfe"), entry("experiments/STRASSE")],
        [entry("experiments/\u00e9"), entry("experiments/e\u0301")],
        [entry("lib/a"), entry("Lib/b")],
        [entry("lib"), entry("lib/a")],
        [entry("lib/a"), entry("lib")],
        [entry("lib", tarfile.DIRTYPE), entry("lib", tarfile.DIRTYPE)],
        [entry("lib", tarfile.DIRTYPE), entry("lib")],
        [entry("experiments"), entry("run_all.py")],
    ],
    ids=[
        "twice",
        "twice by another spelling",
        "case",
        "case folding",
        "normal forms",
        "case of a folder",
        "inside a file",
        "file over a folder",
        "folder twice",
        "folder then file",
        "experiments is a file",
    ],
)
def test_clashes(tmp_path: Path, pair: list[Entry]) -> None:
    refused(tmp_path, pair)


def test_a_pax_header_cannot_smuggle_a_name(tmp_path: Path) -> None:
    info, content = entry("experiments/good.py")
    info.pax_headers = {"path": "../outside"}
    refused(tmp_path, [(info, content)])


def test_a_pax_header_cannot_smuggle_a_sparse_file(tmp_path: Path) -> None:
    info, content = entry("experiments/good.py")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.realsize": "99999999"}
    refused(tmp_path, [(info, content)])


def test_the_workers_own_files_are_out_of_reach(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "gaia-worker").write_text("the executable")
    careful = Experiments(
        place / "experiments",
        cache=tmp_path,
        protected=[place / "gaia-worker", place / "state"],
    )
    for name in ("gaia-worker", "state/root.json"):
        with pytest.raises(InstallError) as caught:
            stage(careful, pack([entry(name), entry("run_all.py")]))
        assert caught.value.code == "unsafe-bundle"
    assert (place / "gaia-worker").read_text() == "the executable"


def refused(tmp_path: Path, entries: list[Entry]) -> None:
    target = experiments(tmp_path)
    before = snapshot(tmp_path)
    with pytest.raises(InstallError) as caught:
        stage(target, pack(entries))
    assert caught.value.code == "unsafe-bundle"
    assert snapshot(tmp_path) - before == {
        "cache/experiments.tar.gz",
        "place",
        "place/.gaia-experiments",
        "place/.gaia-experiments/stage.lock",
    }
    assert target.digest is None
