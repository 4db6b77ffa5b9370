"""A real `gaia-server` process on a real socket."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from support.fleet import eventually

PROGRAM = Path(sys.executable).with_name("gaia-server")
TOKEN = "start-up-token-of-the-tests"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self) -> str:
        """The code of the problem document that this must be."""
        assert self.headers["content-type"] == "application/problem+json"
        document = self.json()
        assert document["status"] == self.status
        assert document["type"] == f"/problems/{document['code']}"
        assert document["title"]
        assert document["detail"]
        code: str = document["code"]
        return code


@dataclass
class ServerProcess:
    """`gaia-server`, its data folder, and ways to ask it.

    Attributes:
        url: such as `http://127.0.0.1:45123`.
        token: the start-up token, of role admin.
    """

    data_dir: Path
    log_file: Path
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = (str(PROGRAM),)
    token: str = TOKEN
    url: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self, port: int = 0) -> None:
        """Start and wait until it answers."""
        process = self.spawn(port)
        address = self.data_dir / "server.json"
        eventually(
            lambda: f"the server's start; its log:\n{self.log()}",
            lambda: address.exists() or process.poll() is not None,
        )
        assert process.poll() is None, self.log()
        self.url = json.loads(address.read_text())["url"]

    def spawn(self, port: int = 0) -> subprocess.Popen[bytes]:
        """Start without waiting."""
        (self.data_dir / "server.json").unlink(missing_ok=True)
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(*self.program, "--port", str(port), "--data-dir", str(self.data_dir)),
                    *self.options,
                ],
                env={**os.environ, "GAIA_TOKEN": self.token, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.process

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait, and return the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    def restart(self) -> None:
        """End it in an orderly way and start it on the same address."""
        assert self.stop() == 0
        self.start(urlsplit(self.url).port or 0)

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        *,
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own. `token`: empty for the start-up token."""
        where = urlsplit(self.url)
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token or self.token}")
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def get(self, path: str, *, token: str | None = "") -> Answer:
        return self.ask("GET", path, token=token)

    def upload(
        self,
        tag: str,
        filename: str,
        data: bytes | Iterable[bytes],
        *,
        query: str = "",
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        return self.ask(
            "POST",
            f"/api/releases/upload?tag={tag}&filename={filename}{query}",
            data,
            token=token,
            headers={"Content-Type": "application/octet-stream", **(headers or {})},
        )

    def new_token(self, role: str) -> str:
        """A token of that role."""
        body = json.dumps({"name": f"a {role}", "role": role}).encode()
        answer = self.ask("POST", "/api/tokens", body)
        assert answer.status == 201
        token: str = answer.json()["token"]
        return token

    def connect(self) -> socket.socket:
        """A bare connection."""
        where = urlsplit(self.url)
        return socket.create_connection((where.hostname or "", where.port or 0), timeout=30)

    def raw(self, request: bytes) -> Answer:
        """Send bytes as they are and read one answer."""
        with self.connect() as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection)
            response.begin()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
