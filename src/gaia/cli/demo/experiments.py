"""The demo's experiments: a bundle with a `run_all.py` that says where and as what it ran."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

_RUN_ALL = '''\
"""Runs the experiments of this bundle, one after the other, for ever."""
import pathlib, time
from experiments.answer import EDITION

results = pathlib.Path("results.txt")
while True:
    with results.open("a") as file:
        file.write(f"{EDITION} in {pathlib.Path.cwd()}\\n")
    time.sleep(0.5)
'''


def make_bundle(path: Path, edition: str) -> Path:
    """Write `experiments.tar.gz` as the brief's tar line does: `experiments/` and `run_all.py`."""
    with tarfile.open(path, "w:gz") as archive:
        for name, text in (
            ("experiments/__init__.py", ""),
            ("experiments/answer.py", f'EDITION = "{edition}"\n'),
            ("run_all.py", _RUN_ALL),
        ):
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(data))
    return path
