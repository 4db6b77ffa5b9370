"""Uploads: MB per second until the server has signed and published, and its memory meanwhile."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from benchmarks.servers import gaia, upload

SIZES = (64, 512)


def run() -> None:
    """Print throughput, CPU and the peak of resident memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with gaia(folder) as server:
            # The first upload opens things that later ones find in place.
            (folder / "small").write_bytes(b"x" * 1000)
            upload(server, "v0.0.1", "gaia-worker-linux", folder / "small")
            print("uploads: hashed, fsynced, signed and published when the answer comes")
            for number, megabytes in enumerate(SIZES, 1):
                file = folder / "file"
                with file.open("wb") as out:
                    for _ in range(megabytes):
                        out.write(os.urandom(10**6))
                server.forget_peak()
                idle, cpu, began = server.memory("VmRSS"), server.cpu_seconds(), time.monotonic()
                upload(server, f"v1.0.{number}", "gaia-worker-linux", file)
                wall, spent = time.monotonic() - began, server.cpu_seconds() - cpu
                peak = server.memory("VmHWM")
                print(
                    f"  {megabytes:4} MB {megabytes / wall:7.0f} MB/s, "
                    f"{spent / megabytes * 1e3:.2f} CPU seconds per GB, "
                    f"peak RSS {peak:.0f} MB, {peak - idle:.0f} MB above idle"
                )
