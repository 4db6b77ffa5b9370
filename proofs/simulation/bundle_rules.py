"""What must hold of the experiments on a machine, whenever they or what is said of them change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gaia.model.artifact import EXPERIMENTS
from gaia.model.channel import Pointer
from gaia.planning.bundle import DISPLACED
from gaia.worker.bundle_state import BundleState, StateFile
from proofs.simulation.bundles import OWNERS_WORK, PRIVATE, Bundle, in_place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_AT_REST = {"state.json", "stage.lock", "swap.lock"}


class BundleRules:
    """One machine's.

    Args:
        work: the working directory of the workload.
        signed: the bundles that the operator vouches for, by digest; others may come.
        violated: called with the rule and how it was broken.
    """

    def __init__(
        self, work: Path, signed: Mapping[str, Bundle], violated: Callable[[str, str], None]
    ) -> None:
        self._work = work
        self._private = work / PRIVATE
        self._violated = violated
        self._signed = signed
        self._installed = ""

    def look(self, pointer: Callable[[], Pointer | None]) -> None:
        """The workload may be started whenever no bundle is on its way; then there is one only.

        Args:
            pointer: what the machine has verified.
        """
        found = in_place(self._work)
        if OWNERS_WORK not in found.values():
            self._violated("owners-work", f"the owner's file is lost: {sorted(found)}")
        state = self._state()
        if state.pending is not None:
            return
        bundle = self._whole(state)
        if bundle is not None and bundle.sha256 != self._installed:
            self._installed = bundle.sha256
            known = pointer()
            files = {} if known is None else known.tags.get(bundle.tag, {})
            if files.get(EXPERIMENTS) != bundle.sha256:
                self._violated("as-signed", f"experiments of {bundle.tag}, not {known}")
        bundles = {
            path: content
            for path, content in found.items()
            if content != OWNERS_WORK and not (state.retired and f"{DISPLACED}/" in f"{path}/")
        }
        wanted = {} if bundle is None else bundle.files
        if bundles != wanted:
            wrong = sorted(bundles.items() ^ wanted.items())
            self._violated("one-bundle", f"{wrong} differs, with {state}")

    def forget(self) -> None:
        """A power cut may have brought back what was there before."""
        self._installed = self._sha256()

    def at_rest_with(self, bundle: Bundle) -> bool:
        """Whether this bundle is in place, and nothing is left over."""
        state = self._state()
        names = {path.name for path in self._private.iterdir()} if self._private.is_dir() else set()
        return (
            self._sha256() == bundle.sha256
            and state.pending is state.retired is None
            and names <= _AT_REST
        )

    def _whole(self, state: BundleState) -> Bundle | None:
        if state.installed is None:
            return None
        bundle = self._signed.get(state.installed.sha256)
        if bundle is None:
            self._violated("nothing-unsigned-runs", f"experiments of {state.installed.tag}")
        return bundle

    def _sha256(self) -> str:
        installed = self._state().installed
        return "" if installed is None else installed.sha256

    def _state(self) -> BundleState:
        return StateFile(self._private / "state.json").load()
