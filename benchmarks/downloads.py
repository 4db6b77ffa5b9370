"""Server CPU for a gigabyte of downloads, against nginx sending the same file."""

from __future__ import annotations

import os
import socket
import statistics
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.servers import TOKEN, Running, free_port, gaia, nginx, upload

SIZE = 64 * 1024 * 1024
FETCHES = 16
CLIENTS = 4
ROUNDS = 3

TAG, FILENAME = "v1.0.0", "gaia-worker-linux"


def run() -> None:
    """Print throughput and CPU seconds per GB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with gaia(folder) as ours, nginx(folder, free_port()) as theirs:
            served = folder / "www" / FILENAME
            with served.open("wb") as file:
                for _ in range(SIZE // 2**20):
                    file.write(os.urandom(2**20))
            upload(ours, TAG, FILENAME, served)
            loads = {
                "nginx": (theirs, f"/{FILENAME}"),
                "gaia-server": (ours, f"/releases/{TAG}/{FILENAME}"),
            }
            total = SIZE * FETCHES * CLIENTS / 1e9
            print(
                f"downloads: {CLIENTS} clients, {FETCHES} times {SIZE / 1e6:.0f} MB each "
                f"({total:.1f} GB a round), median of {ROUNDS} rounds"
            )
            figures: dict[str, list[tuple[float, float]]] = {label: [] for label in loads}
            for _ in range(ROUNDS):
                for label, (server, path) in loads.items():
                    figures[label].append(_load(server, path, total))
    reference = 0.0
    for label, rounds in figures.items():
        rate, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
        reference = reference or cpu
        print(
            f"  {label:12} {rate:6.2f} GB/s {cpu:6.3f} CPU seconds per GB, "
            f"{cpu / reference:.2f} of nginx"
        )


def _load(server: Running, path: str, total: float) -> tuple[float, float]:
    """GB per second, and the server's CPU seconds per GB."""
    errors: list[Exception] = []

    def client() -> None:
        try:
            _fetch(server.port, path)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    before, began = server.cpu_seconds(), time.monotonic()
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    if errors:
        raise SystemExit(f"{server.name}: {errors[0]!r}")
    wall, cpu = time.monotonic() - began, server.cpu_seconds() - before
    return total / wall, cpu / total


def _fetch(port: int, path: str) -> None:
    """Take the file again and again over one connection, and throw it away."""
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    buffer = bytearray(2**20)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(FETCHES):
            connection.sendall(request)
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(2**16)
            head, _, rest = head.partition(b"\r\n\r\n")
            if b" 200 " not in head.partition(b"\r\n")[0]:
                raise ValueError(head.decode("latin-1"))
            left = SIZE - len(rest)
            while left:
                taken = connection.recv_into(buffer, min(left, len(buffer)))
                if not taken:
                    raise EOFError(f"{left} bytes are missing")
                left -= taken
