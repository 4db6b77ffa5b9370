"""Heartbeats per second of server CPU, against nginx's static JSON of the same size.

CPU seconds and not wall time: on one machine the load generator slows nginx more than us.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.servers import TOKEN, Running, free_port, gaia, nginx, program, upload

WORKERS = 1_000
CONNECTIONS = 64
SECONDS = 6
ROUNDS = 3

BODY = json.dumps(
    {
        "version": "v0.4.9",
        "platform": "linux",
        "state": "idle",
        "reason": "up-to-date",
        "pid": 48_211,
        "bundle": "9f" * 32,
        "workload": {"state": "running", "pid": 48_230, "restarts": 2},
        "channel": "stable",
        "externally_managed": "the folder /opt/gaia cannot be written by this user",
        "target": "v0.5.0",
    }
)

_SCRIPT = """
local paths = {{ {paths} }}
wrk.method = "{method}"
wrk.headers["Authorization"] = "Bearer {token}"
{body}
local turn = 0
request = function()
    turn = turn % #paths + 1
    return wrk.format(nil, paths[turn])
end
done = function(summary)
    io.write(string.format('{{"requests": %d, "bad": %d, "microseconds": %d}}\\n',
        summary.requests, summary.errors.status + summary.errors.read + summary.errors.write
        + summary.errors.timeout + summary.errors.connect, summary.duration))
end
"""


def run() -> None:
    """Print requests per second of wall time and of server CPU."""
    wrk = program("wrk", "wrk")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with gaia(folder) as ours, nginx(folder, free_port()) as theirs:
            for filename in ("gaia-worker-linux", "gaia-worker-windows.exe", "experiments.tar.gz"):
                (folder / filename).write_bytes(filename.encode())
                upload(ours, "v0.4.9", filename, folder / filename)
            paths = _register(ours)
            answer = json.dumps(ours.call("POST", paths[0], json.loads(BODY)))
            (folder / "www" / "answer.json").write_text(answer)
            print(f"heartbeats: body {len(BODY)} bytes, answer {len(answer)} bytes,")
            print(f"  {WORKERS} workers on {CONNECTIONS} connections, median of {ROUNDS} rounds")
            loads = {
                "nginx, GET, static file": (theirs, "GET", ["/answer.json"]),
                "gaia-server, POST": (ours, "POST", paths),
                "gaia-server, GET (GAIA 0.4)": (ours, "GET", paths),
            }
            figures: dict[str, list[tuple[float, float]]] = {label: [] for label in loads}
            for _ in range(ROUNDS):
                for label, (server, method, targets) in loads.items():
                    figures[label].append(_load(wrk, folder, server, method, targets))
    reference = 0.0
    for label, rounds in figures.items():
        wall, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
        reference = reference or cpu
        print(
            f"  {label:28} {wall:9,.0f} /s {cpu:9,.0f} per CPU second, "
            f"{cpu / reference:.2f} of nginx"
        )


def _load(
    wrk: str, folder: Path, server: Running, method: str, paths: list[str]
) -> tuple[float, float]:
    """Requests per second of wall time, and of the server's CPU time."""
    script = folder / "load.lua"
    script.write_text(
        _SCRIPT.format(
            paths=", ".join(f'"{path}"' for path in paths),
            method=method,
            token=TOKEN,
            body=f"wrk.body = '{BODY}'" if method == "POST" else "",
        )
    )
    before = server.cpu_seconds()
    began = time.monotonic()
    done = subprocess.run(
        [
            *(wrk, "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(script)),
            f"http://127.0.0.1:{server.port}",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    wall, cpu = time.monotonic() - began, server.cpu_seconds() - before
    summary = json.loads(done.stdout.splitlines()[-1])
    if summary["bad"]:
        raise SystemExit(f"{server.name}: {summary['bad']} of {summary['requests']} went wrong")
    return summary["requests"] / wall, summary["requests"] / cpu


def _register(server: Running) -> list[str]:
    paths = []
    for number in range(WORKERS):
        introduction = {"name": f"w{number}", "machine": "m", "version": "v0.4.9"}
        answer = server.call("POST", "/api/workers/register", introduction)
        paths.append(f"/api/workers/heartbeat/{answer['worker_id']}")
    return paths
