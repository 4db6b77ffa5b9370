"""Our TUF client as the TUF project's conformance suite sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from support.any_repository import AnyRepository

PROGRAM = Path(__file__).parents[2] / "tools" / "tuf-conformance-client"


@dataclass
class Client:
    """The client under test, by the interface of the conformance suite."""

    run: Callable[[list[str]], int]
    url: str
    folder: Path
    repository: AnyRepository

    @property
    def metadata(self) -> Path:
        return self.folder / "metadata"

    def init(self, root: bytes | None = None) -> int:
        given = self.folder / "given.json"
        given.write_bytes(self.repository.first_root if root is None else root)
        return self.run(["--metadata-dir", str(self.metadata), "init", str(given)])

    def refresh(self) -> int:
        self.repository.asked.clear()
        return self.run([*self._where(), "refresh"])

    def download(self, name: str) -> int:
        self.repository.asked.clear()
        places = ["--target-base-url", f"{self.url}/targets/", "--target-dir"]
        targets = str(self.folder / "targets")
        return self.run([*self._where(), "--target-name", name, *places, targets, "download"])

    def _where(self) -> list[str]:
        return ["--metadata-dir", str(self.metadata), "--metadata-url", f"{self.url}/metadata/"]

    def trusted(self) -> dict[str, int]:
        """Version of each role that the client trusts."""
        return {
            unquote(path.stem): json.loads(path.read_bytes())["signed"]["version"]
            for path in self.metadata.glob("*.json")
        }

    def downloaded(self) -> dict[str, bytes]:
        """All that was left in the targets' folder, by name."""
        folder = self.folder / "targets"
        found = folder.rglob("*") if folder.exists() else ()
        return {unquote(path.name): path.read_bytes() for path in found if path.is_file()}

    def asked(self) -> list[str]:
        """Names of the metadata that the last command asked for."""
        return [
            path.removeprefix("metadata/").removesuffix(".json")
            for path in self.repository.asked
            if path.startswith("metadata/")
        ]
