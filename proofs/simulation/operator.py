"""The operator: one thing after the other, each until it is done or turns out to be senseless."""

from __future__ import annotations

from gaia.errors import Conflict, GaiaError, InvalidInput, NotFound
from proofs.simulation.kernel import Kernel
from proofs.simulation.releases import Build
from proofs.simulation.rules import Watcher
from proofs.simulation.server import Deed, Server, publish

_AGAIN = 20.0
"""Seconds until what had no answer is tried again."""


class Operator:
    """Has a server do things, though it may be down, or die over them.

    Args:
        filenames: what is uploaded of a release.
    """

    def __init__(
        self, kernel: Kernel, server: Server, watcher: Watcher, filenames: frozenset[str]
    ) -> None:
        self._kernel = kernel
        self._server = server
        self._watcher = watcher
        self._filenames = filenames
        self._deeds: list[tuple[str, Deed]] = []

    def publish(self, build: Build) -> None:
        """Upload a release."""
        self._watcher.signs(build)
        for filename, content in build.files.items():
            if filename in self._filenames:
                self.does(f"publish {filename} of {build}", publish(build.tag, filename, content))

    def does(self, name: str, deed: Deed) -> None:
        """Once all that was wanted before is done."""
        self._deeds.append((name, deed))
        if len(self._deeds) == 1:
            self._try(name, deed)

    def _try(self, name: str, deed: Deed) -> None:
        def done(error: GaiaError | None) -> None:
            self._watcher.note(f"operator: {name}: {error or 'done'}")
            if error is None or isinstance(error, Conflict | NotFound | InvalidInput):
                self._deeds.pop(0)
                if self._deeds:
                    self._try(*self._deeds[0])

        def again() -> None:
            if self._deeds and self._deeds[0][1] is deed:
                self._try(name, deed)

        self._server.do(deed, done)
        self._kernel.at(self._kernel.now + _AGAIN, again)
