"""Builds single-file workers: stub, payload, footer."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import msgspec

import gaia
from gaia import renames
from gaia.cli.build import frozen, native, tools
from gaia.cli.build.system import Linux, Report, System
from gaia.cli.build.windows import windows
from gaia.errors import InvalidInput
from gaia.model.artifact import worker_filename
from gaia.model.payload import STAMP_FILENAME, Entry, Footer, Stamp, encode_index
from gaia.model.tag import Tag

_ENTRY = "gaia.worker.main:main"
_STAMP_PATH = f"{frozen.LIBRARIES}/{STAMP_FILENAME}"


def build_worker(
    version: str, trust_root: bytes | None, output_dir: Path, platform: str = "linux"
) -> Path:
    """Build one worker and return its path, such as `output_dir/gaia-worker-linux`.

    For several versions, stamp them with one `Builder`: each further one takes 0.1 s.

    Args:
        version: what the worker will report, a semantic version.
        trust_root: root metadata that it will trust without being told.
        output_dir: made when missing.
        platform: `linux` or `windows`.

    Raises:
        InvalidInput: `unsupported-platform`, `invalid-tag`, `invalid-trust-root`,
            `invalid-build-time`.
        Refused: `build-tools-missing`, `build-failed`.
    """
    system = system_for(platform)
    system.check()
    with tempfile.TemporaryDirectory(prefix="gaia-build-", ignore_cleanup_errors=True) as folder:
        return Builder(Path(folder), system).stamp(version, trust_root, output_dir)


def system_for(platform: str) -> System:
    """The system that a platform's name stands for.

    Raises:
        InvalidInput: `unsupported-platform`.
    """
    match platform:
        case "linux":
            return Linux()
        case "windows":
            return windows()
    raise InvalidInput(
        "unsupported-platform",
        f"A worker for {platform[:64]!r} cannot be built.",
        hint="The platforms are linux and windows.",
    )


class Builder:
    """Compiles and collects once; then another version takes a fraction of a second.

    Args:
        folder: for everything that the build makes; the caller's to remove. One that holds a
            finished build is used as it is, whatever has become of the sources since.
        system: what to build for; default: Linux.
        entry: the program, as `module:function`.
        source: folder that `entry` is found in, besides the installed packages.
        report: called with a short text at the start of each step.
    """

    def __init__(
        self,
        folder: Path,
        system: System | None = None,
        *,
        entry: str = _ENTRY,
        source: Path | None = None,
        report: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self._folder = folder.resolve()
        self._system = system or Linux()
        self._stub = self._folder / "stub"
        self._payload = self._folder / "payload"
        self._entry = entry
        self._source = source or Path(gaia.__file__).parents[1]
        self._report = report

    def prepare(self) -> None:
        """Build everything but the stamp, unless that is done already.

        Raises:
            InvalidInput: `unsupported-platform`.
            Refused: `build-tools-missing`, `build-failed`.
        """
        if self._payload.exists():
            return
        self._system.check()
        self._folder.mkdir(parents=True, exist_ok=True)
        # On Windows a file that a scanner still holds stays: no reason to lose the build.
        with tempfile.TemporaryDirectory(
            prefix="work-", dir=self._folder, ignore_cleanup_errors=True
        ) as folder:
            work = Path(folder)
            self._system.prepare(self._report)
            self._report("collecting Python and the worker")
            # Side by side: each keeps one core busy for most of its time.
            compiler = native.start(self._system.platform, work / "native")
            try:
                payload = frozen.collect(self._system, work / "frozen", self._entry, self._source)
                _try_out(self._system, payload, work / "check", self._report)
                self._report("compiling the stub")
                renames.replace(native.finish(compiler, work / "native"), self._stub)
            finally:
                tools.stop(compiler)
            renames.replace(payload, self._payload)

    def stamp(self, version: str, trust_root: bytes | None, output_dir: Path) -> Path:
        """Write the worker of `version` to `output_dir`, made when missing; return its path.

        Raises:
            InvalidInput: `invalid-tag`, `invalid-trust-root`, `invalid-build-time`; also as
                `prepare`.
            Refused: as `prepare`.
        """
        tag = Tag.parse(version)
        if trust_root is not None:
            _check_root(trust_root)
        self.prepare()
        self._report(f"writing {tag}")
        stamp = Stamp(str(tag), trust_root, _built_at(os.environ)).encode()

        destination = output_dir / worker_filename(self._system.platform)
        output_dir.mkdir(parents=True, exist_ok=True)
        staged = destination.with_name(f"{destination.name}.tmp")
        with staged.open("wb") as out:
            out.write(self._stub.read_bytes())
            _write_payload({**self._collected(), _STAMP_PATH: (0o644, stamp)}, out)
            out.flush()
            os.fsync(out.fileno())
        staged.chmod(0o755)
        renames.replace(staged, destination)
        return destination

    def _collected(self) -> dict[str, tuple[int, bytes]]:
        """Mode and content of each file, by name. Links are followed: payloads know files only."""
        return {
            path.relative_to(self._payload).as_posix(): (
                self._system.mode(path),
                path.read_bytes(),
            )
            for path in self._payload.rglob("*")
            if path.is_file()
        }


def _built_at(environment: Mapping[str, str]) -> float:
    """`SOURCE_DATE_EPOCH`, or now. Workers take no time before it for true (the floor of time)."""
    now, told = time.time(), environment.get("SOURCE_DATE_EPOCH")
    if not told:
        return float(int(now))
    if not (told.isascii() and told.isdigit() and int(told) <= now):
        raise InvalidInput(
            "invalid-build-time",
            f"SOURCE_DATE_EPOCH is {told[:32]!r}, which is no time in the past.",
            hint="Set it to whole seconds since 1970, such as the commit's: "
            "git log -1 --format=%ct",
        )
    return float(told)


def _try_out(system: System, payload: Path, folder: Path, report: Report) -> None:
    """Let the worker load everything: a module that was not found at the build shows only now."""
    (payload / _STAMP_PATH).write_bytes(Stamp("0.0.0", None, 0.0).encode())
    command = system.command(payload / system.program, "--self-check")
    what = "The self-check of the worker that was built"
    tools.check(command, folder=folder, env=system.environment(), what=what, report=report)


def _write_payload(files: dict[str, tuple[int, bytes]], out: IO[bytes]) -> None:
    ordered = sorted(files.items())
    index = encode_index(Entry(name, mode, len(data)) for name, (mode, data) in ordered)
    body = b"".join([index, *(data for _, (_, data) in ordered)])
    out.write(body)
    out.write(Footer(len(body), len(index), hashlib.sha256(body).digest()).encode())


class _Signed(msgspec.Struct):
    type: str = msgspec.field(name="_type")


class _Root(msgspec.Struct):
    signed: _Signed


def _check_root(data: bytes) -> None:
    """A worker with a useless root would have to be replaced by hand: refuse to build it."""
    try:
        if msgspec.json.decode(data, type=_Root).signed.type == "root":
            return
    except msgspec.MsgspecError:
        pass
    raise InvalidInput(
        "invalid-trust-root",
        "The trust root is not TUF root metadata.",
        hint="Give the root.json that `gaia trust export` writes.",
    )
