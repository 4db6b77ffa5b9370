"""The journal: where an update stands, written before each step is taken."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog

from gaia.errors import InstallError
from gaia.model.worker import FailureReason, WorkerState
from gaia.planning.update import Event, advance
from gaia.protocol.worker import Failure
from gaia.worker.durable import told_as_install_error, write_atomic

log = structlog.get_logger()

FORMAT = 1
"""Version of the file. A later one may add fields, which this code keeps, but not change these."""

MAX_FAILURES = 32


@dataclass(frozen=True)
class Target:
    """An executable that an update goes to, or comes from. `size` in bytes, 0 when unknown."""

    tag: str
    sha256: str
    size: int = 0


class Journal:
    """`.gaia/NAME.journal`. Not for several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._document: dict[str, Any] = {}

    def load(self) -> None:
        """Read the file. One that cannot be understood is set aside, and a blank one begun."""
        try:
            self._document = _parse(self._path.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            aside = self._path.with_name(self._path.name + ".corrupt")
            log.warning("journal set aside", path=str(aside), reason=str(error))
            with contextlib.suppress(OSError):
                self._path.replace(aside)

    @property
    def state(self) -> WorkerState:
        """Where the update stands. A state that only a newer version knows reads as idle."""
        try:
            return WorkerState(self._document.get("state", WorkerState.IDLE))
        except ValueError:
            return WorkerState.IDLE

    @property
    def target(self) -> Target | None:
        """What the update goes to; after it, what the last one went to."""
        return _target(self._document.get("target"))

    @property
    def source(self) -> Target | None:
        """What ran when the update began, and what `.bak` must hold."""
        return _target(self._document.get("from"))

    @property
    def rescue(self) -> Target | None:
        """The release to fetch again, as its backup was lost when it was needed."""
        return _target(self._document.get("rescue"))

    @property
    def failure(self) -> Failure | None:
        """The last failure, until it is confirmed."""
        failures = self._failures
        if not failures or not self._document.get("unconfirmed"):
            return None
        return msgspec.convert(failures[-1], Failure)

    @property
    def failed_digests(self) -> frozenset[str]:
        """Executables that are not tried again."""
        return frozenset(
            entry["sha256"] for entry in self._failures if _blames_release(entry["reason"])
        )

    @property
    def _failures(self) -> list[dict[str, Any]]:
        failures: list[dict[str, Any]] = self._document.get("failed", [])
        return failures

    def advance(
        self, *events: Event, target: Target | None = None, source: Target | None = None
    ) -> None:
        """Make these moves of the table, durably, and as one.

        Raises:
            InstallError: `no-space` or `swap`: not written, and nothing moved.
        """
        state = self.state
        for event in events:
            state = advance(state, event)
        changes: dict[str, Any] = {"state": str(state)}
        if target is not None:
            changes["target"] = msgspec.to_builtins(target)
        if source is not None:
            changes["from"] = msgspec.to_builtins(source)
        self._write(changes)

    def settle(self, *events: Event, failure: Failure | None = None) -> bool:
        """Like `advance`, for moves back to rest, which a full disk must not stop.

        What could not be written is found again by the next start from the files themselves.

        Returns:
            Whether it is written.
        """
        state = self.state
        for event in events:
            state = advance(state, event)
        changes: dict[str, Any] = {"state": str(state)}
        if state is WorkerState.INCONSISTENT:
            changes["rescue"] = self._document.get("from")
        if failure is not None:
            changes |= {"failed": self._with(failure), "unconfirmed": True}
        return self._write_or_remember(changes)

    def confirm_failure(self) -> None:
        """The server knows of the failure: stop saying it."""
        if self._document.get("unconfirmed"):
            self._write_or_remember({"unconfirmed": False})

    def forget_rescue(self) -> None:
        """A sound release runs again."""
        if self._document.get("rescue"):
            self._write_or_remember({"rescue": None})

    def _with(self, failure: Failure) -> list[dict[str, Any]]:
        others = [
            {**entry, "log_tail": ""}
            for entry in self._failures
            if entry["sha256"] != failure.sha256
        ]
        return [*others, msgspec.to_builtins(failure)][-MAX_FAILURES:]

    def _write_or_remember(self, changes: dict[str, Any]) -> bool:
        try:
            self._write(changes)
        except InstallError as error:
            log.warning("journal not written", reason=str(error))
            self._document |= changes
            return False
        return True

    def _write(self, changes: dict[str, Any]) -> None:
        document = self._document | changes
        document["format"] = max(FORMAT, document.get("format", FORMAT))
        with told_as_install_error("writing the journal"):
            write_atomic(self._path, msgspec.json.format(msgspec.json.encode(document)), 0o600)
        self._document = document


class _Known(msgspec.Struct):
    """The fields that this version reads, to check their types. `from` is a keyword."""

    format: int
    state: str
    target: Target | None = None
    source: Target | None = msgspec.field(default=None, name="from")
    rescue: Target | None = None
    failed: list[Failure] = []
    unconfirmed: bool = False


def _parse(text: bytes) -> dict[str, Any]:
    msgspec.json.decode(text, type=_Known)
    document: dict[str, Any] = msgspec.json.decode(text)
    return document


def _target(entry: dict[str, Any] | None) -> Target | None:
    return None if entry is None else msgspec.convert(entry, Target)


def _blames_release(reason: str) -> bool:
    try:
        return FailureReason(reason).blames_release
    except ValueError:
        return True  # a newer version's reason: better never again than again and again
