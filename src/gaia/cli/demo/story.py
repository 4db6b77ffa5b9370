"""What the demo shows, scene by scene. Each scene asserts what it says."""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gaia.cli.build.builder import Builder
from gaia.cli.connection import Connection
from gaia.cli.demo.experiments import make_bundle
from gaia.cli.demo.stage import DemoError, Server, Worker, stop, upload, wait_for

OLD, NEW, BAD = "v0.4.9", "v0.5.0", "v0.5.1"
LINUX, BUNDLE = "gaia-worker-linux", "experiments.tar.gz"

# Passes the self-check, then dies at every start: what slips through when nobody tried the release.
_BAD_RELEASE = """\
#!/bin/sh
[ "$1" = --self-check ] && exit 0
echo "fatal: cannot load libexperiment.so.7" >&2
exit 1
"""


@dataclass
class Story:
    """One run of the demo, in a folder of its own.

    Args:
        folder: everything that the demo writes is below it.
        port: of the server; 0 takes a free one.
        workers: how many.
    """

    console: Console
    folder: Path
    port: int
    workers: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    fleet: list[Worker] = field(default_factory=list)
    server: Server | None = None

    def play(self) -> list[dict[str, Any]]:
        """All scenes; returns the fleet as it is at the end.

        Raises:
            DemoError: something did not go as it should; what was shown so far is true.
        """
        releases = self._build()
        server = self.server = self._open_server()
        api = Connection(server.url, self.token)
        self._publish(server, OLD, releases[OLD])
        self._start_workers(server, api, releases[OLD])
        before = {row["name"]: row for row in self._rows(api)}
        self._publish(server, NEW, releases[NEW])
        self._see_update(api, before)
        self._publish_bad(server)
        self._see_revert(api)
        return self._summary(api)

    def close(self) -> None:
        """End all processes of the demo."""
        stop([worker.process for worker in self.fleet])
        if self.server is not None:
            stop([self.server.process])

    def _build(self) -> dict[str, Path]:
        self._say(f"Building single-file workers {OLD} and {NEW} (about half a minute)")
        releases = {}
        with tempfile.TemporaryDirectory() as scratch:
            builder = Builder(Path(scratch))
            for tag in (OLD, NEW):
                releases[tag] = builder.stamp(tag, None, self.folder / "build" / tag)
        return releases

    def _open_server(self) -> Server:
        self._say("Starting gaia-server on the embedded default (SQLite, a folder of blobs)")
        server = Server.start(self.folder / "server", self.token, self.port)
        self._note(f"{server.url}, root fingerprint sha256:{server.fingerprint[:16]}…")
        return server

    def _publish(self, server: Server, tag: str, executable: Path) -> None:
        self._say(f"Uploading {tag} by curl: the worker, then the experiments")
        bundle = make_bundle(executable.with_name(BUNDLE), f"experiments of {tag}")
        for filename, path in ((LINUX, executable), (BUNDLE, bundle)):
            self._note(
                f'curl -X POST "{server.url}/api/releases/upload?tag={tag}&filename={filename}" '
                f'-H "Authorization: Bearer …" --data-binary @{path.name}'
            )
            upload(server, self.token, tag, path, filename)

    def _start_workers(self, server: Server, api: Connection, executable: Path) -> None:
        self._say(f"Starting {self.workers} workers {OLD}, trusting this server's root only")
        secret = api.post("/api/tokens", {"name": "demo-workers", "role": "worker"})["token"]
        token_file = self.folder / "worker-token"
        token_file.touch(mode=0o600)
        token_file.write_text(secret)
        for number in range(1, self.workers + 1):
            name = f"demo-{number}"
            self.fleet.append(
                Worker.start(
                    name, self.folder / name, executable, server=server, token_file=token_file
                )
            )
        wait_for(
            "All workers running their experiments",
            lambda: self._all(api, version=OLD) and self._experiments_are(OLD),
        )
        self._note("all report in; the experiments are unpacked and run beside run_all.py")

    def _see_update(self, api: Connection, before: dict[str, dict[str, Any]]) -> None:
        self._say(f"Nobody deploys: the workers take {NEW} by themselves")
        took = wait_for(f"The fleet on {NEW}", lambda: self._all(api, version=NEW))
        wait_for(f"The experiments of {NEW}", lambda: self._experiments_are(NEW))
        for row in self._rows(api):
            _check(row["pid"] == before[row["name"]]["pid"], f"{row['name']} kept its process ID")
        for worker in self.fleet:
            _check(worker.executable.with_name("gaia-worker.bak").exists(), f"{worker.name}: .bak")
        self._note(f"{self.workers} of {self.workers} after {took:.1f} s: same PIDs, .bak kept")

    def _publish_bad(self, server: Server) -> None:
        self._say(f"Uploading {BAD}, which passes its self-check and then dies at every start")
        path = self.folder / "build" / BAD / LINUX
        path.parent.mkdir(parents=True)
        path.write_text(_BAD_RELEASE)
        upload(server, self.token, BAD, path, LINUX)

    def _see_revert(self, api: Connection) -> None:
        self._say(f"{BAD} comes back by itself")
        took = wait_for(
            f"Every worker back on {NEW} with a report",
            lambda: (
                self._all(api, version=NEW)
                and all((row.get("failure") or {}).get("tag") == BAD for row in self._rows(api))
            ),
        )
        failure = self._rows(api)[0]["failure"]
        self._note(f"back on {NEW} after {took:.1f} s, reason {failure['reason']!r}, log:")
        self._note(f"  {failure['log_tail'].strip().splitlines()[-1]}")

    def _summary(self, api: Connection) -> list[dict[str, Any]]:
        rows = self._rows(api)
        table = Table("worker", "version", "state", "PID", "failed release")
        for row in rows:
            failure = row.get("failure") or {}
            table.add_row(
                row["name"],
                row["version"],
                row["state"],
                str(row["pid"]),
                f"{failure.get('tag', '')} ({failure.get('reason', '')})",
            )
        self.console.print(table)
        return rows

    def _rows(self, api: Connection) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = api.get("/api/fleet")["workers"]
        return sorted(rows, key=lambda row: str(row["name"]))

    def _all(self, api: Connection, *, version: str) -> bool:
        for worker in self.fleet:
            if "gaia-worker: " in worker.log():
                raise DemoError("demo-worker", f"{worker.name} ended:\n{worker.log()[-2000:]}")
        rows = self._rows(api)
        return len(rows) == self.workers and all(
            row["version"] == version and row["state"] == "idle" for row in rows
        )

    def _experiments_are(self, tag: str) -> bool:
        return all(
            (results := worker.folder / "results.txt").exists()
            and f"experiments of {tag} in {worker.folder}" in results.read_text()
            for worker in self.fleet
        )

    def _say(self, text: str) -> None:
        self.console.print(f"\n[bold]{text}[/bold]")

    def _note(self, text: str) -> None:
        self.console.print(f"  {text}", style="dim", markup=False, highlight=False, soft_wrap=True)


def _check(fact: bool, what: str) -> None:
    if not fact:
        raise DemoError("demo-check", f"The demo found this not to be so: {what}.")
