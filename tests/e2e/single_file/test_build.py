"""The build: the same everywhere, with nothing of the build in it, and by one command."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from gaia.cli.build import Builder
from gaia.cli.main import main
from gaia.errors import InvalidInput, Refused
from gaia.model.payload import FOOTER_SIZE, STAMP_FILENAME, Footer, Stamp, decode_index
from support.single_file import PROBE, TESTS

pytestmark = pytest.mark.needs_worker_build

TRUST_ROOT = b'{"signatures": [], "signed": {"_type": "root"}}'


def test_two_builds_are_the_same_bytes(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764000000")
    first = builder.stamp("v1.0.0", None, tmp_path / "first")
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONHASHSEED", "42")
    elsewhere = tmp_path / "another place"
    again = Builder(elsewhere, entry=PROBE, source=TESTS)
    second = again.stamp("v1.0.0", None, tmp_path / "second")
    assert first.read_bytes() == second.read_bytes()
    assert str(tmp_path).encode() not in second.read_bytes()
    assert str(TESTS).encode() not in second.read_bytes()


def test_versions_differ_in_their_stamp_only(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764000000")
    one = builder.stamp("v1.0.0", None, tmp_path / "one").read_bytes()
    two = builder.stamp("v1.0.1", None, tmp_path / "two").read_bytes()
    assert len(one) == len(two)
    # One digit, and the digest of the payload.
    assert sum(a != b for a, b in zip(one, two, strict=True)) <= 1 + 32


def stamp_of(worker: Path) -> Stamp:
    data = worker.read_bytes()
    footer = Footer.decode(data[-FOOTER_SIZE:])
    payload = data[-FOOTER_SIZE - footer.length : -FOOTER_SIZE]
    at = footer.index_length
    for entry in decode_index(payload[:at]):
        if entry.path.endswith(STAMP_FILENAME):
            return msgspec.json.decode(payload[at : at + entry.size], type=Stamp)
        at += entry.size
    raise AssertionError("no stamp")


def test_the_build_time_is_in_it(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = int(time.time())
    built = stamp_of(builder.stamp("v1.0.0", None, tmp_path / "now")).built_at
    assert before <= built <= time.time()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764000000")
    assert stamp_of(builder.stamp("v1.0.0", None, tmp_path / "then")).built_at == 1764000000


@pytest.mark.parametrize("told", ["yesterday", "-1", "1.5", "99999999999", "²"])
def test_a_build_time_that_would_shut_workers_out(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", told)
    with pytest.raises(InvalidInput) as caught:
        builder.stamp("v1.0.0", None, tmp_path / "out")
    assert caught.value.code == "invalid-build-time"


def test_the_command_builds_a_worker(tmp_path: Path) -> None:
    root = tmp_path / "root.json"
    root.write_bytes(TRUST_ROOT)
    arguments = ["--version", "v7.8.9-rc.1", "--trust-root", str(root), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(main, ["worker", "build", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    path = Path(result["path"])
    content = path.read_bytes()
    assert path == tmp_path / "out" / "gaia-worker-linux"
    assert result["size"] == len(content)
    assert result["sha256"] == hashlib.sha256(content).hexdigest()
    assert result["tag"] == "v7.8.9-rc.1"
    assert [item.name for item in path.parent.iterdir()] == [path.name]

    said = subprocess.run([path, "--version"], capture_output=True, check=True, text=True).stdout
    assert said == "gaia-worker v7.8.9-rc.1\n"
    subprocess.run([path, "--self-check"], check=True)
    files = [str(item) for item in (path.parent / ".gaia").rglob("*")]
    assert not [name for name in files if "cryptography" in name or "sqlalchemy" in name]


def test_a_worker_that_cannot_load_is_not_built(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "def main():\n    import importlib\n    importlib.import_module('no_such_module')\n"
    )
    builder = Builder(tmp_path / "build", entry="broken:main", source=tmp_path)
    with pytest.raises(Refused, match="No module named 'no_such_module'") as caught:
        builder.prepare()
    assert caught.value.code == "build-failed"
    assert list((tmp_path / "build").iterdir()) == []
