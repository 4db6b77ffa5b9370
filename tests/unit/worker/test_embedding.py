"""The library's face: what it refuses, and that it leaves the process as it found it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from gaia.errors import InvalidInput
from gaia.worker import Updater

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def updater(tmp_path: Path) -> Callable[..., Updater]:
    """An updater of a script in a folder of its own, whose server does not answer."""
    script = tmp_path / "daemon"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)

    def make(**other: Any) -> Updater:
        usual = {"server": NOBODY, "token": "t", "name": "d", "version": "v1.0.0"}
        return Updater(**{**usual, "executable": script, **other})

    return make


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"server": "nowhere"}, "invalid-address"),
        ({"token": "two words"}, "invalid-token"),
        ({"version": "newest"}, "invalid-tag"),
        ({"channel": "No Channel"}, "invalid-channel"),
        ({"heartbeat_interval": 0.0}, "invalid-interval"),
        ({"trust_root": "/no/such/root.json"}, "trust-root-unreadable"),
    ],
)
def test_what_cannot_work_is_refused_at_once(
    updater: Callable[..., Updater], wrong: dict[str, Any], code: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        updater(**wrong)
    assert refused.value.code == code


def test_a_poll_before_the_start_is_a_mistake(updater: Callable[..., Updater]) -> None:
    with pytest.raises(RuntimeError, match="not been started"):
        updater().poll()


def test_the_process_is_left_as_it_was_found(updater: Callable[..., Updater]) -> None:
    before = state_of_process()
    with updater() as running:
        running.poll()
        handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert state_of_process() == before
    assert handlers == before["handlers"][:2]


def test_it_can_be_started_again_after_its_end(updater: Callable[..., Updater]) -> None:
    one = updater()
    for _ in range(2):
        with one:
            one.poll()


def test_a_second_start_is_a_mistake(updater: Callable[..., Updater]) -> None:
    with updater() as running, pytest.raises(RuntimeError, match="has been started"):
        running.start()


def state_of_process() -> dict[str, Any]:
    return {
        "handlers": [
            signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        ],
        "mask": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "descriptors": sorted(
            (entry.name, os.path.realpath(entry)) for entry in Path("/proc/self/fd").iterdir()
        ),
        "folder": Path.cwd(),
        "environment": dict(os.environ),
        "logging": structlog.is_configured(),
    }
