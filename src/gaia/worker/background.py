"""One slow job at a time, in a thread, so that heartbeats go on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Background:
    """Runs a job in a thread and its consequence in the caller's.

    Only one job runs at a time: the trust folder and the install folder each have one writer.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._finish: Callable[[], None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a job runs, or has ended without its consequence."""
        return self._thread is not None

    def start(
        self, job: Callable[[], T], then: Callable[[T], None], failed: Callable[[Exception], None]
    ) -> None:
        """Run `job` in a thread; `poll` then calls `then` or `failed` with what came of it."""
        if self.busy:
            raise RuntimeError("a job is running")

        def run() -> None:
            try:
                value = job()
            except Exception as error:  # noqa: BLE001 - handed to the caller's thread as it is
                caught = error
                self._finish = lambda: failed(caught)
            else:
                self._finish = lambda: then(value)

        self._thread = threading.Thread(target=run, name="gaia-background", daemon=True)
        self._thread.start()

    def wait(self, patience: float) -> bool:
        """Wait for the end of the job that runs, for `patience` seconds; whether none runs then."""
        if self._thread is None:
            return True
        self._thread.join(patience)
        return not self._thread.is_alive()

    def poll(self) -> None:
        """Act on a job that has ended. Call it from the main loop."""
        if self._thread is None or self._thread.is_alive():
            return
        self._thread.join()
        finish, self._thread, self._finish = self._finish, None, None
        if finish is not None:
            finish()
