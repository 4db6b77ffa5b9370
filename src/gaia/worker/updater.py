"""The updater: one `poll` that a main loop calls, and everything moves."""

from __future__ import annotations

import threading

import structlog

from gaia.errors import Refused, TransportError
from gaia.model.directive import Action, Directive, Reason
from gaia.model.tag import Tag
from gaia.model.worker import WorkerState
from gaia.planning.directive import admit
from gaia.planning.probation import Evidence
from gaia.protocol.worker import Heartbeat, HeartbeatAnswer
from gaia.worker.background import Background
from gaia.worker.metadata import Metadata
from gaia.worker.schedule import Schedule
from gaia.worker.session import Session
from gaia.worker.sync import ExperimentsSync
from gaia.worker.update import Update
from gaia.worker.workload import Workload

log = structlog.get_logger()

TICK = 0.2
"""Seconds between polls: how soon an ended workload or download is noticed."""


class Updater:
    """Heartbeats, and acting on what they bring, one small step at a time."""

    def __init__(
        self,
        *,
        version: str,
        platform: str,
        channel: str,
        session: Session,
        schedule: Schedule,
        background: Background,
        metadata: Metadata,
        update: Update | None,
        sync: ExperimentsSync | None,
        workload: Workload | None,
    ) -> None: ...
