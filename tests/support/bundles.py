"""Bundles packed for the purpose, and what folders hold."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from gaia.worker.archive import Limits
from gaia.worker.experiments import Experiments

Entries = Iterable[tuple[tarfile.TarInfo, bytes]]


def pack(entries: Entries, tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar.gz of any entries, allowed or not; the same bytes for the same entries."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tar_format) as tar:
        for info, content in entries:
            if info.isreg():
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def pack_files(files: Mapping[str, str], executable: Iterable[str] = ()) -> bytes:
    """A tar.gz of text files, folders implied."""
    entries = []
    for name, text in files.items():
        info = tarfile.TarInfo(name)
        info.mode = 0o755 if name in executable else 0o644
        entries.append((info, text.encode()))
    return pack(entries)


def experiments(tmp_path: Path, limits: Limits | None = None) -> Experiments:
    """The experiments of `place`, whose worker lives elsewhere."""
    cache = tmp_path / "cache"
    cache.mkdir(exist_ok=True)
    return Experiments(tmp_path / "place" / "experiments", cache=cache, limits=limits)


def stage(into: Experiments, bundle: bytes) -> str:
    """Stage a bundle; returns its SHA-256."""
    into.archive.write_bytes(bundle)
    sha256 = hashlib.sha256(bundle).hexdigest()
    into.stage(into.archive, sha256)
    return sha256


def install(into: Experiments, files: Mapping[str, str]) -> str:
    """Stage and swap; returns the SHA-256."""
    sha256 = stage(into, pack_files(files))
    into.swap()
    return sha256


def contents(place: Path) -> dict[str, str]:
    """The text files of a folder, those of ours left out."""
    return {
        path: file.read_text()
        for file in place.rglob("*")
        if file.is_file() and not (path := str(file.relative_to(place))).startswith(".gaia-")
    }
