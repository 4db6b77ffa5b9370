"""What must hold at every step, whatever happens."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaia.errors import GaiaError
from gaia.model.channel import Pointer
from gaia.planning.probation import MAX_BOOTS
from gaia.trust.client import TrustClient
from gaia.trust.fetcher import NoSource
from gaia.trust.pin import RootPin
from gaia.worker.journal import Journal
from gaia.worker.probation import Probation
from proofs.simulation.bundle_rules import BundleRules
from proofs.simulation.bundles import Bundle
from proofs.simulation.kernel import Kernel, Process
from proofs.simulation.releases import CHANNEL, FILENAME, Build

if TYPE_CHECKING:
    from proofs.simulation.machine import Machine


@dataclass(frozen=True)
class Violation:
    """A rule that was broken."""

    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


@dataclass
class _Record:
    """What is remembered of one machine.

    Attributes:
        bundles: what must hold of its experiments.
        live: digest of what is at the path.
        seen: what the path's status was when it was last looked at.
        ran: digests of what has run since it was installed.
        reverted: digests of what was taken back here after it had run.
        kills, cuts: from outside, by digest of what was on trial then.
    """

    bundles: BundleRules
    live: str = ""
    seen: tuple[int, int, int] | None = None
    ran: set[str] = field(default_factory=set)
    reverted: set[str] = field(default_factory=set)
    kills: dict[str, int] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)


class Watcher:
    """Looks at every step of every machine.

    Attributes:
        trace: what has happened so far.
        violation: the first rule that was broken.
    """

    def __init__(self, kernel: Kernel, root: bytes) -> None:
        self.trace: list[str] = []
        self.violation: Violation | None = None
        self._kernel = kernel
        self._root = root
        self._signed: dict[str, Build] = {}
        self._bundles: dict[str, Bundle] = {}
        self._records: dict[str, _Record] = {}

    def note(self, text: str) -> None:
        """Something happens."""
        self.trace.append(f"{self._kernel.now:9.2f}  {text}")

    def signs(self, build: Build) -> None:
        """The operator vouches for a release."""
        self._signed[build.sha256] = build
        self._bundles[build.bundle.sha256] = build.bundle

    def violated(self, rule: str, text: str) -> None:
        """End the world, as a rule was broken."""
        if self.violation is None:
            self.violation = Violation(rule, text)
            self.note(f"VIOLATION {self.violation}")
            self._kernel.stopped = True

    def runs(self, machine: Machine, content: bytes) -> Build | None:
        """`content` is executed."""
        build = self._signed.get(hashlib.sha256(content).hexdigest())
        if build is None:
            self.violated("nothing-unsigned-runs", f"{machine.name} runs {content[:40]!r}")
        return build

    def started(self, machine: Machine, build: Build) -> None:
        """A worker has been started."""
        self.note(f"{machine.name} starts {build}")
        self._record(machine).ran.add(build.sha256)
        self.charges(machine)

    def ended(self, host: Any, process: Process) -> None:
        """A process is no more."""
        name = getattr(host, "name", "server")
        self.note(f"{name}: {process.name} {process.pid} ended")
        fault = process.fault
        if fault is not None and not isinstance(fault, GaiaError | OSError):
            self.violated("no-fault-of-ours", f"{name}: {process.name}: {fault!r}")
        elif fault is not None:
            self.note(f"{name}: {fault!r}")

    def killed(self, machine: Machine) -> None:
        """The world is about to kill a machine's worker."""
        _count(machine, self._record(machine).kills)

    def lost_power(self, machine: Machine) -> None:
        """A power cut is over. What is on trial then is counted: a marker that was removed, but
        not durably, is back."""
        record = self._record(machine)
        _count(machine, record.cuts)
        record.bundles.forget()
        record.bundles.look(lambda: self._verified(machine))
        self._look_at_path(machine, record)

    def changed(self, machine: Machine) -> None:
        """Something on a machine's disk is not what it was."""
        record = self._record(machine)
        if machine.disk.latest.startswith(str(machine.work)):
            record.bundles.look(lambda: self._verified(machine))
        before = record.live
        build = self._look_at_path(machine, record)
        if build is not None and before and record.live != before:
            self._exchanged(machine, record, before, build)

    def _look_at_path(self, machine: Machine, record: _Record) -> Build | None:
        """The release at the path, if that is another file than before."""
        try:
            status = machine.path.lstat()
        except FileNotFoundError:
            self.violated("runnable-file", f"{machine.name} has nothing at the path")
            return None
        seen = (status.st_ino, status.st_size, status.st_mode)
        if seen == record.seen:
            return None
        record.seen, record.live = seen, _digest(machine.path)
        build = self._signed.get(record.live)
        if build is None or not status.st_mode & 0o100:
            self.violated("runnable-file", f"{machine.name} has {status} at the path")
            return None
        return build

    def rests_with(self, machine: Machine, bundle: Bundle) -> bool:
        """Whether these experiments are in place, and nothing is left over of others."""
        return self._record(machine).bundles.at_rest_with(bundle)

    def charges(self, machine: Machine) -> None:
        """Nobody holds against a release what it has not done."""
        journal = Journal(machine.installation.beside("journal"))
        journal.load()
        record = self._record(machine)
        for sha256 in sorted(journal.failed_digests):
            build = self._signed[sha256]
            excused = sha256 in record.kills or record.cuts.get(sha256, 0) >= MAX_BOOTS
            if build.good and not excused:
                failure = journal.failure
                why = "" if failure is None else f": {failure.reason}, {failure.detail}"
                self.violated("no-false-charge", f"{machine.name} holds {build} for failed{why}")

    def _exchanged(self, machine: Machine, record: _Record, before: str, build: Build) -> None:
        marker = Probation(machine.installation).marker()
        if marker is not None and marker.sha256 == before:
            self.note(f"{machine.name} goes back to {build}")
            record.reverted |= record.ran & {before}
            return
        self.note(f"{machine.name} installs {build}")
        record.ran.discard(build.sha256)
        if build.sha256 in record.reverted:
            self.violated("never-again", f"{machine.name} installs {build}, which it took back")
        pointer, left = self._verified(machine), self._signed[before].tag
        if pointer is None:
            self.violated("as-signed", f"{machine.name} installs {build} without a pointer")
        elif build.tag < left <= pointer.current and left not in pointer.withdrawn:
            self.violated("no-downgrade", f"{machine.name} leaves {left} for {build}")
        elif build.tag in pointer.withdrawn:
            self.violated("nothing-withdrawn-starts", f"{machine.name} installs {build}")
        elif (
            not pointer.floor <= build.tag <= pointer.current
            or pointer.tags.get(build.tag, {}).get(FILENAME) != build.sha256
        ):
            self.violated("as-signed", f"{machine.name} installs {build}, not {pointer}")

    def _verified(self, machine: Machine) -> Pointer | None:
        """The pointer that this machine has verified.

        What is on its disk counts. A thief of the online key can have left a snapshot there that
        no role fits; then the worker goes on with what it knows, and refuses the thief's word.
        """
        client = TrustClient(
            machine.state / "trust",
            NoSource(),
            RootPin.of_file(self._root),
            lambda: datetime.fromtimestamp(machine.wall(), UTC),
            channel=CHANNEL,
        )
        with self._kernel.outside():
            return client.pointer(CHANNEL) or machine.pointer()

    def _record(self, machine: Machine) -> _Record:
        record = self._records.get(machine.name)
        if record is None:
            rules = BundleRules(
                machine.work,
                self._bundles,
                lambda rule, text: self.violated(rule, f"{machine.name}: {text}"),
            )
            record = self._records[machine.name] = _Record(rules)
        return record


def _count(machine: Machine, by_digest: dict[str, int]) -> None:
    marker = Probation(machine.installation).marker()
    if marker is not None:
        by_digest[marker.sha256] = by_digest.get(marker.sha256, 0) + 1


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
