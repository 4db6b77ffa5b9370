"""The server: the real database, blobs, trust repository, ledger, fleet and heartbeats.

Modelled: HTTP above them (uvicorn, the endpoints and the protocol class), reduced to a table of
four calls; and the loops of flusher and housekeeping, which the kernel's clock drives here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from gaia.errors import GaiaError, NotFound
from gaia.model.tag import Tag
from gaia.protocol.worker import Register, Registered
from gaia.server import problems
from gaia.server.blobs import Blobs
from gaia.server.deeds import Author
from gaia.server.fleet import Fleet
from gaia.server.heartbeat import HeartbeatService
from gaia.server.ledger import Ledger
from gaia.server.publishing import Publisher, Upload
from gaia.server.stewardship import Steward
from gaia.server.store import workers
from gaia.server.store.database import Database
from gaia.trust.drafting import Drafter, Holders
from gaia.trust.keys import KeyFolder
from gaia.trust.repository import Repository
from gaia.trust.roles import SNAPSHOT, TIMESTAMP
from proofs.simulation.disk import Space
from proofs.simulation.kernel import Kernel, Process
from proofs.simulation.network import Reply, Request
from proofs.simulation.releases import CHANNEL
from proofs.simulation.rules import Watcher
from proofs.simulation.system import wall

OPERATOR = Author("operator", "192.0.2.1")

_FLUSH = 5.0
_RENEWAL = 300.0
_RESTART = 5.0
_INTERVAL = 5.0
_RANGE = re.compile(r"bytes=(\d+)-")


@dataclass(frozen=True)
class Parts:
    """What one process of the server is made of."""

    database: Database
    repository: Repository
    ledger: Ledger
    fleet: Fleet
    heartbeats: HeartbeatService


Deed = Callable[[Ledger], None]
"""What an operator has the server do."""


class Server:
    """Attributes:
    folder: its data.
    skew: seconds that its clock is wrong by.
    fuse: called at every step; a fault burns in it.
    """

    def __init__(self, folder: Path, kernel: Kernel, watcher: Watcher) -> None:
        self.folder = folder
        self.disk = Space()
        self.skew = 0.0
        self.asleep_until = 0.0
        self.fuse: Callable[[Process], None] = lambda _: None
        self._kernel = kernel
        self._watcher = watcher
        self._process: Process | None = None
        self._parts: Parts | None = None

    @property
    def parts(self) -> Parts | None:
        """What it is made of while it serves."""
        return self._parts

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._process is None:
            self._process = self._kernel.start(self, "server", self._serve)

    def do(self, deed: Deed, done: Callable[[GaiaError | None], None]) -> bool:
        """Have it do something; `done` is not called when it dies over it. False: it is down."""
        parts = self._parts
        if self._process is None or parts is None:
            return False

        def attempt() -> None:
            error = None
            try:
                deed(parts.ledger)
            except GaiaError as refusal:
                error = refusal
            done(error)

        self._process.spawn(attempt)
        return True

    def answer(self, request: Request) -> Reply | None:
        """What it answers; None while it is down."""
        if self._parts is None:
            return None
        try:
            return _answer(self._parts, request)
        except GaiaError as error:
            status, body = problems.document(error)
            return Reply(status, body, problems.headers(error))

    # What the system asks of a host.

    def ended(self, process: Process) -> None:
        """Its process is no more; it is started again."""
        self._watcher.ended(self, process)
        if self._parts is not None:
            self._parts.database.close()
        self._process = self._parts = None
        self._kernel.at(self._kernel.now + _RESTART, self.start)

    def step(self, process: Process) -> None:
        """A change of the disk, which may not come to pass."""
        self.fuse(process)

    def changed(self, process: Process) -> None:
        """Nothing is checked here."""

    def monotonic(self) -> float:
        """Seconds."""
        return self._kernel.now

    def wall(self) -> float:
        """Seconds since the epoch, by its own clock."""
        return wall(self._kernel.now + self.skew)

    def now(self) -> datetime:
        """The same."""
        return datetime.fromtimestamp(self.wall(), UTC)

    def execute(self, process: Process) -> None:
        """A server becomes nothing else."""
        raise NotImplementedError

    def self_check(self, staged: Path) -> None:
        """Nor does it check anything."""
        raise NotImplementedError

    def pools(self) -> Any:
        """Nor does it call anyone."""
        raise NotImplementedError

    def _serve(self) -> None:
        database = Database(f"sqlite:///{self.folder / 'gaia.db'}")
        try:
            blobs = Blobs(self.folder / "blobs")
            repository = Repository.open(self.folder / "tuf", self.folder / "keys", self.now)
            ledger = Ledger(database, blobs, repository, self.now)
            ledger.start()
            fleet = Fleet(now=self.wall)
            with database.read() as connection:
                fleet.load(workers.load_all(connection))
        except BaseException:
            database.close()
            raise
        heartbeats = HeartbeatService(fleet, ledger.catalogue, _INTERVAL)
        self._parts = Parts(database, repository, ledger, fleet, heartbeats)
        next_renewal = self._kernel.now + _RENEWAL
        while True:
            self._kernel.wait(_FLUSH)
            _flush(fleet, database)
            if self._kernel.now >= next_renewal:
                next_renewal = self._kernel.now + _RENEWAL
                self.do(_renew, lambda _: None)


def publish(tag: Tag, filename: str, content: bytes) -> Deed:
    """Upload a file of a release."""

    def deed(ledger: Ledger) -> None:
        blob = ledger.blobs.writer()
        try:
            blob.write(content)
            blob.seal()
            Publisher(ledger).accept(Upload(tag, filename, CHANNEL, None, OPERATOR), blob)
        finally:
            blob.discard()

    return deed


def withdraw(tag: Tag) -> Deed:
    """Withdraw one."""
    return lambda ledger: Steward(ledger).withdraw(tag, OPERATOR)


def set_channel(current: Tag | None, floor: Tag | None) -> Deed:
    """Move the pointer, or the floor."""
    return lambda ledger: Steward(ledger).set_channel(CHANNEL, current, floor, OPERATOR)


def replace_online_key(keys: Path) -> Deed:
    """What an operator does after a theft, with the root keys: the thief's signatures are void."""

    def deed(ledger: Ledger) -> None:
        repository = ledger.repository
        key = repository.make_online_key()
        drafter = Drafter(repository.roles, ledger.now())
        for role in (SNAPSHOT, TIMESTAMP):
            drafter.hand_over(role, Holders((key,)))
        bundle = drafter.bundle().signed_by(KeyFolder(keys).root.all(), repository.roles)
        Steward(ledger).accept_bundle(bundle, OPERATOR)

    return deed


def _flush(fleet: Fleet, database: Database) -> None:
    changed = fleet.take_dirty()
    if not changed:
        return
    try:
        with database.write() as connection:
            workers.save_batch(connection, changed)
    except GaiaError:
        fleet.mark_dirty(changed)


def _renew(ledger: Ledger) -> None:
    ledger.renew()


def _answer(parts: Parts, request: Request) -> Reply:
    match request.path.strip("/").split("/"):
        case ["api", "workers", "register"]:
            worker_id = parts.fleet.register(msgspec.json.decode(request.body, type=Register))
            return Reply(200, msgspec.json.encode(Registered(worker_id)))
        case ["api", "workers", "heartbeat", worker_id]:
            return Reply(200, parts.heartbeats.answer(worker_id, request.body))
        case ["tuf", name]:
            data = parts.repository.read(unquote(name))
            if data is not None:
                return Reply(200, data)
        case ["releases", tag, filename]:
            return _file(parts, Tag.parse(tag), filename, request)
        case _:
            pass
    raise NotFound("not-found", f"There is nothing at {request.path}.")


def _file(parts: Parts, tag: Tag, filename: str, request: Request) -> Reply:
    artifact = parts.ledger.catalogue().artifact(tag, filename)
    if artifact is None:
        raise NotFound("no-such-file", f"There is no {tag}/{filename}.")
    data = parts.ledger.blobs.path(artifact.sha256).read_bytes()
    wanted = _RANGE.fullmatch(request.headers.get("range", ""))
    if wanted is None or request.headers.get("if-range") != f'"{artifact.sha256}"':
        return Reply(200, data, {"content-length": str(len(data))})
    start, size = int(wanted[1]), len(data)
    return Reply(206, data[start:], {"content-range": f"bytes {start}-{size - 1}/{size}"})
