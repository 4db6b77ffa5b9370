"""Schedules drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from proofs.simulation.faults import (
    FIRST,
    TROUBLE,
    Corrupt,
    Crash,
    DiskFull,
    Event,
    Floor,
    GuardKilled,
    Manager,
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
from proofs.simulation.releases import Behaviour

BAD = [behaviour for behaviour in Behaviour if behaviour is not Behaviour.GOOD]

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
