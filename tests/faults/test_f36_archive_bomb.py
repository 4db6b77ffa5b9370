"""Row 36: limits hold while the archive is read, before anything is written."""

import gzip
import hashlib
import resource
import tarfile
from pathlib import Path

import pytest

from gaia.errors import InstallError, TrustError
from gaia.worker.archive import Limits
from support.bundles import experiments, pack, stage

MIB = 1024 * 1024


def refuse(tmp_path: Path, content: bytes, limits: Limits | None = None) -> str:
    target = experiments(tmp_path, limits)
    with pytest.raises(InstallError) as caught:
        stage(target, content)
    written = {path.name for path in (tmp_path / "place").rglob("*")}
    assert written == {".gaia-experiments", "stage.lock"}
    return caught.value.code


def one_file(content: bytes, name: str = "experiments/a") -> bytes:
    return pack([(tarfile.TarInfo(name), content)])


def test_a_size(tmp_path: Path) -> None:
    limits = Limits(expanded=MIB)
    assert refuse(tmp_path, one_file(bytes(range(256)) * 4096 + b"x"), limits) == "unsafe-bundle"


def test_a_ratio(tmp_path: Path) -> None:
    assert refuse(tmp_path, one_file(bytes(80 * MIB))) == "unsafe-bundle"


def test_a_count(tmp_path: Path) -> None:
    bundle = pack((tarfile.TarInfo(f"experiments/{number}"), b"") for number in range(101))
    assert refuse(tmp_path, bundle, Limits(entries=100)) == "unsafe-bundle"


def test_headers_that_describe_nothing_count_too(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type = tarfile.XGLTYPE
    content = gzip.compress(header.tobuf() * 101)
    assert refuse(tmp_path, content, Limits(entries=100)) == "unsafe-bundle"


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_claims_gigabytes_is_not_read_into_memory(
    tmp_path: Path, kind: bytes
) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 4 * 1024 * MIB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refuse(tmp_path, gzip.compress(header.tobuf() + bytes(60 * MIB))) == "unsafe-bundle"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 256 * MIB


def test_zeros_after_the_end_count(tmp_path: Path) -> None:
    content = one_file(b"a") + gzip.compress(bytes(80 * MIB))
    assert refuse(tmp_path, content) == "unsafe-bundle"


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    whole = one_file(bytes(range(256)) * 64)
    for length in range(0, len(whole), 7):
        assert refuse(tmp_path, whole[:length]) == "damaged-bundle"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a gzip file",
        gzip.compress(b""),
        gzip.compress(b"not a tar file" * 100),
        gzip.compress(bytes(10240)),
        gzip.compress(gzip.decompress(one_file(b"a")) + b"hidden" + bytes(506)),
        one_file(b"a")[:-8] + bytes(8),
        gzip.compress(gzip.decompress(one_file(b"a")).replace(b"experiments/a", b"experiments/b")),
    ],
    ids=["empty", "text", "nothing", "no tar", "no file", "appendix", "checksum", "header"],
)
def test_damage(tmp_path: Path, content: bytes) -> None:
    assert refuse(tmp_path, content) == "damaged-bundle"


@pytest.mark.parametrize(
    "records",
    [b"5 path", b"99 path=a\n", b"-1 path=a\n", b"9 size=-1\n", b"x", b"11 path=a\n", b"0 a=b\n"],
)
def test_malformed_pax_headers(tmp_path: Path, records: bytes) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, len(records)
    content = header.tobuf() + records.ljust(512, b"\0") + gzip.decompress(one_file(b"a"))
    assert refuse(tmp_path, gzip.compress(content)) == "damaged-bundle"


def test_other_bytes_than_those_signed(tmp_path: Path) -> None:
    target = experiments(tmp_path)
    target.archive.write_bytes(one_file(b"a"))
    with pytest.raises(TrustError) as caught:
        target.stage(target.archive, hashlib.sha256(b"").hexdigest())
    assert caught.value.code == "bundle-digest-mismatch"
    assert target.digest is None
