"""Ordinary archives, as people and programs pack them."""

import hashlib
import os
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from support.bundles import experiments, pack, stage

FORMATS = {
    "ustar": tarfile.USTAR_FORMAT,
    "gnu": tarfile.GNU_FORMAT,
    "pax": tarfile.PAX_FORMAT,
}


def installed(tmp_path: Path, bundle: bytes) -> Path:
    target = experiments(tmp_path)
    sha256 = stage(target, bundle)
    target.swap()
    assert target.digest == sha256
    return tmp_path / "place"


@pytest.mark.parametrize("style", ["gnu", "posix", "ustar", "v7"])
@pytest.mark.parametrize("what", [["experiments/", "run_all.py"], ["."]], ids=["brief", "dot"])
def test_the_brief_s_line(tmp_path: Path, style: str, what: list[str]) -> None:
    source = tmp_path / "worker"
    (source / "experiments" / "empty").mkdir(parents=True)
    (source / "experiments" / "one.py").write_text("one")
    (source / "experiments" / "tool").write_text("tool")
    (source / "experiments" / "tool").chmod(0o775)
    (source / "run_all.py").write_text("all")
    (source / "run_all.py").chmod(0o600)
    archive = tmp_path / "packed.tar.gz"
    subprocess.run(["tar", "czf", archive, f"--format={style}", "-C", source, *what], check=True)
    place = installed(tmp_path, archive.read_bytes())
    assert (place / "experiments" / "one.py").read_text() == "one"
    assert (place / "run_all.py").read_text() == "all"
    assert (place / "experiments" / "empty").is_dir()
    modes = {
        path.name: path.stat().st_mode & 0o7777
        for path in (place, *place.rglob("*"))
        if ".gaia" not in str(path.relative_to(place))
    }
    assert modes["tool"] == 0o755
    assert modes["one.py"] == modes["run_all.py"] == 0o644
    assert modes["empty"] == 0o755


@pytest.mark.parametrize("tar_format", FORMATS.values(), ids=FORMATS.keys())
def test_odd_but_harmless(tmp_path: Path, tar_format: int) -> None:
    names = [
        "experiments/" + "/".join(["long" * 12] * 3),
        "experiments/.hidden",
        "experiments/with blank",
        "experiments/it's-100%&+,;=@#!~()[]{}$.py",
        "experiments/console.py",
        "experiments/com",
        "gaia.py",
    ]
    if tar_format != tarfile.USTAR_FORMAT:
        names += [
            "experiments/" + "x" * 200,
            "experiments/" + "/".join(["y" * 90] * 4),
            "experiments/名前/é.py",
        ]
    entries = []
    for name in names:
        info = tarfile.TarInfo(name)
        info.uid, info.uname, info.mtime = 2_000_000, "someone", 0
        if tar_format == tarfile.PAX_FORMAT:
            info.pax_headers = {"SCHILY.xattr.user.x": "y", "comment": "harmless"}
            info.mtime = 1.5
        entries.append((info, name.encode()))
    place = installed(tmp_path, pack(entries, tar_format))
    for name in names:
        assert (place / name).read_text() == name


def test_large_content_arrives_unchanged(tmp_path: Path) -> None:
    content = os.urandom(3 * 1024 * 1024 + 17)
    place = installed(
        tmp_path, pack([(tarfile.TarInfo("a"), content), (tarfile.TarInfo("b"), b"")])
    )
    assert hashlib.sha256((place / "a").read_bytes()).digest() == hashlib.sha256(content).digest()
    assert (place / "b").read_bytes() == b""


def test_global_pax_header_of_git_archive(tmp_path: Path) -> None:
    path = tmp_path / "git.tar.gz"
    with tarfile.open(path, "w:gz", pax_headers={"comment": "0123456789abcdef"}) as tar:
        info = tarfile.TarInfo("run_all.py")
        tar.addfile(info)
    assert (installed(tmp_path, path.read_bytes()) / "run_all.py").read_text() == ""


def test_files_are_as_new_as_their_extraction(tmp_path: Path) -> None:
    before = time.time()
    info = tarfile.TarInfo("run_all.py")
    info.mtime = 0
    place = installed(tmp_path, pack([(info, b"")]))
    assert (place / "run_all.py").stat().st_mtime >= before - 1
