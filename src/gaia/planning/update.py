"""One update of a worker as a state machine. Everything that moves a worker's state is here.

The diagram in `docs/explanation/update.md` is drawn from `TRANSITIONS` by
`python -m gaia.planning.update`, and a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum

from gaia.model.worker import WorkerState as S


class Event(StrEnum):
    """What happened to an update."""

    OFFERED = "offered"
    FETCHED = "fetched"
    PASSED_PREFLIGHT = "passed-preflight"
    DRAINED = "drained"
    SWAPPED = "swapped"
    COMMITTED = "committed"
    CONDEMNED = "condemned"
    RESTORED = "restored"
    FAILED = "failed"
    RESTARTED = "restarted"


TRANSITIONS: dict[tuple[S, Event], S] = {
    (S.IDLE, Event.OFFERED): S.FETCHING,
    (S.FETCHING, Event.FETCHED): S.VERIFIED,
    (S.FETCHING, Event.FAILED): S.IDLE,
    (S.VERIFIED, Event.PASSED_PREFLIGHT): S.DRAINING,
    (S.VERIFIED, Event.FAILED): S.IDLE,
    (S.DRAINING, Event.DRAINED): S.SWAPPING,
    (S.DRAINING, Event.FAILED): S.IDLE,
    (S.SWAPPING, Event.SWAPPED): S.PROBATION,
    (S.SWAPPING, Event.FAILED): S.REVERTING,
    (S.PROBATION, Event.COMMITTED): S.IDLE,
    (S.PROBATION, Event.CONDEMNED): S.REVERTING,
    (S.REVERTING, Event.RESTORED): S.IDLE,
    (S.REVERTING, Event.FAILED): S.INCONSISTENT,
    (S.INCONSISTENT, Event.RESTORED): S.IDLE,
    # A process that starts anew finds the state of the one before it.
    (S.IDLE, Event.RESTARTED): S.IDLE,
    (S.FETCHING, Event.RESTARTED): S.IDLE,
    (S.VERIFIED, Event.RESTARTED): S.IDLE,
    (S.DRAINING, Event.RESTARTED): S.IDLE,
    (S.SWAPPING, Event.RESTARTED): S.SWAPPING,
    (S.PROBATION, Event.RESTARTED): S.PROBATION,
    (S.REVERTING, Event.RESTARTED): S.REVERTING,
    (S.INCONSISTENT, Event.RESTARTED): S.INCONSISTENT,
}


class IllegalTransition(AssertionError):
    """A move that is not in the table: a bug of ours, never a condition of the world."""


def advance(state: S, event: Event) -> S:
    """The state after `event`.

    Raises:
        IllegalTransition: the table has no such move.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"{event} in state {state}") from None


def route(state: S, goal: S) -> tuple[Event, ...]:
    """The fewest moves from `state` to `goal`: how a journal catches up with what a disk shows."""
    paths: dict[S, tuple[Event, ...]] = {state: ()}
    queue = [state]
    for here in queue:
        for (before, event), after in TRANSITIONS.items():
            if before is here and after not in paths:
                paths[after] = (*paths[here], event)
                queue.append(after)
    return paths[goal]


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> idle"]
    lines += [
        f"    {before} --> {after}: {event}"
        for (before, event), after in TRANSITIONS.items()
        if event is not Event.RESTARTED
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram())
