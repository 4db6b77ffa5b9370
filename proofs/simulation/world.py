"""One world: a server, machines, an operator, and what a schedule has happen to them."""

from __future__ import annotations

import logging
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from gaia.model.artifact import EXPERIMENTS
from gaia.model.tag import Tag
from proofs.simulation import server as deeds
from proofs.simulation.calls import Calls
from proofs.simulation.faults import (
    TROUBLE,
    Corrupt,
    Crash,
    DiskFull,
    Event,
    Floor,
    GuardKilled,
    Network,
    NoMemory,
    Point,
    Publish,
    Schedule,
    Skew,
    Stop,
    Suspend,
    Theft,
    Withdraw,
)
from proofs.simulation.goal import LAST, Goal, awaits_clock
from proofs.simulation.kernel import Kernel, Process
from proofs.simulation.machine import Machine
from proofs.simulation.network import Link
from proofs.simulation.operator import Operator
from proofs.simulation.releases import FILENAME, Build
from proofs.simulation.rules import Violation, Watcher
from proofs.simulation.server import Server
from proofs.simulation.template import Template
from proofs.simulation.thief import Thief

LIMIT = 7200.0
"""Seconds in which a fleet must have converged once nothing goes wrong any more."""

_LOOK = 10.0
_OWNER_RETURNS = 60.0
_OWNER_NOTICES = 600.0


@dataclass(frozen=True)
class Outcome:
    """What came of a schedule.

    Attributes:
        seconds: of virtual time.
        trace: what happened, a line each.
        violation: the rule that was broken; None when all held.
    """

    seconds: float
    trace: tuple[str, ...]
    violation: Violation | None


def run(schedule: Schedule, template: Template) -> Outcome:
    """Let a schedule happen."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    folder = Path(tempfile.mkdtemp(prefix="world-", dir=template.folder))
    world = _World(schedule, template, folder)
    try:
        return world.run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _World:
    def __init__(self, schedule: Schedule, template: Template, folder: Path) -> None:
        self._schedule = schedule
        self._kernel = kernel = Kernel(str(schedule.seed))
        self._watcher = Watcher(kernel, template.root)
        self._keys = template.root_keys
        self._watcher.signs(template.first)
        template.copy(folder / "server")
        self._server = Server(folder / "server", kernel, self._watcher)
        self._machines = [
            Machine(
                f"machine-{number}",
                folder / f"machine-{number}",
                kernel,
                manager=manager,
                root=template.root,
                link=Link(kernel, self._server.answer),
                watcher=self._watcher,
                first=template.first,
                experiments=schedule.experiments,
            )
            for number, manager in enumerate(schedule.machines)
        ]

        self._goal = Goal(self._server, self._watcher, experiments=schedule.experiments)
        filenames = {FILENAME, EXPERIMENTS} if schedule.experiments else {FILENAME}
        self._operator = operator = Operator(
            kernel, self._server, self._watcher, frozenset(filenames)
        )
        self._happenings: dict[type[Event], Callable[[Any], None]] = {
            Publish: lambda e: operator.publish(Build(Tag.parse(e.tag), e.behaviour)),
            Withdraw: lambda e: operator.does(e.key, deeds.withdraw(Tag.parse(e.tag))),
            Point: lambda e: operator.does(e.key, deeds.set_channel(Tag.parse(e.tag), None)),
            Floor: lambda e: operator.does(e.key, deeds.set_channel(None, Tag.parse(e.tag))),
            Network: self._disturb,
            DiskFull: self._fill,
            NoMemory: self._starve,
            Crash: self._arm,
            GuardKilled: lambda e: self._machines[e.machine].kill("guard"),
            Stop: lambda e: self._machines[e.machine].stop(),
            Suspend: lambda e: self._machines[e.machine].suspend(e.seconds),
            Skew: lambda e: setattr(self._host(e.machine), "skew", e.seconds),
            Corrupt: self._corrupt,
            Theft: self._steal,
        }

    def run(self) -> Outcome:
        """All of it: trouble, then peace."""
        kernel = self._kernel
        with Calls(kernel).interposed():
            kernel.at(0, self._server.start)
            for machine in self._machines:
                self._watcher.changed(machine)
                kernel.at(0, machine.start)
            for event in self._schedule.events:
                self._plan(event)
            kernel.at(TROUBLE, self._make_peace)
            kernel.run(TROUBLE + LIMIT)
            if not kernel.stopped:
                goal = self._goal
                late = [m for m in self._machines if not (goal.reached(m) or awaits_clock(m))]
                if late:
                    self._watcher.violated("converges", "; ".join(map(goal.told, late)))
            kernel.end()
        return Outcome(kernel.now, tuple(self._watcher.trace), self._watcher.violation)

    def _plan(self, event: Event) -> None:
        def happen() -> None:
            self._watcher.note(f"{event}")
            self._happen(event)

        self._kernel.at(event.at, happen)

    def _happen(self, event: Event) -> None:
        self._happenings[type(event)](event)

    def _host(self, number: int) -> Machine | Server:
        return self._server if number < 0 else self._machines[number]

    # Faults.

    def _disturb(self, event: Network) -> None:
        weather = self._machines[event.machine].link.weather
        weather.append(event)
        self._kernel.at(event.until, lambda: weather.remove(event))

    def _fill(self, event: DiskFull) -> None:
        disk = self._host(event.machine).disk
        disk.full = True
        self._kernel.at(event.until, lambda: setattr(disk, "full", False))

    def _starve(self, event: NoMemory) -> None:
        machine = self._machines[event.machine]
        machine.memory = False
        self._kernel.at(event.until, lambda: setattr(machine, "memory", True))

    def _arm(self, event: Crash) -> None:
        host, steps = self._host(event.machine), event.steps

        def burn(process: Process) -> None:
            nonlocal steps
            if process.name == "guard" and not event.power:
                return
            steps -= 1
            if steps < 0:
                host.fuse = _unarmed
                self._strike(event, host, process)

        host.fuse = burn

    def _strike(self, event: Crash, host: Machine | Server, process: Process) -> None:
        self._watcher.note(f"{event.key} strikes {process.name} {process.pid}")
        if isinstance(host, Server):
            process.end()
            return
        if event.power:
            host.cut_power(random.Random(event.key), _OWNER_RETURNS)
            self._kernel.at(self._kernel.now, lambda: self._watcher.lost_power(host))
        else:
            self._watcher.killed(host)
            process.end()

    def _corrupt(self, event: Corrupt) -> None:
        if event.machine < 0:
            blobs = (self._server.folder / "blobs").glob("??/*")
            found = sorted(blobs, key=lambda path: path.stat().st_mtime_ns)
        else:
            staged = self._machines[event.machine].installation.staged
            found = [staged] if staged.exists() and staged.stat().st_size else []
        if found:
            data = bytearray(found[-1].read_bytes())
            data[random.Random(event.key).randrange(len(data))] ^= 1
            found[-1].write_bytes(data)

    def _steal(self, event: Theft) -> None:
        link = self._machines[event.machine].link
        thief = Thief(self._server.folder, self._server.now(), event.plot)
        link.answering = thief.answer

        def caught() -> None:
            link.answering = self._server.answer

        self._kernel.at(event.until, caught)

    # Peace.

    def _make_peace(self) -> None:
        """Nothing goes wrong any more, and the operator publishes something good."""
        self._watcher.note("peace")
        self._server.fuse = _unarmed
        self._server.skew = 0.0
        for machine in self._machines:
            machine.fuse = _unarmed
            machine.skew = 0.0
        if any(isinstance(event, Theft) for event in self._schedule.events):
            self._operator.does("a new online key", deeds.replace_online_key(self._keys))
        self._operator.publish(LAST)
        self._look()

    def _look(self) -> None:
        if all(map(self._goal.reached, self._machines)):
            self._watcher.note("all is well")
            self._kernel.stopped = True
            return
        for machine in self._machines:
            self._free(machine)
        self._kernel.at(self._kernel.now + _LOOK, self._look)

    def _free(self, machine: Machine) -> None:
        """A release that hangs while nothing guards it: sooner or later somebody restarts it."""
        worker = machine.worker
        if worker is None or not worker.frozen or machine.guarded:
            return

        def notice() -> None:
            if worker.alive:
                self._watcher.note(f"{machine.name} hangs, and its owner restarts it")
                worker.end()

        self._kernel.at(self._kernel.now + _OWNER_NOTICES, notice)


def _unarmed(_: Process) -> None:
    """Nothing burns."""
