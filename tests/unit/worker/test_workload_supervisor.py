"""The supervisor, with real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaia.planning.workload import WorkloadState
from gaia.protocol.worker import Outcome
from gaia.worker.workload import Workload
from gaia.worker.workload_memory import MAX_OUTCOMES
from support.workload_bench import Bench

WAIT = "import signal; signal.pause()"
READY_THEN_WAIT = "print('ready', flush=True); " + WAIT
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)\n"
    "while True: signal.pause()"
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def outcomes(workload: Workload) -> list[Outcome]:
    report = workload.report()
    assert report is not None
    return report.outcomes


def codes(workload: Workload) -> list[tuple[int, str]]:
    return [(outcome.exit_code, outcome.ended_by) for outcome in outcomes(workload)]


def restarts(workload: Workload) -> int:
    report = workload.report()
    assert report is not None
    return report.restarts


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_runs_in_the_folder_with_just_the_environment_given(bench: Bench) -> None:
    os.environ["GAIA_TEST_LEAK"] = "1"
    try:
        workload = bench.python(
            "import os; print(os.getcwd()); print(sorted(k for k in os.environ if k != 'LC_CTYPE'))"
        )
        workload.start()
    finally:
        del os.environ["GAIA_TEST_LEAK"]
    assert bench.line() == str(bench.folder / "place")
    assert bench.line() == "['GAIA_BUSY', 'PATH']"


def test_exit_0_is_done_and_not_run_again(bench: Bench) -> None:
    workload = bench.python("print('ran', flush=True)")
    workload.start()
    bench.until(workload, lambda: workload.state is WorkloadState.FINISHED)
    assert codes(workload) == [(0, "itself")]
    bench.now += 10_000
    workload.poll()
    assert workload.state is WorkloadState.FINISHED
    assert workload.exits == 1
    assert not workload.running

    workload.request_stop()
    assert workload.stopped
    workload.resume()
    assert workload.state is WorkloadState.FINISHED

    workload.start()
    bench.until(workload, lambda: workload.state is WorkloadState.FINISHED)
    assert codes(workload) == [(0, "itself"), (0, "itself")]


def test_a_failure_is_started_again_later_and_later(bench: Bench) -> None:
    workload = bench.python("raise SystemExit(3)")
    workload.start()
    for number, delay in enumerate((1, 2, 4), start=1):
        bench.until(workload, lambda: workload.state is WorkloadState.WAITING)
        bench.now += delay - 0.01
        workload.poll()
        assert restarts(workload) == number - 1
        bench.now += 0.02
        workload.poll()
        assert restarts(workload) == number
    bench.until(workload, lambda: workload.state is WorkloadState.WAITING)
    assert codes(workload) == [(3, "itself")] * 4
    report = workload.report()
    assert report is not None
    assert (report.state, report.restarts, report.pid) == ("waiting", 3, None)


def test_a_long_run_starts_the_delays_anew(bench: Bench) -> None:
    workload = bench.python(READY_THEN_WAIT)
    workload.start()
    for seconds in (0, 0, 400):
        assert bench.line() == "ready"
        bench.now += seconds
        report = workload.report()
        assert report is not None
        assert report.pid is not None
        os.kill(report.pid, signal.SIGKILL)
        bench.until(workload, lambda: workload.state is WorkloadState.WAITING)
        bench.now += {0: 2.01, 400: 1.01}[seconds]
        workload.poll()
    assert workload.running
    assert [outcome.seconds for outcome in outcomes(workload)] == [0, 0, 400]
    assert outcomes(workload)[-1].started_at == pytest.approx(1_700_001_004.02)


@pytest.mark.parametrize(
    "number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT], ids=lambda number: number.name
)
def test_a_signal_is_reported_as_the_shell_does(bench: Bench, number: signal.Signals) -> None:
    workload = bench.python(f"import os; os.kill(os.getpid(), {int(number)})")
    workload.start()
    bench.until(workload, lambda: workload.state is WorkloadState.WAITING)
    assert codes(workload) == [(128 + number, "itself")]


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [(None, 0, 127), ("#!/bin/sh\n", 0o644, 126), ("\x7fELFgarbage", 0o755, 126)],
    ids=["missing", "not executable", "garbage"],
)
def test_what_cannot_be_started_is_tried_again(
    bench: Bench, content: str | None, mode: int, code: int
) -> None:
    path = bench.folder / "program"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    workload = bench.workload([str(path)])
    workload.start()
    assert workload.state is WorkloadState.WAITING
    assert codes(workload) == [(code, "itself")]

    path.write_text("#!/bin/sh\necho at last\n")
    path.chmod(0o755)
    bench.now += 2
    workload.poll()
    assert bench.line() == "at last"


def test_a_folder_that_is_a_file_is_no_crash(bench: Bench) -> None:
    (bench.folder / "place").write_text("")
    workload = bench.python(WAIT)
    workload.start()
    assert codes(workload) == [(126, "itself")]


def test_drain_is_polite_first(bench: Bench) -> None:
    workload = bench.python(
        "import signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
        "print('ready', flush=True); signal.sigwait({signal.SIGTERM}); sys.exit(7)"
    )
    workload.start()
    assert bench.line() == "ready"
    workload.request_stop()
    bench.until(workload, lambda: workload.stopped)
    assert codes(workload) == [(7, "drain")]
    assert workload.exits == 0
    bench.now += 10_000
    workload.poll()
    assert workload.stopped


def test_drain_kills_after_the_grace(bench: Bench) -> None:
    workload = bench.python(STUBBORN, grace=10)
    workload.start()
    assert bench.line() == "ready"
    workload.request_stop()
    bench.now += 9.9
    workload.poll()
    assert workload.state is WorkloadState.STOPPING
    bench.now += 0.2
    workload.poll()
    bench.until(workload, lambda: workload.stopped)
    assert codes(workload) == [(137, "drain")]


def test_drain_reaches_children_wherever_they_went(bench: Bench) -> None:
    workload = bench.python(
        "import subprocess, sys\n"
        f"child = [sys.executable, '-c', {STUBBORN!r}]\n"
        "for options in ({}, {'process_group': 0}, {'start_new_session': True}):\n"
        "    print(subprocess.Popen(child, stdout=subprocess.PIPE, **options).pid, flush=True)\n"
        "print('ready', flush=True)\n" + WAIT,
        grace=5,
    )
    workload.start()
    children = [int(bench.line()) for _ in range(3)]
    assert bench.line() == "ready"
    assert all(alive(pid) for pid in children)
    workload.request_stop()
    bench.now += 6
    bench.until(workload, lambda: workload.stopped)
    assert not any(alive(pid) for pid in children)


def test_what_a_run_leaves_behind_is_gone_before_the_next(bench: Bench) -> None:
    workload = bench.python(
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "sys.exit(3)",
        grace=5,
    )
    workload.start()
    child = int(bench.line())
    bench.until(workload, lambda: workload.state is WorkloadState.STOPPING)
    assert codes(workload) == [(3, "itself")]
    assert alive(child)
    bench.now += 6
    bench.until(workload, lambda: restarts(workload) == 1)
    assert not alive(child)


def test_a_busy_workload_holds_a_drain_off(bench: Bench) -> None:
    workload = bench.python(
        "import os, signal; open(os.environ['GAIA_BUSY'], 'w')\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})\n"
        "print('ready', flush=True); signal.sigwait({signal.SIGUSR1})\n"
        "os.unlink(os.environ['GAIA_BUSY']); print('free', flush=True); signal.pause()",
        drain_timeout=100,
    )
    workload.start()
    assert bench.line() == "ready"
    workload.request_stop()
    bench.now += 99
    workload.poll()
    assert workload.state is WorkloadState.DRAINING
    assert workload.running
    report = workload.report()
    assert report is not None
    assert report.pid is not None
    os.kill(report.pid, signal.SIGUSR1)
    assert bench.line() == "free"
    bench.until(workload, lambda: workload.stopped)
    assert codes(workload) == [(143, "drain")]


@pytest.mark.parametrize("how", ["timeout", "stop now"])
def test_busy_has_an_end(bench: Bench, how: str) -> None:
    workload = bench.python(
        "import os; open(os.environ['GAIA_BUSY'], 'w')\n" + READY_THEN_WAIT, drain_timeout=100
    )
    workload.start()
    assert bench.line() == "ready"
    workload.request_stop()
    assert workload.state is WorkloadState.DRAINING
    if how == "timeout":
        bench.now += 101
    else:
        workload.stop_now()
    bench.until(workload, lambda: workload.stopped)
    assert codes(workload) == [(143, "drain")]

    busy = bench.folder / "state" / "workload.busy"
    assert busy.exists()
    again = bench.workload(["/bin/sh", "-c", 'test -e "$GAIA_BUSY"; echo $?'])
    again.start()
    assert bench.line() == "1"


def test_resume_calls_a_drain_off(bench: Bench) -> None:
    workload = bench.python("import os; open(os.environ['GAIA_BUSY'], 'w')\n" + READY_THEN_WAIT)
    workload.start()
    assert bench.line() == "ready"
    workload.request_stop()
    assert (workload.state, workload.running) == (WorkloadState.DRAINING, True)
    workload.resume()
    assert (workload.state, workload.running) == (WorkloadState.RUNNING, True)
    assert outcomes(workload) == []


def test_resume_while_it_is_being_stopped_starts_it_again(bench: Bench) -> None:
    workload = bench.python(READY_THEN_WAIT)
    workload.start()
    assert bench.line() == "ready"
    workload.request_stop()
    workload.resume()
    bench.until(workload, lambda: workload.running)
    assert bench.line() == "ready"
    assert codes(workload) == [(143, "drain")]


def test_an_end_of_its_own_while_a_drain_waits_is_its_own(bench: Bench) -> None:
    workload = bench.python(
        "import os, signal, sys; open(os.environ['GAIA_BUSY'], 'w')\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})\n"
        "print('ready', flush=True); signal.sigwait({signal.SIGUSR1}); sys.exit(5)"
    )
    workload.start()
    assert bench.line() == "ready"
    workload.request_stop()
    report = workload.report()
    assert report is not None
    assert report.pid is not None
    os.kill(report.pid, signal.SIGUSR1)
    bench.until(workload, lambda: workload.stopped)
    assert codes(workload) == [(5, "itself")]


def test_no_command_is_no_workload(bench: Bench) -> None:
    workload = bench.workload([])
    workload.start()
    workload.poll()
    assert workload.stopped
    assert workload.report() is None
    workload.request_stop()
    workload.resume()
    assert workload.stopped


def test_outcomes_stay_until_confirmed_and_outlive_the_worker(bench: Bench) -> None:
    workload = bench.python(READY_THEN_WAIT)
    workload.start()
    assert bench.line() == "ready"
    workload.request_stop()
    bench.until(workload, lambda: workload.stopped)

    later = bench.python("raise SystemExit(4)")
    later.start()
    bench.until(later, lambda: later.state is WorkloadState.WAITING)
    assert codes(later) == [(143, "drain"), (4, "itself")]
    later.confirm(1)
    assert codes(later) == [(4, "itself")]
    assert codes(bench.python(WAIT)) == [(4, "itself")]
    later.confirm(1)
    assert codes(bench.python(WAIT)) == []


def test_outcomes_are_bounded_and_confirmation_counts_what_was_sent(bench: Bench) -> None:
    workload = bench.workload([str(bench.folder / "missing")])
    workload.start()
    for _ in range(MAX_OUTCOMES + 4):
        bench.now += 1000
        workload.poll()
    assert len(outcomes(workload)) == MAX_OUTCOMES
    bench.now += 1000
    workload.poll()
    newest = bench.now + 1_700_000_000.0
    workload.confirm(MAX_OUTCOMES)
    assert [outcome.started_at for outcome in outcomes(workload)] == [newest]


@pytest.mark.parametrize("content", [b"", b"{", b'{"leader": 7}', b"\xff\xfe"])
def test_a_damaged_record_is_no_crash(bench: Bench, content: bytes) -> None:
    state = bench.folder / "state"
    state.mkdir()
    (state / "workload.json").write_bytes(content)
    workload = bench.python("print('ran', flush=True)")
    workload.start()
    assert bench.line() == "ran"


WORKER = """
import os, sys
from pathlib import Path
from gaia.worker.workload import Workload
workload = Workload(
    [sys.executable, "-c", sys.argv[2]], Path(sys.argv[1]) / "place",
    state_dir=Path(sys.argv[1]) / "state", environment={}, stdio=(2, 2),
)
workload.start()
print("recorded", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("environment_lost", [False, True])
def test_a_killed_workers_workload_is_stopped_before_the_next(
    bench: Bench, environment_lost: bool
) -> None:
    code = (
        "import os, sys\n"
        "if sys.argv[-1] != 'again': os.execve(sys.executable, [sys.executable, '-c', CODE, "
        "'again'], {})\n"
        if environment_lost
        else ""
    )
    body = "import os; print(os.getpid(), flush=True)\n" + WAIT
    code = code.replace("CODE", repr(body)) + body
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(bench.folder), code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout is not None
        assert worker.stderr is not None
        pid = int(worker.stderr.readline())
        while worker.stdout.readline() != "recorded\n":
            assert worker.poll() is None
        worker.kill()
        worker.wait()
    assert alive(pid)

    workload = bench.python("print('next', flush=True)")
    assert not workload.stopped
    workload.start()
    bench.until(workload, lambda: workload.state is WorkloadState.FINISHED)
    assert bench.line() == "next"
    assert not alive(pid)
    assert codes(workload) == [(0, "itself")]


def test_a_recycled_process_id_is_left_alone(bench: Bench) -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, start_new_session=True) as other:
        state = bench.folder / "state"
        state.mkdir()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        (state / "workload.json").write_text(
            f'{{"leader": {{"pid": {other.pid}, "started": 1, "boot": "{boot}"}}}}'
        )
        workload = bench.python(WAIT)
        assert workload.stopped
        assert other.poll() is None
