"""What happens to a fleet: a schedule of events, drawn from a seed, each independent of others."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from proofs.simulation.releases import Behaviour

TROUBLE = 400.0
"""Seconds in which things go wrong."""

FIRST = "v0.1.0"
"""The release that every machine begins with."""

BAD = [behaviour for behaviour in Behaviour if behaviour is not Behaviour.GOOD]


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


PLOTS = ("forge", "lowest", "highest", "roll-back", "ahead", "evil-bytes")
KINDS = (
    "request-lost",
    "answer-lost",
    "delayed",
    "duplicated",
    "broken",
    "stalled",
    "corrupted",
)


_WITH_EXPERIMENTS = 0.5
_MORE_STEPS = 3


def draw(seed: int) -> Schedule:
    """The schedule of a seed; every other one has experiments."""
    # Chance of its own: what a seed was found with before there were any stays what it was.
    if random.Random(f"{seed}/experiments").random() < _WITH_EXPERIMENTS:
        return with_experiments(plain(seed))
    return plain(seed)


def plain(seed: int) -> Schedule:
    """The schedule of a seed, without experiments."""
    chance = random.Random(seed)
    machines = tuple(chance.choice(list(Manager)) for _ in range(chance.randint(1, 3)))
    events = _operator(seed, chance)
    deeds = [event.at for event in events]
    for number in range(chance.randint(1, 10)):
        make = chance.choice(_MAKERS)
        at = _moment(deeds, chance)
        events.append(make(at, f"{seed}/fault-{number}", len(machines), chance))
    return Schedule(seed, machines, tuple(sorted(events, key=lambda event: event.at)))


def with_experiments(schedule: Schedule) -> Schedule:
    """The same with bundles; they take more changes of the disk, so crashes come later, too."""
    events = (
        replace(event, steps=event.steps * _MORE_STEPS) if isinstance(event, Crash) else event
        for event in schedule.events
    )
    return replace(schedule, events=tuple(events), experiments=True)


def _moment(deeds: list[float], chance: random.Random) -> float:
    """Any time, or soon after a deed: then machines are about to change."""
    at = chance.uniform(0, TROUBLE)
    if chance.random() < 0.6:
        at = min(TROUBLE, chance.choice(deeds) + chance.uniform(0, 60))
    return round(at, 1)


def _operator(seed: int, chance: random.Random) -> list[Event]:
    tags = [FIRST]
    events: list[Event] = []
    times = sorted(round(chance.uniform(0, TROUBLE), 1) for _ in range(chance.randint(2, 5)))
    for number, at in enumerate(times):
        key = f"{seed}/deed-{number}"
        deed = chance.random()
        if deed < 0.65 or len(tags) == 1:
            tags.append(f"v0.{len(tags) + 1}.0")
            behaviour = Behaviour.GOOD if chance.random() < 0.5 else chance.choice(BAD)
            events.append(Publish(at, key, tags[-1], behaviour))
        else:
            kind = Withdraw if deed < 0.8 else Point if deed < 0.95 else Floor
            events.append(kind(at, key, chance.choice(tags)))
    return events


_Maker = Callable[[float, str, int, random.Random], Event]


def _until(at: float, chance: random.Random) -> float:
    return min(TROUBLE, round(at + chance.uniform(20, 200), 1))


def _network(at: float, key: str, machines: int, chance: random.Random) -> Event:
    kinds = tuple(chance.sample(KINDS, chance.randint(1, 3)))
    return Network(
        at,
        key,
        machine=chance.randrange(machines),
        until=_until(at, chance),
        kinds=kinds,
        harm=chance.choice([0.2, 0.5, 1.0]),
        delay=chance.choice([1.0, 10.0, 40.0]),
    )


_MAKERS: tuple[_Maker, ...] = (
    _network,
    _network,
    lambda at, key, n, chance: DiskFull(
        at, key, machine=chance.randrange(-1, n), until=_until(at, chance)
    ),
    lambda at, key, n, chance: NoMemory(
        at, key, machine=chance.randrange(n), until=_until(at, chance)
    ),
    lambda at, key, n, chance: Crash(
        at, key, machine=chance.randrange(n), steps=chance.randrange(60), power=False
    ),
    lambda at, key, n, chance: Crash(
        at, key, machine=chance.randrange(n), steps=chance.randrange(60), power=True
    ),
    lambda at, key, _, chance: Crash(at, key, machine=-1, steps=chance.randrange(40), power=False),
    lambda at, key, n, chance: GuardKilled(at, key, machine=chance.randrange(n)),
    lambda at, key, n, chance: Stop(at, key, machine=chance.randrange(n)),
    lambda at, key, n, chance: Suspend(
        at, key, machine=chance.randrange(n), seconds=round(chance.uniform(10, 300), 1)
    ),
    lambda at, key, n, chance: Skew(
        at,
        key,
        machine=chance.randrange(-1, n),
        seconds=chance.choice([-1, 1]) * chance.choice([90.0, 2e4, 4e5, 4e7]),
    ),
    lambda at, key, n, chance: Corrupt(at, key, machine=chance.randrange(-1, n)),
    lambda at, key, n, chance: Theft(
        at,
        key,
        machine=chance.randrange(n),
        until=_until(at, chance),
        plot=chance.choice(PLOTS),
    ),
)
