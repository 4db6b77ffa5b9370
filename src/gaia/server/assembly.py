"""The composition root: which part gets which."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.applications import Starlette

from gaia.server.api.channels import Channels
from gaia.server.api.fleet import FleetView
from gaia.server.api.operations import Operations
from gaia.server.api.releases import Releases
from gaia.server.api.tokens import Administration
from gaia.server.api.trust import Trust
from gaia.server.api.workers import Workers
from gaia.server.app import Guard, make_app
from gaia.server.auth import Authenticator
from gaia.server.blobs import Blobs, storage_error
from gaia.server.dashboard import Dashboard
from gaia.server.endpoints import Endpoint
from gaia.server.expiry_watch import ExpiryWatch
from gaia.server.fleet import Fleet
from gaia.server.flusher import Flusher
from gaia.server.heartbeat import HeartbeatService
from gaia.server.housekeeping import Housekeeping
from gaia.server.journal import Journal
from gaia.server.ledger import Ledger
from gaia.server.limits import BoundedProtocol
from gaia.server.metrics import Metrics
from gaia.server.openapi import describe
from gaia.server.publishing import Publisher
from gaia.server.sessions import Sessions
from gaia.server.settings import Settings
from gaia.server.stewardship import Steward
from gaia.server.store.database import Database
from gaia.server.tokens import Tokens
from gaia.server.uploads import Uploads
from gaia.server.wire import protocol_class
from gaia.trust.repository import Mode, Repository


@dataclass(frozen=True)
class Assembly:
    """A server that is ready to be served.

    Attributes:
        endpoints: all that the HTTP interface offers, pages excepted.
        fingerprint: of the trust root, hexadecimal.
        mode: who signs releases.
    """

    app: Starlette
    protocol: type[asyncio.Protocol]
    endpoints: list[Endpoint]
    fingerprint: str
    mode: Mode
    database: Database


def _now() -> datetime:
    return datetime.now(UTC)


def assemble(settings: Settings, now: Callable[[], datetime] = _now) -> Assembly:
    """Open everything in the data folder and put the server together.

    Args:
        now: the time, in UTC.

    Raises:
        GaiaError: something there cannot be opened.
    """
    database = Database(settings.database_url)
    database.migrate()
    blobs = Blobs(settings.blobs_folder)
    try:
        repository = Repository.open(settings.data_dir / "tuf", settings.data_dir / "keys", now)
    except OSError as error:
        raise storage_error(error) from error
    ledger = Ledger(database, blobs, repository, now)
    ledger.start()
    publisher, steward = Publisher(ledger), Steward(ledger)
    authenticator = Authenticator(settings.token)
    tokens = Tokens(database, authenticator, now)
    tokens.load()
    journal = Journal(database, authenticator)
    fleet = Fleet()
    flusher = Flusher(fleet, database)
    flusher.load()
    watch = ExpiryWatch(repository.expiries, now)
    housekeeping = Housekeeping(database, authenticator, journal, ledger, watch)
    metrics = Metrics(fleet, repository.expiries, now)
    sessions = Sessions()
    view = FleetView(fleet, ledger.catalogue)
    heartbeats = HeartbeatService(fleet, ledger.catalogue, settings.min_heartbeat_interval)

    operations = Operations(database, metrics, lambda: describe(endpoints))
    endpoints = [
        *Uploads(publisher, blobs, metrics, settings.max_upload_size).endpoints(),
        *Releases(ledger, steward, blobs, metrics).endpoints(),
        *Channels(ledger, steward).endpoints(),
        *Trust(repository, ledger, steward, now).endpoints(),
        *Workers(fleet, ledger.catalogue, heartbeats).endpoints(),
        *view.endpoints(),
        *Administration(tokens, journal).endpoints(),
        *operations.endpoints(),
    ]
    dashboard = Dashboard(view, ledger, authenticator, sessions, repository, now)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001
        async with asyncio.TaskGroup() as background:
            background.create_task(flusher.run())
            background.create_task(housekeeping.run())
            yield
            flusher.stop()
            housekeeping.stop()

    guard = Guard(authenticator, sessions, metrics)
    return Assembly(
        app=make_app(endpoints, dashboard.routes(), guard, lifespan),
        protocol=type("Protocol", (BoundedProtocol, protocol_class(heartbeats, authenticator)), {}),
        endpoints=endpoints,
        fingerprint=repository.fingerprint,
        mode=repository.mode,
        database=database,
    )
