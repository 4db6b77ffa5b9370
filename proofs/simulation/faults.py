"""What happens to a fleet: a schedule of events, each independent of the others."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proofs.simulation.releases import Behaviour

TROUBLE = 400.0
"""Seconds in which things go wrong."""

FIRST = "v0.1.0"
"""The release that every machine begins with."""


class Manager(StrEnum):
    """Who starts a worker that has ended."""

    SERVICE = "service"
    OWNER = "owner"


@dataclass(frozen=True)
class Event:
    """Something that happens at a time.

    Attributes:
        at: seconds since the beginning.
        key: names the event, and seeds the chance in it.
    """

    at: float
    key: str


@dataclass(frozen=True)
class Publish(Event):
    """The operator uploads a release."""

    tag: str
    behaviour: Behaviour


@dataclass(frozen=True)
class Withdraw(Event):
    """The operator withdraws one."""

    tag: str


@dataclass(frozen=True)
class Point(Event):
    """The operator moves the channel's pointer, up or down."""

    tag: str


@dataclass(frozen=True)
class Floor(Event):
    """The operator moves the floor."""

    tag: str


@dataclass(frozen=True)
class Network(Event):
    """Messages of a machine are lost, delayed, duplicated, cut short or changed.

    Attributes:
        until: seconds since the beginning.
        kinds: what may become of a message.
        harm: share of the messages that something becomes of.
        delay: seconds, at most, each way.
    """

    machine: int
    until: float
    kinds: tuple[str, ...]
    harm: float
    delay: float


@dataclass(frozen=True)
class DiskFull(Event):
    """No space is left on a machine, or on the server (-1)."""

    machine: int
    until: float


@dataclass(frozen=True)
class NoMemory(Event):
    """A machine cannot start any process."""

    machine: int
    until: float


@dataclass(frozen=True)
class Crash(Event):
    """A process is killed right before its next changes of the disk but `steps`.

    Attributes:
        machine: -1 is the server.
        power: of the whole machine; what was not synced is lost.
    """

    machine: int
    steps: int
    power: bool


@dataclass(frozen=True)
class GuardKilled(Event):
    """A machine's guard is killed, if there is one."""

    machine: int


@dataclass(frozen=True)
class Stop(Event):
    """A machine's worker is told to end."""

    machine: int


@dataclass(frozen=True)
class Suspend(Event):
    """A machine sleeps."""

    machine: int
    seconds: float


@dataclass(frozen=True)
class Skew(Event):
    """The wall clock of a machine, or of the server (-1), is wrong until the trouble is over."""

    machine: int
    seconds: float


@dataclass(frozen=True)
class Corrupt(Event):
    """Bytes change at rest: the staged file of a machine, or the newest blob of the server (-1)."""

    machine: int


@dataclass(frozen=True)
class Theft(Event):
    """Who has stolen the online key answers a machine in the server's place, with an evil plot."""

    machine: int
    until: float
    plot: str


@dataclass(frozen=True)
class Schedule:
    """All that decides a world.

    Attributes:
        machines: by who looks after each.
        experiments: releases have a bundle, and machines keep it current.
    """

    seed: int
    machines: tuple[Manager, ...]
    events: tuple[Event, ...]
    experiments: bool = False
