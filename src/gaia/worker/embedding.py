"""The updater as a library: any Python daemon stays on the release that its operator signed."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from gaia.errors import InvalidInput
from gaia.model.channel import DEFAULT_CHANNEL, check_channel
from gaia.model.tag import Tag
from gaia.protocol import bearer
from gaia.protocol.address import Address
from gaia.trust.pin import RootPin
from gaia.worker.agent import Agent
from gaia.worker.composition import Options, Program, compose, site_of
from gaia.worker.console import Console
from gaia.worker.relaunch import close_on_exec
from gaia.worker.runtime import clean_environment
from gaia.worker.trial import Site

SHORTEST_INTERVAL, LONGEST_INTERVAL = 0.1, 3600.0
"""Seconds between heartbeats."""


class Updater:
    """Keeps the executable of this process on the signed release, as `gaia-worker` does.

    ```python
    with Updater(server=URL, token=TOKEN, name="sensor-1", version="v1.0.0") as updater:
        while not stop.is_set():
            one_unit_of_work()
            updater.poll()
    ```

    The executable
        - is one file that the system can start: a program, or a script with `#!` and its mode bit;
        - is published under the name `gaia-worker-<platform>`, such as `gaia-worker-linux`;
        - ends with exit code 0, and does no work, when it is called with `--self-check` before its
          other arguments: so every new version is asked before it is installed;
        - reports, as `version`, the tag that it is published under.

    The process
        - calls `start`, `poll` and `stop` from its main thread;
        - has, at these calls, no other thread. An update forks its guard, where a lock that another
          thread holds is never released, and then replaces the process: other threads end in the
          middle of what they do. Join them before, or have none;
        - has, at `poll`, nothing open that must be written or closed in good order: no `finally`,
          `atexit` or buffer comes to its turn. Descriptors above 2 do not reach the new version,
          child processes stay;
        - polls at least once every `probation_silence` seconds: a new version that does not is
          taken for hung, and the old one comes back;
        - handles SIGTERM and leaves the `with` block on it: a new version that is killed before it
          has proved itself is taken for broken.

    No signal handler is installed and no logging is configured. Log lines go through structlog, as
    the daemon has set it up. While a new version proves itself, what it writes to standard output
    and error goes through a file to the old standard error.

    Args:
        server: address of gaia-server.
        token: access token of role worker.
        name: of this worker in the fleet.
        version: of the program that runs, such as `v1.0.0`.
        executable: what is replaced; default: `sys.argv[0]`.
        trust_root: path of a root.json, or `sha256:HEX`; default: trust on first use.
        state_dir: for trust metadata and identity, of this worker alone; default: `.gaia/state`
            beside the executable.
        channel: of the releases to follow.
        heartbeat_interval: seconds; the server may ask for more.
        probation_silence: seconds between two polls after which a new version is taken back; more
            than the longest unit of work.
        labels: shown in the fleet.

    Raises:
        InvalidInput: `invalid-address`, `invalid-token`, `invalid-tag`, `invalid-channel`,
            `invalid-interval`, `invalid-digest`, `trust-root-unreadable`.
    """

    def __init__(  # noqa: PLR0913 - what a command line would have as options
        self,
        *,
        server: str,
        token: str,
        name: str,
        version: str,
        executable: Path | None = None,
        trust_root: str | None = None,
        state_dir: Path | None = None,
        channel: str = DEFAULT_CHANNEL,
        heartbeat_interval: float = Options.heartbeat_interval,
        probation_silence: float = Options.probation_silence,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        Tag.parse(version)
        Address.parse(server)
        bearer.authorization(token)
        if not SHORTEST_INTERVAL <= heartbeat_interval <= LONGEST_INTERVAL:
            raise InvalidInput(
                "invalid-interval",
                f"{heartbeat_interval} s is no interval between heartbeats.",
                hint=f"Choose from {SHORTEST_INTERVAL:g} to {LONGEST_INTERVAL:g} s.",
            )
        self._program = Program(version, (executable or Path(sys.argv[0])).resolve())
        self._options = Options(
            server=server,
            token=token,
            name=name,
            auto_update=True,
            heartbeat_interval=heartbeat_interval,
            state_dir=state_dir,
            trust_root=None if trust_root is None else RootPin.parse(trust_root),
            channel=check_channel(channel),
            labels=labels or {},
            probation_silence=probation_silence,
        )
        self._console: Console | None = None
        self._agent: Agent | None = None

    def start(self) -> None:
        """Finish or undo what an interrupted update left, and prepare to poll.

        Call it early, with the handlers of stop signals in place: SIGTERM, SIGINT and SIGHUP are
        kept pending from the swap until here. It does not return when the version to run is the
        old one: a new version that is started too often without proving itself is taken back here.

        Raises:
            InstallError: `exec`: the old version is back in place, but does not start. End, then.
            OSError: the state folder cannot be made.
        """
        if self._agent is not None:
            raise RuntimeError("the updater has been started")
        console = Console.adopt(os.environ)
        environment = clean_environment(os.environ)
        site = site_of(self._program, self._options, console, environment)
        _count_start(site)
        agent = compose(self._program, self._options, site)
        agent.begin(threading.Event())
        self._console, self._agent = console, agent

    def poll(self) -> None:
        """Do one small step; call it between units of work, as often as is convenient.

        It does not return when an update is ready: the process becomes the new version, with the
        same arguments and process ID. Whatever goes wrong with the server or a release is logged,
        never raised. A server that does not answer can take half a minute.
        """
        if self._agent is None:
            raise RuntimeError("the updater has not been started")
        self._agent.poll()

    def stop(self) -> None:
        """Say that this process ends because it was told to, and give back what was held.

        Only for an orderly end: a new version that says so before it has proved itself is not
        taken back. Does nothing when not started.
        """
        agent, console = self._agent, self._console
        if agent is None or console is None:
            return
        self._agent = self._console = None
        agent.stopping()
        agent.close()
        console.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """`stop`, unless the daemon fails: a new version that does is taken back."""
        if _orderly(error):
            self.stop()
        elif self._agent is not None:
            self._agent.close()
            self._agent = None


def _orderly(error: BaseException | None) -> bool:
    if isinstance(error, SystemExit):
        return error.code in (None, 0)
    return error is None or isinstance(error, KeyboardInterrupt)


def _count_start(site: Site) -> None:
    """What a single-file worker's native stub does before Python starts."""
    if site.probation.count_boot():
        site.console.restore()
        with close_on_exec():
            site.launch.execute({})
