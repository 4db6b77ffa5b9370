"""Someone between workers and an honest server, without any key.

Tampered files, replays, mixtures and endless data are faults 26 and 28 (tests/faults).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gaia.errors import TransportError
from gaia.model.artifact import Artifact
from gaia.trust.roles import GAIA_WORKER, ROOT, SNAPSHOT, TARGETS
from gaia.worker.download import Patience, download
from gaia.worker.transport import Transport
from support.attack import DIGESTS, FRESH, KNOWN, STABLE, StrictWorld, Victim, victim
from support.trust import LINUX, current

NOTHING: set[str] = set()


@pytest.mark.parametrize("role", [ROOT, TARGETS, SNAPSHOT, GAIA_WORKER, STABLE])
def test_each_role_rolled_back_to_an_older_signed_file(
    world: StrictWorld, worker: Victim, role: str
) -> None:
    old = world.newest(role).read_bytes()
    for renewed in (ROOT, TARGETS):
        world.draft(lambda drafter, renewed=renewed: drafter.renew(renewed))  # type: ignore[misc]
    world.release("v0.6.0")
    newest = world.newest(role).name
    world.source.tamper = lambda name, data: old if name == newest else data
    assert worker.would_run() == NOTHING
    assert worker.refused[0] in {"metadata-rollback", "metadata-mismatch", "metadata-invalid"}
    world.source.tamper = lambda _, data: data
    assert worker.would_run() == {DIGESTS["v0.6.0"]}


def test_an_old_day_is_shown_again_to_fresh_workers_for_a_day_at_most(world: StrictWorld) -> None:
    """What a fresh worker cannot know; a known one refuses it at once."""
    yesterday = world.repository.timestamp
    known, fresh = victim(world, KNOWN), victim(world, FRESH)
    world.release("v0.6.0")
    world.beat(known.client)
    for worker, shown in ((known, "v0.6.0"), (fresh, "v0.5.0")):
        if worker is known:
            with pytest.raises(Exception, match="older"):
                worker.client.refresh(1, yesterday)
        else:
            worker.client.refresh(1, yesterday)
        assert current(worker.client) == shown
    world.clock.forward(hours=24)
    another = victim(world, FRESH, "file")
    with pytest.raises(Exception, match="expired"):
        another.client.refresh(1, yesterday)
    assert current(another.client) is None


def test_a_held_timestamp_stops_updates_and_is_an_alarm_after_a_day(
    world: StrictWorld, worker: Victim
) -> None:
    """Nothing new runs meanwhile, and nothing that runs is stopped."""
    held = world.repository.timestamp
    worker.client.refresh(1, held)
    world.release("v0.6.0")
    worker.client.refresh(1, held)
    assert current(worker.client) == "v0.5.0"
    world.clock.forward(hours=24)
    with pytest.raises(Exception, match="expired"):
        worker.client.refresh(1, held)


@pytest.mark.parametrize("role", [TARGETS, SNAPSHOT, GAIA_WORKER, STABLE])
def test_a_mirror_of_another_repository(world: StrictWorld, worker: Victim, role: str) -> None:
    """Well signed, but by other keys: only for one role, the rest is ours."""
    world.release("v0.6.0")
    other = StrictWorld(world.folder / "other", world.clock)
    strange = other.newest(role).read_bytes()
    world.source.tamper = lambda name, data: strange if name.endswith(f".{role}.json") else data
    assert worker.would_run() <= {DIGESTS["v0.6.0"]}
    if role != TARGETS or worker.refused:  # a known worker does not ask for it again
        assert worker.refused[0] in {"metadata-mismatch", "metadata-oversize"}
        assert current(worker.client) in {None, "v0.5.0"}


@contextmanager
def dripping(head: bytes, pause: float) -> Iterator[str]:
    """A server that sends `head`, and then a byte every `pause` seconds, for ever."""
    closing = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not closing.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(head)
                    while not closing.wait(pause):
                        connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            closing.set()
            thread.join()


def test_slow_retrieval_of_a_release_is_given_up_although_bytes_keep_coming(
    tmp_path: Path,
) -> None:
    """Below the least throughput the credit runs out, however often a byte arrives."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n"
    artifact = Artifact(LINUX, 20_000_000, "5" * 64)
    patience = Patience(least=1_000_000, credit=0.5, tries=1)
    with dripping(head, 0.01) as url, pytest.raises(TransportError) as failure:
        download(Transport(url, "token", "test"), "/f", tmp_path / "f", artifact, patience=patience)
    assert failure.value.code == "stalled"
    assert (tmp_path / "f").stat().st_size < 20_000_000


def test_slow_retrieval_of_metadata_ends_with_the_call_s_deadline() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n"
    with dripping(head, 0.01) as url, pytest.raises(TransportError) as failure:
        Transport(url, "token", "test", deadline=0.5).get("/tuf/1.root.json", limit=5_000_000)
    assert failure.value.code == "timed-out"
