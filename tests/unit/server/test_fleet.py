"""The registry of workers."""

import msgspec
import pytest

from gaia.errors import InvalidInput, NotFound, Refused
from gaia.protocol.worker import Failure, Heartbeat, Outcome, Register, Workload
from gaia.server.fleet import FAILED, OUTCOMES, Fleet, bounded

DIGEST = "ab" * 32


class Clock:
    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time


def failure(sha256: str = DIGEST, reason: str = "exited") -> Failure:
    return Failure("v0.5.0", sha256, reason, "It ended at once.", "Traceback", 990.0)


def test_the_id_needs_no_memory() -> None:
    introduction = Register(name="lab-3", machine="m1")
    assert Fleet().register(introduction) == Fleet().register(introduction)


def test_name_and_machine_make_the_id() -> None:
    fleet = Fleet()
    pairs = [("a", ""), ("a", "b"), ("ab", ""), ("a", "c"), ('a", "', "b")]
    assert len({fleet.register(Register(name=n, machine=m)) for n, m in pairs}) == len(pairs)


def test_registering_again_keeps_what_is_known() -> None:
    clock = Clock()
    fleet = Fleet(now=clock)
    worker_id = fleet.register(Register(name="lab-3", version="0.4.9"))
    fleet.beat(worker_id, Heartbeat("v0.4.9", "linux", failure=failure()))
    clock.time = 2_000.0
    fleet.register(Register(name="lab-3", version="0.5.0", platform="windows", channel="beta"))
    worker = fleet.get(worker_id)
    assert (worker.version, worker.platform, worker.channel) == ("0.5.0", "windows", "beta")
    assert (worker.failed, worker.heartbeats, worker.last_seen) == ((DIGEST,), 1, 2_000.0)
    assert worker.registered_at == "1970-01-01T00:16:40+00:00"


@pytest.mark.parametrize("name", ["", " a", "a\n", "a\x00b", "x" * 129, "\u202eb"])
def test_names_that_cannot_be_shown_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Fleet().register(Register(name=name))
    assert caught.value.code == "invalid-worker-name"


def test_a_full_fleet_takes_the_known_only() -> None:
    fleet = Fleet(capacity=1)
    known = fleet.register(Register(name="first"))
    with pytest.raises(Refused) as caught:
        fleet.register(Register(name="second"))
    assert caught.value.code == "fleet-full"
    assert fleet.register(Register(name="first")) == known
    assert len(fleet) == 1


def test_an_unknown_worker_is_told_to_register() -> None:
    fleet = Fleet()
    for call in (fleet.get, fleet.legacy_beat):
        with pytest.raises(NotFound, match="Register again") as caught:
            call("0" * 32)
        assert caught.value.code == "unknown-worker"


def test_a_failure_stays_and_its_release_is_remembered() -> None:
    fleet = Fleet()
    worker_id = fleet.register(Register(name="w"))
    fleet.beat(worker_id, Heartbeat("v0.4.9", "linux", failure=failure()))
    worker = fleet.beat(worker_id, Heartbeat("v0.4.9", "linux"))
    assert worker.failure == failure()
    assert worker.failed == (DIGEST,)


@pytest.mark.parametrize(
    "harmless",
    [failure(reason="no-space"), failure(reason="never heard of"), failure(sha256="nonsense")],
)
def test_only_the_releases_own_faults_count_against_it(harmless: Failure) -> None:
    fleet = Fleet()
    worker_id = fleet.register(Register(name="w"))
    worker = fleet.beat(worker_id, Heartbeat("v0.4.9", "linux", failure=harmless))
    assert (worker.failure, worker.failed) == (harmless, ())


def test_failed_releases_are_bounded_oldest_out() -> None:
    fleet = Fleet()
    worker_id = fleet.register(Register(name="w"))
    digests = [f"{number:064x}" for number in range(FAILED + 5)]
    for digest in digests:
        fleet.beat(worker_id, Heartbeat("v1.0.0", "linux", failure=failure(digest)))
    assert fleet.get(worker_id).failed == tuple(digests[5:])


def test_outcomes_are_kept_once_and_bounded() -> None:
    fleet = Fleet()
    worker_id = fleet.register(Register(name="w"))
    runs = [Outcome(0, float(number), 1.0, "itself") for number in range(OUTCOMES + 5)]
    for run in runs:
        for _ in range(2):  # the answer to the first was lost
            fleet.beat(
                worker_id, Heartbeat("v1.0.0", "linux", workload=Workload("up", outcomes=[run]))
            )
    assert fleet.get(worker_id).outcomes == tuple(runs[5:])


def test_an_alarm_has_the_time_of_its_beginning() -> None:
    clock = Clock()
    fleet = Fleet(now=clock)
    worker_id = fleet.register(Register(name="w"))
    for clock.time, alarm in ((1.0, "bad"), (2.0, "worse")):
        fleet.beat(worker_id, Heartbeat("v1.0.0", "linux", alarm=alarm))
    assert (fleet.get(worker_id).alarm, fleet.get(worker_id).alarm_at) == ("worse", 1.0)
    fleet.beat(worker_id, Heartbeat("v1.0.0", "linux"))
    assert (fleet.get(worker_id).alarm, fleet.get(worker_id).alarm_at) == ("", None)


def test_a_hostile_worker_cannot_fill_the_memory() -> None:
    long = "x\0" * 100_000
    worker_id = (fleet := Fleet()).register(
        Register(
            name="w",
            machine=long,
            version=long,
            platform=long,
            labels={f"{number}{long}": long for number in range(100)},
        )
    )
    heartbeat = Heartbeat(
        version=long,
        platform=long,
        state=long,
        reason=long,
        bundle=long,
        alarm=long,
        externally_managed=long,
        channel=long,
        target=long,
        workload=Workload(long, outcomes=[Outcome(0, 0.0, 0.0, long)] * 10_000),
        failure=Failure(long, long, long, long, long, 0.0),
    )
    worker = fleet.beat(worker_id, bounded(heartbeat))
    stored = msgspec.json.encode(worker)
    assert len(stored) < 100_000
    assert b"\\u0000" not in stored.replace(msgspec.json.encode(worker.failure), b"")


def test_what_changed_is_taken_once_and_may_be_given_back() -> None:
    fleet = Fleet()
    worker_id = fleet.register(Register(name="w"))
    fleet.register(Register(name="other"))
    assert len(fleet.take_dirty()) == 2
    fleet.legacy_beat(worker_id)
    taken = fleet.take_dirty()
    assert [worker.id for worker in taken] == [worker_id]
    assert fleet.take_dirty() == []
    fleet.mark_dirty(taken)
    assert fleet.take_dirty() == taken


def test_a_failure_is_forgotten_once_a_later_release_runs() -> None:
    fleet = Fleet()
    worker_id = fleet.register(Register(name="w"))
    failure = Failure("v1.1.0", "a" * 64, "exited", "It ended.", "", 1.0)
    fleet.beat(worker_id, Heartbeat("v1.0.0", "linux", failure=failure))
    fleet.beat(worker_id, Heartbeat("v1.0.1", "linux"))
    assert fleet.get(worker_id).failure == failure
    fleet.beat(worker_id, Heartbeat("v1.2.0", "linux"))
    assert fleet.get(worker_id).failure is None
    assert "a" * 64 in fleet.get(worker_id).failed


@pytest.mark.parametrize(
    ("clock", "skew", "skewed"),
    [(1_000.0, 0.0, False), (940.0, -60.0, False), (4_600.0, 3_600.0, True), (None, None, False)],
)
def test_the_skew_of_a_workers_clock(clock: float | None, skew: float | None, skewed: bool) -> None:
    fleet = Fleet(now=Clock())
    worker_id = fleet.register(Register(name="lab-3"))
    assert fleet.get(worker_id).clock_skew is None
    worker = fleet.beat(worker_id, Heartbeat("v0.5.0", "linux", clock=clock))
    assert (worker.clock_skew, worker.skewed) == (skew, skewed)
    # A worker that says no more of its clock is not blamed for what it said once.
    fleet.beat(worker_id, Heartbeat("v0.5.0", "linux"))
    assert not worker.skewed
