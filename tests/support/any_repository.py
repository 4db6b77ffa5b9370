"""A TUF repository that is not of our making, on a web server that keeps count."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)

TOP = ("targets", "snapshot", "timestamp", "root")
MakeKey = Callable[[], CryptoSigner]


class AnyRepository:
    """Tests change `signed`, `keys` or `files`, and `publish` what clients shall see.

    Attributes:
        signed: content of each role, as it will be signed.
        keys: what each role is signed with.
        files: what the server answers, by path.
        asked: paths that were asked for, in order.
        with_hashes: whether roles are referred to by length and digest, too.
    """

    def __init__(self, make_key: MakeKey = CryptoSigner.generate_ed25519) -> None:
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
        self.make_key = make_key
        self.root = Root(expires=expires)
        self.targets = Targets(expires=expires)
        self.snapshot = Snapshot(expires=expires)
        self.timestamp = Timestamp(expires=expires)
        self.signed: dict[str, Any] = {
            "root": self.root,
            "targets": self.targets,
            "snapshot": self.snapshot,
            "timestamp": self.timestamp,
        }
        self.keys: dict[str, list[CryptoSigner]] = {role: [] for role in TOP}
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.with_hashes = False
        for role in TOP:
            self.add_key(role)
        self.publish(*TOP, again=False)

    @property
    def first_root(self) -> bytes:
        return self.files["metadata/1.root.json"]

    def add_key(self, role: str, key: CryptoSigner | None = None) -> CryptoSigner:
        key = key or self.make_key()
        self.root.add_key(key.public_key, role)
        self.keys[role].append(key)
        return key

    def rotate(self, role: str) -> None:
        """Other keys, as many as are asked for."""
        for keyid in list(self.root.roles[role].keyids):
            self.root.revoke_key(keyid, role)
        self.keys[role] = []
        for _ in range(self.root.roles[role].threshold):
            self.add_key(role)

    def publish(
        self, *roles: str, again: bool = True, keys: Sequence[CryptoSigner] | None = None
    ) -> None:
        """Sign roles, with the next version, and show them.

        Args:
            again: False to keep the version that is set.
            keys: to sign with, in place of the role's.
        """
        for role in roles:
            signed = self.signed[role]
            signed.version += again
            metadata = Metadata(signed)
            for key in self.keys[role] if keys is None else keys:
                metadata.sign(key, append=True)
            data = metadata.to_bytes()
            self.files[f"metadata/{self.name(role)}"] = data
            reference = MetaFile(signed.version)
            if self.with_hashes:
                reference = MetaFile.from_data(signed.version, data, ["sha256"])
            if role == "snapshot":
                self.timestamp.snapshot_meta = reference
            elif role not in TOP or role == "targets":
                self.snapshot.meta[f"{role}.json"] = reference

    def update(self, *roles: str) -> None:
        """Publish these, and what says that they are the newest."""
        self.publish(*roles, "snapshot", "timestamp")

    def name(self, role: str) -> str:
        if role == "timestamp" or not (self.root.consistent_snapshot or role == "root"):
            return f"{quote(role, safe='')}.json"
        return f"{self.signed[role].version}.{quote(role, safe='')}.json"

    def add_target(self, path: str, data: bytes, role: str = "targets") -> TargetFile:
        """A file, with its name on the server as it should be."""
        target = TargetFile.from_data(path, data, ["sha256"])
        self.signed[role].targets[path] = target
        self.files[self.place(target)] = data
        return target

    def place(self, target: TargetFile) -> str:
        above, slash, last = target.path.rpartition("/")
        prefix = f"{target.hashes['sha256']}." if self.root.consistent_snapshot else ""
        return f"targets/{above}{slash}{prefix}{last}"

    def delegate(
        self, delegator: str, role: str, paths: Sequence[str] = ("*",), *, terminating: bool = False
    ) -> None:
        """`delegator` trusts a key of `role` with these paths."""
        above: Targets = self.signed[delegator]
        above.delegations = above.delegations or Delegations({}, {})
        roles = above.delegations.roles
        assert roles is not None
        roles[role] = DelegatedRole(role, [], 1, terminating, list(paths))
        if role not in self.signed:
            self._new(role, self.make_key())
        above.add_key(self.keys[role][0].public_key, role)

    def delegate_to_bins(self, bits: int) -> list[str]:
        """Targets hands everything on to 2**bits roles by the hash of the path (TAP 15)."""
        key = self.make_key()
        bins = SuccinctRoles([], 1, bits, "bin")
        self.targets.delegations = Delegations({}, None, bins)
        self.targets.add_key(key.public_key)
        for role in bins.get_roles():
            self._new(role, key)
        return list(bins.get_roles())

    def _new(self, role: str, key: CryptoSigner) -> None:
        self.signed[role] = Targets(expires=self.targets.expires)
        self.signed[role].version = 0  # until it is published
        self.keys[role] = [key]

    @contextmanager
    def served(self) -> Iterator[str]:
        """Yield the address of a web server that has `files`."""
        repository = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.lstrip("/")
                repository.asked.append(path)
                data = repository.files.get(path)
                if data is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            yield f"http://127.0.0.1:{server.server_address[1]}"
            server.shutdown()
            thread.join()
