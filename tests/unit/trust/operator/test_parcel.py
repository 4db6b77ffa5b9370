"""A parcel is read in one form, or not at all; and only what was signed comes out of it."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gaia.errors import GaiaError, InvalidInput, TransportError, TrustError
from gaia.model.artifact import EXPERIMENTS, Artifact
from gaia.model.tag import Tag
from gaia.trust.bundle import MAX_SIZE
from gaia.trust.operator import parcel
from gaia.trust.operator.parcel import Parcel
from support.trust import LINUX, Clock, World

TAG = Tag.parse("v0.5.0")
CONTENT = {LINUX: b"\x7fELF a worker" * 100, EXPERIMENTS: b"\x1f\x8b a bundle"}
ARTIFACTS = [
    Artifact(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENT.items()
]
WANTED = [(TAG, artifact) for artifact in ARTIFACTS]


def quiet(path: str, done: int) -> None:
    """Nobody watches."""


def fetch(tag: Tag, artifact: Artifact, sink: Callable[[bytes], None]) -> None:
    sink(CONTENT[artifact.filename])


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A repository with one release and two roots."""
    world = World(tmp_path / "server", Clock())
    for artifact in ARTIFACTS:
        world.repository.change(
            lambda before, artifact=artifact: (  # type: ignore[misc]
                before.with_artifact(TAG, artifact).placed(TAG, "stable")
            )
        )
    world.renew_root()
    return world


@pytest.fixture
def file(world: World, tmp_path: Path) -> Path:
    """A parcel as it should be."""
    path = tmp_path / "releases.parcel"
    parcel.write(path, world.repository.roles, WANTED, fetch, quiet)
    return path


def entries(file: Path) -> dict[str, bytes]:
    """What a parcel holds, as any tar program reads it."""
    with tarfile.open(file, "r:") as tar:
        return {
            member.name: content.read()
            for member in tar
            if (content := tar.extractfile(member)) is not None
        }


def packed(content: dict[str, bytes]) -> bytes:
    """A parcel of good form with any content."""
    blocks = [
        parcel._header(name, len(data)) + data + parcel._padding(len(data))
        for name, data in content.items()
    ]
    return b"".join(blocks) + bytes(1024)


def repacked(file: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    content = entries(file)
    change(content)
    file.write_bytes(packed(dict(sorted(content.items()))))


def code_of(file: Path) -> str:
    """The code of the refusal that reading must end with."""
    with pytest.raises(GaiaError) as refusal, Parcel.open(file) as found:
        found.verify(quiet)
    return refusal.value.code


def test_what_goes_in_comes_out(world: World, file: Path) -> None:
    with Parcel.open(file) as found:
        found.verify(quiet)
        assert found.roles == world.repository.roles
        there = {(each.tag, each.artifact): found.at(each) for each in found.enclosed}
        assert there.keys() == set(WANTED)
        for each in found.enclosed:
            data = found.at(each).read(each.artifact.size)
            assert data == CONTENT[each.artifact.filename]


def test_any_tar_program_reads_it_and_the_same_content_is_the_same_bytes(
    world: World, file: Path, tmp_path: Path
) -> None:
    content = entries(file)
    assert content[f"releases/v0.5.0/{LINUX}"] == CONTENT[LINUX]
    assert content["metadata/1.root.json"] == world.repository.roles.roots[0].data
    assert packed(content) == file.read_bytes()
    again = tmp_path / "again"
    parcel.write(again, world.repository.roles, WANTED[::-1], fetch, quiet)
    assert again.read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    "content", [b"other bytes", CONTENT[LINUX] + b"!", b"", CONTENT[LINUX][:-1]]
)
def test_nothing_is_written_that_is_not_the_signed_file(
    world: World, file: Path, content: bytes
) -> None:
    before = file.read_bytes()
    with pytest.raises(TrustError, match="signed"):
        parcel.write(
            file, world.repository.roles, WANTED[:1], lambda _, __, sink: sink(content), quiet
        )
    assert file.read_bytes() == before
    assert not list(file.parent.glob("*.tmp"))


def test_a_break_leaves_no_parcel(world: World, tmp_path: Path) -> None:
    def broken(tag: Tag, artifact: Artifact, sink: Callable[[bytes], None]) -> None:
        sink(CONTENT[artifact.filename][:5])
        raise TransportError("connection-broken", "The connection broke off.")

    with pytest.raises(TransportError):
        parcel.write(tmp_path / "new", world.repository.roles, WANTED, broken, quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["server"]


def test_a_file_that_is_too_large_for_a_header(world: World, tmp_path: Path) -> None:
    huge = Artifact(LINUX, 8**11, "a" * 64)
    with pytest.raises(InvalidInput) as refusal:
        parcel.write(tmp_path / "new", world.repository.roles, [(TAG, huge)], fetch, quiet)
    assert refusal.value.code == "parcel-file-too-large"


def tampered_file(content: dict[str, bytes]) -> None:
    content[f"releases/v0.5.0/{LINUX}"] = CONTENT[LINUX].replace(b"worker", b"w0rker")


def longer_file(content: dict[str, bytes]) -> None:
    content[f"releases/v0.5.0/{LINUX}"] += b"!"


def unsigned_file(content: dict[str, bytes]) -> None:
    content["releases/v0.5.0/gaia-worker-windows.exe"] = b"MZ"


def unsigned_release(content: dict[str, bytes]) -> None:
    content[f"releases/v0.6.0/{LINUX}"] = CONTENT[LINUX]


def of_role(content: dict[str, bytes], role: str) -> str:
    return max(name for name in content if name.endswith(f".{role}.json"))


def tampered_role(content: dict[str, bytes]) -> None:
    name = of_role(content, "gaia-worker")
    changed = content[name].replace(ARTIFACTS[0].sha256.encode(), b"a" * 64)
    assert changed != content[name]
    content[name] = changed


def tampered_root(content: dict[str, bytes]) -> None:
    name = "metadata/2.root.json"
    changed = content[name].replace(b'"threshold":2', b'"threshold":1')
    assert changed != content[name]
    content[name] = changed


def first_root_gone(content: dict[str, bytes]) -> None:
    del content["metadata/1.root.json"]


def newest_root_is_no_json(content: dict[str, bytes]) -> None:
    content["metadata/2.root.json"] = b"[" * 100_000


def role_gone(content: dict[str, bytes]) -> None:
    del content[of_role(content, "gaia-worker")]


def superfluous_role(content: dict[str, bytes]) -> None:
    content["metadata/1.targets.json"] = content[of_role(content, "targets")]


def root_beyond_a_gap(content: dict[str, bytes]) -> None:
    content["metadata/4.root.json"] = content["metadata/2.root.json"]


def unknown_role(content: dict[str, bytes]) -> None:
    content["metadata/7.channel-evil.json"] = content[of_role(content, "channel-stable")]


@pytest.mark.parametrize(
    "change",
    [
        *(tampered_file, longer_file, unsigned_file, unsigned_release, tampered_role),
        *(tampered_root, first_root_gone, newest_root_is_no_json, role_gone),
        *(superfluous_role, root_beyond_a_gap, unknown_role),
    ],
)
def test_what_was_not_signed_is_refused(
    file: Path, change: Callable[[dict[str, bytes]], object]
) -> None:
    repacked(file, change)
    assert code_of(file) == "parcel-refused"


@pytest.mark.parametrize(
    "name",
    [
        *("releases/v0.5.0/../../etc/passwd", "../evil", "/etc/cron.d/evil", "metadata/../x.json"),
        *("releases/../gaia-worker-linux", "releases/0.5.0/gaia-worker-linux", "README"),
        *("releases/v0.5.0/evil.sh", "releases/v0.5.0//gaia-worker-linux", "metadata/root.json"),
        *("metadata/1.ROOT.json", "releases//gaia-worker-linux", "releases/v0.5.0", "metadata/"),
        *("xreleases/v0.5.0/gaia-worker-linux", "metadata/timestamp.json", "metadata\\1.root.json"),
    ],
)
def test_names_that_a_parcel_does_not_have(file: Path, name: str) -> None:
    repacked(file, lambda content: content.update({name: b"x"}))
    assert code_of(file) == "parcel-malformed"


def special(**fields: object) -> bytes:
    entry = tarfile.TarInfo(f"releases/v0.5.0/{LINUX}")
    for field, value in fields.items():
        setattr(entry, field, value)
    return entry.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize(
    "header",
    [
        special(type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        special(type=tarfile.LNKTYPE, linkname="metadata/1.root.json"),
        *(special(type=kind) for kind in (b"3", b"4", b"5", b"6", b"7", b"L", b"x", b"g", b"S")),
        special(mode=0o4755),
        special(uid=1000),
        special(mtime=1),
        special(uname="root"),
    ],
)
def test_what_is_no_plain_file(file: Path, header: bytes) -> None:
    plain = parcel._header(f"releases/v0.5.0/{LINUX}", len(CONTENT[LINUX]))
    whole = file.read_bytes()
    assert whole.count(plain) == 1
    file.write_bytes(whole.replace(plain, header))
    assert code_of(file) == "parcel-malformed"


def test_a_negative_size_is_none(file: Path) -> None:
    entry = tarfile.TarInfo(f"releases/v0.5.0/{LINUX}")
    entry.size = -512
    file.write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert code_of(file) == "parcel-malformed"


def test_twice_the_same_name(file: Path) -> None:
    content = entries(file)
    last = max(content)
    double = packed(content)[:-1024] + packed({last: content[last]})
    file.write_bytes(double)
    assert code_of(file) == "parcel-malformed"


def test_cut_off_anywhere(file: Path) -> None:
    whole = file.read_bytes()
    assert len(whole) % 512 == 0
    for size in [*range(0, len(whole), 512), len(whole) - 1, 1, 511, 1000]:
        file.write_bytes(whole[:size])
        assert code_of(file) == "parcel-malformed", size


def sparse(path: Path, before: bytes, size: int) -> None:
    with path.open("wb") as file:
        file.write(before)
        file.truncate(size)


@pytest.fixture
def small_memory() -> Iterator[None]:
    """What follows may not hold much in memory."""
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


GIB = 1024**3


@pytest.mark.usefixtures("small_memory")
def test_a_gigabyte_of_zeros(file: Path) -> None:
    whole = file.read_bytes()
    roles = packed({k: v for k, v in entries(file).items() if k.startswith("metadata/")})[:-1024]
    for before, code in {
        b"": "parcel-malformed",
        whole: "parcel-malformed",
        parcel._header("metadata/1.root.json", GIB): "parcel-malformed",
        roles + parcel._header(f"releases/v0.5.0/{LINUX}", GIB): "parcel-refused",
        roles + parcel._header("releases/v0.5.0/gaia-worker-windows.exe", GIB): "parcel-refused",
    }.items():
        sparse(file, before, len(before) + GIB + 1024)
        assert code_of(file) == code


def test_metadata_without_end(file: Path) -> None:
    half = MAX_SIZE // 2 + 1
    content = {f"metadata/{number}.root.json": bytes(half) for number in (1, 2)}
    file.write_bytes(packed(content))
    assert code_of(file) == "parcel-malformed"


def test_headers_without_end(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcel, "_MOST_ENTRIES", len(entries(file)))
    assert code_of(file) == "parcel-malformed"


def test_what_is_no_file(tmp_path: Path) -> None:
    assert code_of(Path("/dev/zero")) == "parcel-malformed"


def test_something_else_altogether(file: Path) -> None:
    for data in (b"", b"PK\x03\x04" + os.urandom(2000), b"\x1f\x8b" + os.urandom(2000)):
        file.write_bytes(data)
        assert code_of(file) == "parcel-malformed"
    with tarfile.open(file, "w") as tar:
        entry = tarfile.TarInfo("metadata/1.root.json")
        entry.size = 2
        tar.addfile(entry, io.BytesIO(b"{}"))
    assert code_of(file) == "parcel-malformed"  # GNU's form, padded to a record


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_other_bytes_are_refused_or_mean_the_same(file: Path, data: st.DataObject) -> None:
    whole = file.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    piece = data.draw(st.binary(min_size=1, max_size=600))
    altered = file.with_name("altered")
    altered.write_bytes(whole[:position] + piece + whole[position + len(piece) :])
    refusals = []
    try:
        with Parcel.open(altered) as found:
            found.verify(quiet)
            for each in found.enclosed:
                assert found.at(each).read(each.artifact.size) == CONTENT[each.artifact.filename]
    except GaiaError as refusal:
        refusals = [refusal.code]
    assert set(refusals) <= {"parcel-malformed", "parcel-refused"}
