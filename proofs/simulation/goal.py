"""Where every machine has to be in the end."""

from __future__ import annotations

from gaia.model.tag import Tag
from gaia.model.worker import WorkerState
from gaia.protocol.worker import Heartbeat
from gaia.trust import time_floor
from gaia.worker.journal import Journal
from proofs.simulation.machine import Machine
from proofs.simulation.releases import Behaviour, Build
from proofs.simulation.rules import Watcher
from proofs.simulation.server import Server

LAST = Build(Tag.parse("v1.0.0"), Behaviour.GOOD)
"""The release that every machine must run in the end."""


class Goal:
    """The last release, for good, and the server knows.

    Args:
        experiments: whether those of the release belong to it.
    """

    def __init__(self, server: Server, watcher: Watcher, *, experiments: bool) -> None:
        self._server = server
        self._watcher = watcher
        self._experiments = experiments

    def reached(self, machine: Machine) -> bool:
        """Whether a machine is there."""
        if machine.path.read_bytes() != LAST.content or machine.worker is None:
            return False
        journal = Journal(machine.installation.beside("journal"))
        journal.load()
        self._watcher.charges(machine)
        return (
            journal.state is WorkerState.IDLE
            and not machine.installation.beside("probation").exists()
            and (not self._experiments or self._watcher.rests_with(machine, LAST.bundle))
            and any(
                report.version == str(LAST.tag) and report.state == "idle"
                for report in self._reports(machine)
            )
        )

    def told(self, machine: Machine) -> str:
        """What the server last heard of a machine."""
        for report in self._reports(machine):
            return (
                f"{machine.name} is {report.state} with {report.version}, {report.reason}, "
                f"{report.alarm or 'no alarm'}, {report.failure or 'no failure'}"
            )
        return f"{machine.name} is silent"

    def _reports(self, machine: Machine) -> list[Heartbeat]:
        parts = self._server.parts
        workers = [] if parts is None else parts.fleet.all()
        return [w.report for w in workers if w.name == machine.name and w.report is not None]


def awaits_clock(machine: Machine) -> bool:
    """Its clock and the server's were ahead alike, by days, and were put right: it installs nothing
    before its clock has come to its last good refresh, and says so (ADR 6, Cost).
    """
    path = machine.state / "trust" / time_floor.FILENAME
    floor = float(path.read_text()) if path.exists() else 0.0
    behind = floor - machine.wall() > time_floor.TOLERANCE.total_seconds()
    return behind and machine.worker is not None
