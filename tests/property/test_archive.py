"""Whatever an archive says, it is refused as a whole or lands inside; nothing else is touched."""

import contextlib
import tarfile
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gaia.errors import InstallError
from gaia.worker.experiments import Experiments
from support.bundles import contents, experiments, install, pack, stage

PARTS = st.sampled_from(
    ["experiments", "run_all.py", "a", "A", "b", "..", ".", "", "/", "nul", "é", "c:", "\\", "x\n"]
)
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join) | st.text(max_size=12)
KINDS = st.sampled_from(
    [tarfile.REGTYPE] * 4
    + [tarfile.DIRTYPE] * 2
    + [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
PLAIN = st.from_regex(r"[a-c]{1,2}(/[a-c]{1,2}){0,2}", fullmatch=True)


@st.composite
def entries(draw: st.DrawFn) -> list[tuple[tarfile.TarInfo, bytes]]:
    found = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=6)):
        info = tarfile.TarInfo(name)
        info.type = draw(KINDS)
        info.mode = draw(st.sampled_from([0o644, 0o755, 0o777, 0o4755]))
        if info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            info.linkname = draw(NAMES)
        found.append((info, b"bundle" if info.isreg() else b""))
    return found


def refusal(target: Experiments, bundle: bytes) -> str:
    """Install a bundle; returns the code when it is refused."""
    try:
        sha256 = stage(target, bundle)
    except InstallError as error:
        return error.code
    target.swap()
    assert target.digest == sha256
    return ""


@settings(max_examples=100, deadline=None)
@given(entries(), st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_nothing_ever_lands_outside(
    found: list[tuple[tarfile.TarInfo, bytes]], tar_format: int
) -> None:
    with tempfile.TemporaryDirectory() as name, contextlib.suppress(UnicodeError, ValueError):
        bundle = pack(found, tar_format)
        machine = Path(name)
        (machine / "place" / "sub").mkdir(parents=True)
        (machine / "precious").write_text("mine")
        target = experiments(machine)
        around = {path.name for path in machine.iterdir()}
        refused = refusal(target, bundle)
        if refused:
            assert refused in {"unsafe-bundle", "damaged-bundle"}
            assert contents(machine / "place") == {}
        else:
            assert all(info.isreg() or info.isdir() for info, _ in found)
            files = {info.name.removeprefix("./"): "bundle" for info, _ in found if info.isreg()}
            assert contents(machine / "place") == files
        assert {path.name for path in machine.iterdir()} == around
        assert (machine / "precious").read_text() == "mine"
        assert not any(path.is_symlink() for path in machine.rglob("*"))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40), st.integers(min_value=0, max_value=400))
def test_damage_anywhere_is_refused_or_harmless(noise: bytes, at: int) -> None:
    bundle = bytearray(pack([(tarfile.TarInfo("run_all.py"), b"bundle" * 20)]))
    bundle[at : at + len(noise)] = noise
    with tempfile.TemporaryDirectory() as name:
        refused = refusal(experiments(Path(name)), bytes(bundle))
        assert refused in {"", "unsafe-bundle", "damaged-bundle"}
        assert set(contents(Path(name) / "place").values()) <= {"bundle" * 20}


@st.composite
def trees(draw: st.DrawFn) -> dict[str, str]:
    """Files of a bundle: no file's path goes through another file."""
    paths = draw(st.sets(PLAIN, min_size=1, max_size=6))
    return {
        path: draw(st.sampled_from("12"))
        for path in sorted(paths)
        if not any(other.startswith(f"{path}/") for other in paths)
    }


@settings(max_examples=50, deadline=None)
@given(st.lists(trees(), min_size=1, max_size=4), trees())
def test_any_row_of_bundles_over_any_files_of_the_owner(
    bundles: list[dict[str, str]], own: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name) / "place"
        for path, text in own.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(f"mine {text}")
        target = experiments(Path(name))
        for bundle in bundles:
            install(target, bundle)
            found = contents(place)
            assert {path: found[path] for path in bundle} == bundle
            kept = [text for text in found.values() if text.startswith("mine")]
            assert sorted(kept) == sorted(f"mine {text}" for text in own.values())
            assert len(found) == len(bundle) + len(own)
